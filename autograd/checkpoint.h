#pragma once
// Activation checkpointing: less memory for a second forward (Chen et al. 2016, "Training Deep Nets with
// Sublinear Memory Cost").

#include <functional>

#include "autograd/node.h"

namespace tsr {

/// function(inputs), whose intermediate results are not kept: the backward runs the function once more when
/// it first needs one of them, with the same random draws (whichever Generators it uses) and without a second
/// update of running statistics, and then goes on as ever. So gradients, of inputs and of what the function
/// captures (parameters), of gradients too, are those of the plain call, bit for bit.
///
/// The function is copied and kept with the graph: what it captures by reference must live until then. It
/// must do the same each time, and whatever else it changes besides must heed recomputing(). The backward
/// throws Error when the function kept other tensors the second time, or when an input, or a parameter it
/// used, was changed in place since. Checkpoints may be nested; the function itself may not call backward()
/// on what it computes. With recording off, this just calls the function.
Tensor checkpoint(const std::function<Tensor(const Tensors&)>& function, const Tensors& inputs);
Tensors checkpoint(const std::function<Tensors(const Tensors&)>& function, const Tensors& inputs);

/// Whether this thread runs a function for the second time, for its intermediate results only: then state
/// such as running statistics must not be updated again.
bool recomputing();

/// Whether this thread is inside a checkpoint's function.
bool in_checkpoint();
/// Hands what a new node saved to the checkpoints it is made in.
void leave_to_checkpoint(Node& node);

}  // namespace tsr
