#include "autograd/tape.h"

#include "autograd/hooks.h"
#include "autograd/node.h"
#include "autograd/walk.h"

namespace tsr {
namespace {

thread_local bool recording = true;

/// The gradient to start from at one output.
Tensor first_grad(const char* name, const Tensor& output, const Tensor& grad) {
  TSR_CHECK(output.requires_grad(), name, ": ", describe(output),
            " depends on nothing that requires a gradient; mark leaves with requires_grad_() and record "
            "outside of NoGrad");
  if (!grad.defined()) {
    TSR_CHECK(output.numel() == 1, name, ": ", describe(output),
              " is not a scalar; reduce it (sum, mean) or pass the gradient of the output");
    return ones(output.shape(), output.dtype(), output.device());
  }
  TSR_CHECK(grad.shape() == output.shape() && grad.dtype() == output.dtype(), name, ": the gradient is ",
            describe(grad), " but the output is ", describe(output));
  return grad;
}

Tensors first_grads(const char* name, const Tensors& outputs, const Tensors& grads) {
  TSR_CHECK(!outputs.empty(), name, ": no outputs given");
  TSR_CHECK(grads.empty() || grads.size() == outputs.size(), name, ": ", outputs.size(), " outputs but ",
            grads.size(), " gradients; pass one for each, undefined where the output is a scalar");
  Tensors first;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    first.push_back(first_grad(name, outputs[i], grads.empty() ? Tensor() : grads[i]));
  return first;
}

}  // namespace

bool grad_enabled() { return recording; }
GradMode::GradMode(bool enabled) : previous_(recording) { recording = enabled; }
GradMode::~GradMode() { recording = previous_; }

void backward(const Tensor& output, const Tensor& grad, BackwardOptions options) {
  backward(Tensors{output}, Tensors{grad}, options);
}

void backward(const Tensors& outputs, const Tensors& grads, BackwardOptions options) {
  Tensors first = first_grads("backward", outputs, grads);
  Walk(options).run(outputs, std::move(first));
}

Tensors grad(const Tensor& output, const Tensors& inputs, const Tensor& grad_output,
             BackwardOptions options) {
  return grad(Tensors{output}, inputs, Tensors{grad_output}, options);
}

Tensors grad(const Tensors& outputs, const Tensors& inputs, const Tensors& grad_outputs,
             BackwardOptions options) {
  TSR_CHECK(!inputs.empty(), "grad: no inputs given");
  for (const Tensor& input : inputs)
    TSR_CHECK(input.requires_grad(), "grad: input ", describe(input),
              " doesn't require a gradient; mark it with requires_grad_() before it is used");
  Tensors first = first_grads("grad", outputs, grad_outputs);
  Walk walk(options, inputs);
  walk.run(outputs, std::move(first));
  Tensors result;
  for (const Tensor& input : inputs) result.push_back(walk.found(input));
  return result;
}

bool Tensor::requires_grad() const {
  const auto* state = static_cast<const GradState*>(autograd().get());
  return state != nullptr && (!state->is_leaf || static_cast<const Leaf*>(state)->requires_grad);
}

Tensor& Tensor::requires_grad_(bool value) {
  TSR_CHECK(is_floating(dtype()), "requires_grad_: ", describe(*this), " is not of a floating dtype");
  if (const auto* state = static_cast<const GradState*>(autograd().get()); state && !state->is_leaf)
    throw Error(text("requires_grad_: ", describe(*this), " is the result of ",
                     static_cast<const Node*>(state)->name, ", not a leaf; use detach() first"));
  Leaf& leaf = leaf_of(*this);
  leaf.requires_grad = value;
  if (!value || leaf.node != nullptr) return *this;
  leaf.node = std::make_shared<Node>();
  leaf.node->name = "leaf";
  leaf.node->sequence = next_sequence();
  leaf.node->leaf = std::static_pointer_cast<Leaf>(autograd());
  return *this;
}

Tensor Tensor::grad() const {
  const auto* state = static_cast<const GradState*>(autograd().get());
  if (state == nullptr) return {};
  if (state->is_leaf) return static_cast<const Leaf*>(state)->grad;
  const auto* node = static_cast<const Node*>(state);
  return node->extras != nullptr ? node->extras->grad : Tensor();
}

void Tensor::set_grad(Tensor grad) const {
  TSR_CHECK(!grad.defined() || grad.shape() == shape(), "set_grad: gradient ", describe(grad),
            " for a tensor ", describe(*this));
  const auto* state = static_cast<const GradState*>(autograd().get());
  if (state != nullptr && !state->is_leaf) {
    extras_of(static_cast<Node&>(*autograd())).grad = std::move(grad);
  } else {
    leaf_of(*this).grad = std::move(grad);
  }
}

void Tensor::backward() const { tsr::backward(*this); }

}  // namespace tsr
