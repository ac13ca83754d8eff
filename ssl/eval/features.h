#pragma once
// From images to frozen features.

#include <functional>

#include "nn/encoder.h"

namespace tsr {

/// Gives images begin … end-1 of a set as one batch [end - begin, H, W, C].
using ImageSource = std::function<Tensor(std::int64_t begin, std::int64_t end)>;

/// Features of images 0 … count-1, [count, feature_size()], from the encoder in evaluation mode; parameters,
/// buffers and mode are left as they were. Throws Error unless count and batch are positive.
Tensor extract_features(Encoder& encoder, const ImageSource& images, std::int64_t count,
                        std::int64_t batch = 256);

/// Replaces the running statistics of every batch norm by plain averages over consecutive batches of images 0
/// … count-1 (a last, smaller batch is left out unless it is the only one): what an encoder needs whose
/// statistics have never seen data. Throws Error unless count and batch are at least 2.
void estimate_batch_norm(Encoder& encoder, const ImageSource& images, std::int64_t count,
                         std::int64_t batch = 256);

}  // namespace tsr
