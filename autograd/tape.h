#pragma once
// The tape: each op that needs a gradient leaves a node; backward() walks the nodes in reverse creation
// order.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

struct Node;

/// Autograd's part of a tensor: for a leaf whether it wants a gradient and what has accumulated, for any
/// other the node that made it.
struct GradState final : AutogradState {
  ~GradState() override;
  bool requires_grad = false;
  Tensor grad;
  std::shared_ptr<Node> node;
};

/// Which inputs of a node want a gradient.
class Needs {
 public:
  bool operator[](std::size_t input) const { return (bits_ >> input) & 1u; }
  void set(std::size_t input) { bits_ |= std::uint64_t{1} << input; }
  bool any() const { return bits_ != 0; }

 private:
  std::uint64_t bits_ = 0;
};

/// From the gradient of an op's output to those of its inputs, in the order of the inputs; an undefined
/// tensor stands for zero, or for a gradient that isn't needed.
using Backward = std::function<Tensors(const Tensor& grad, const Needs& needs)>;

/// A tensor kept for the backward pass. get() throws Error when it was changed in place since, or when its
/// graph has been freed.
class Saved {
 public:
  struct State {
    Tensor tensor;
    std::uint64_t version = 0;
    const char* op = "";
    bool freed = false;
    std::weak_ptr<Node> producer;  // set when the tensor is the output of the very node that saves it
  };
  explicit Saved(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Tensor get() const;

 private:
  std::shared_ptr<State> state_;
};

/// One call of one op on the tape.
struct Node {
  const char* name = "";
  std::uint64_t sequence = 0;  ///< creation order over all threads
  bool once_differentiable = false;
  std::vector<std::shared_ptr<GradState>> inputs;  ///< null where no gradient is wanted
  Needs needs;
  Backward backward;  ///< empty once freed
  std::vector<std::shared_ptr<Saved::State>> saved;

  void release();  ///< frees what backward saved
};

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

/// d(output)/d(input) for each input, leaving every .grad alone; undefined where output doesn't depend on it.
Tensors grad(const Tensor& output, const Tensors& inputs, const Tensor& grad_output = {},
             BackwardOptions options = {});

/// The tensor's GradState, made if it has none.
std::shared_ptr<GradState> grad_state(const Tensor& tensor);
/// The tensor's GradState, or null.
std::shared_ptr<GradState> find_grad_state(const Tensor& tensor);

}  // namespace tsr
