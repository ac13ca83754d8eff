#include "apps/features.h"

namespace tsr {

Tensor extract_features(EncoderModel& model, const Dataset& dataset, std::int64_t batch) {
  return extract_features(*model.encoder, central_views(model.info, dataset), dataset.size(), batch);
}

ImageSource central_views(const ModelInfo& info, const Dataset& dataset) {
  check_channels(info, dataset);
  return [crop = CenterCrop(static_cast<int>(info.image_size), info.normalization), &dataset](
             std::int64_t begin, std::int64_t end) { return make_views(dataset, crop, begin, end); };
}

}  // namespace tsr
