#include "apps/features.h"

#include <algorithm>

#include "autograd/ops.h"

namespace tsr {

Tensor extract_features(EncoderModel& model, const Dataset& dataset, std::int64_t batch) {
  check_channels(model.info, dataset);
  const NoGrad guard;
  const CenterCrop crop(static_cast<int>(model.info.image_size), model.info.normalization);
  const bool training = model.encoder->training();
  model.encoder->eval();
  Tensor features = empty({dataset.size(), model.encoder->feature_size()});
  for (std::int64_t begin = 0; begin < dataset.size(); begin += batch) {
    const std::int64_t end = std::min(dataset.size(), begin + batch);
    const Tensor images = make_views(dataset, crop, begin, end);
    copy_into(slice(features, 0, begin, end), (*model.encoder)(images));
  }
  model.encoder->train(training);
  return features;
}

}  // namespace tsr
