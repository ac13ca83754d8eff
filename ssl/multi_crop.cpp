#include "ssl/multi_crop.h"

#include <algorithm>

#include "autograd/ops.h"

namespace tsr {

Tensor encode_views(Encoder& encoder, const Tensors& views) {
  TSR_CHECK(!views.empty(), "encode_views: no views");
  Tensors features;
  for (auto first = views.begin(); first != views.end();) {
    const auto last =
        std::find_if(first, views.end(), [&](const Tensor& view) { return view.shape() != first->shape(); });
    features.push_back(encoder(concat(Tensors(first, last), 0)));
    first = last;
  }
  return concat(features, 0);
}

}  // namespace tsr
