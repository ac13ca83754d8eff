#pragma once
// The demo's picture: what the encoder takes for alike.

#include <filesystem>

#include "apps/evaluation.h"

namespace tsr {

/// Writes a PNG with a test image of each class (the first of the set, so that nobody picked them; at most
/// ten classes), each beside its five nearest training images by cosine similarity, nearest first. A
/// neighbour of another class has a red frame. `data` are the splits' features.
void write_neighbours(const std::filesystem::path& file, const EvalSplits& splits, const EvalData& data);

}  // namespace tsr
