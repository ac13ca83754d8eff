#pragma once
// Hooks on gradients, and gradients of tensors that are not leaves.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "autograd/node.h"

namespace tsr {

/// Sees the gradient of a tensor. What it returns takes the gradient's place and must have its shape, dtype
/// and device; undefined leaves it as it is.
using GradHook = std::function<Tensor(const Tensor& grad)>;

/// Called with a leaf once a backward has added all of its share to the leaf's grad.
using LeafHook = std::function<void(const Tensor& leaf)>;

/// Takes a hook away again; to let the handle go changes nothing.
class HookHandle {
 public:
  HookHandle() = default;
  HookHandle(std::weak_ptr<Node> node, std::uint64_t id) : node_(std::move(node)), id_(id) {}
  /// Without effect when the hook or the tensor is gone.
  void remove();

 private:
  std::weak_ptr<Node> node_;
  std::uint64_t id_ = 0;
};

/// Calls `hook` in every backward() and grad() that reaches x, once, with the sum of what arrives there and
/// before anything is computed from it; hooks of one tensor run in the order of their registration. A hook
/// that holds a handle on a tensor that depends on x, x included when it isn't a leaf, keeps the graph alive
/// for good. Throws Error unless x requires a gradient.
HookHandle register_hook(const Tensor& x, GradHook hook);

/// Calls `hook` in every backward() as soon as the leaf's gradient is complete, while others may be still to
/// come: to update and free it at once, or to send it away. Not called by grad(). Throws Error unless x is a
/// leaf that requires a gradient.
HookHandle register_post_accumulate_grad_hook(const Tensor& leaf, LeafHook hook);

/// Makes backward() keep x's gradient, after the hooks, in x.grad(), adding to what is there; leaves do so
/// anyway. A gradient retained under create_graph is part of the graph that it keeps alive: let it go with
/// set_grad({}). Throws Error unless x requires a gradient.
void retain_grad(const Tensor& x);

/// A hook in its node's list.
template <class Hook>
struct HookEntry {
  std::uint64_t id;
  std::shared_ptr<Hook> hook;
};

/// What few nodes have.
struct NodeExtras {
  std::vector<HookEntry<GradHook>> hooks;
  std::vector<HookEntry<LeafHook>> leaf_hooks;
  bool retain = false;
  Tensor grad;  ///< retained
};

/// The node's extras, made if it has none.
NodeExtras& extras_of(Node& node);

/// The gradient after the node's hooks.
Tensor run_hooks(const Node& node, Tensor grad);
void run_leaf_hooks(const Node& node);
/// Whether some leaf of the program has a hook that waits for its gradient to be complete.
bool any_leaf_hooks();

}  // namespace tsr
