#pragma once
// The softmax of each row as a ladder of kernels, which docs/first-kernel.md climbs, and what each gets
// wrong.

#include <span>

#include "tensor/tensor.h"

namespace tsr::TSR_BACKEND {

struct Rung {
  const char* name;
  /// x and y: dense float32 [rows, n], on the kernels' device. "vectorised" and "online" throw Error unless n
  /// is a multiple of 4.
  void (*run)(View x, View y);
};

/// From the first attempt to the kernel that the library ships.
std::span<const Rung> softmax_ladder();

/// float32 [rows, n] on the host, evenly from center - 8 to center + 8, the same ones at every call.
Tensor draw_logits(std::int64_t rows, std::int64_t n, double center);
/// What the rung makes of logits [rows, n] on the host, there again.
Tensor weights(const Rung& rung, const Tensor& logits);
/// The largest difference from a loop in float64, each row's in units of its largest weight; NaN when any
/// weight is.
double largest_error(const Rung& rung, const Tensor& logits);

}  // namespace tsr::TSR_BACKEND
