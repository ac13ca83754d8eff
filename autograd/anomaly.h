#pragma once
// Anomaly mode: which op made the first NaN or infinity, forward or backward.

#include "autograd/node.h"

namespace tsr {

/// `DetectAnomaly guard;`: until the end of the scope, on this thread, every op's result and every gradient
/// that a backward makes is searched for NaN and infinity, and the first op to make one throws Error, which
/// says where, and in which NamedScope (autograd/scope.h) the op ran. Infinity that came in as data, as in a
/// mask, is let pass, and so is what follows from it, unless that is NaN. Slow: it reads all that is
/// computed.
class DetectAnomaly {
 public:
  explicit DetectAnomaly(bool on = true);
  ~DetectAnomaly();
  DetectAnomaly(const DetectAnomaly&) = delete;
  DetectAnomaly& operator=(const DetectAnomaly&) = delete;

 private:
  bool previous_;
};

/// Whether a DetectAnomaly is on.
bool anomaly_mode();

/// Throws Error when the output has NaN, or infinity that no input had.
void check_forward(const char* op, const Tensors& inputs, const Tensor& output);
/// The same for the gradients that the node's backward made of `grad`.
void check_backward(const Node& node, const Tensor& grad, const Tensors& grads);

}  // namespace tsr
