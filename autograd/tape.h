#pragma once
// The tape as its users see it: recording on and off, backward() and grad(). Each op that needs a gradient
// leaves a node (autograd/node.h); backward() walks the nodes in reverse creation order (autograd/walk.h).
//
// Hooks are in autograd/hooks.h, checkpointing in autograd/checkpoint.h, the search for NaN and infinity in
// autograd/anomaly.h, pictures in autograd/dot.h. A graph belongs to one thread at a time; graphs that share
// no node may be walked at the same time.

#include "tensor/tensor.h"

namespace tsr {

/// Whether ops on this thread record nodes; true at the start.
bool grad_enabled();

/// Turns recording off (or on) for a scope, on this thread.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool previous_;
};
/// `NoGrad guard;`: nothing is recorded until the end of the scope.
struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};

struct BackwardOptions {
  bool retain_graph = false;  ///< keep what was saved, so that backward can run again
  bool create_graph =
      false;  ///< record the backward itself, for gradients of gradients (implies retain_graph)
};

/// Adds d(output)/d(leaf) into the grad of every leaf that `output` depends on. `grad` has output's shape and
/// may be undefined for a tensor with one element (then 1). Throws Error when output is not on the tape.
void backward(const Tensor& output, const Tensor& grad = {}, BackwardOptions options = {});
/// The same for the sum over several outputs, in one walk. `grads` has one entry an output, or is empty where
/// every output has one element.
void backward(const Tensors& outputs, const Tensors& grads = {}, BackwardOptions options = {});

/// d(output)/d(input) for each input (a leaf, or any tensor on the tape), leaving every .grad alone;
/// undefined where output doesn't depend on it. Only what lies between is computed, and freed.
Tensors grad(const Tensor& output, const Tensors& inputs, const Tensor& grad_output = {},
             BackwardOptions options = {});
/// The same for the sum over several outputs; grad_outputs as in backward().
Tensors grad(const Tensors& outputs, const Tensors& inputs, const Tensors& grad_outputs = {},
             BackwardOptions options = {});

}  // namespace tsr
