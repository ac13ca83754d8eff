#pragma once
// Features of a whole data set.

#include "apps/model_io.h"
#include "data/dataset.h"
#include "ssl/eval/features.h"

namespace tsr {

/// Images of a data set as the encoder wants them: the central view, normalised. The data set must live on.
/// Throws InputError when its channels are not the encoder's.
ImageSource central_views(const ModelInfo& info, const Dataset& dataset);

/// Central views of every sample through the encoder in evaluation mode, `batch` at a time: float32 [N, D] in
/// the set's order. The encoder is left as it was found.
Tensor extract_features(EncoderModel& model, const Dataset& dataset, std::int64_t batch = 256);

}  // namespace tsr
