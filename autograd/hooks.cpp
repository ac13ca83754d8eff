#include "autograd/hooks.h"

#include <atomic>

namespace tsr {
namespace {

std::atomic<std::uint64_t> next_id{1};
std::atomic<int> leaf_hook_count{0};

/// Shares a leaf hook, and counts it while somebody does.
std::shared_ptr<LeafHook> counted(LeafHook hook) {
  ++leaf_hook_count;
  return {new LeafHook(std::move(hook)), [](LeafHook* dead) {
            delete dead;
            --leaf_hook_count;
          }};
}

std::shared_ptr<Node> node_for(const char* name, const Tensor& x) {
  auto node = find_node(x);
  TSR_CHECK(node != nullptr, name, ": ", describe(x),
            " requires no gradient; mark a leaf with requires_grad_(), or record outside of NoGrad");
  return node;
}

}  // namespace

void HookHandle::remove() {
  const auto node = node_.lock();
  if (node == nullptr || node->extras == nullptr) return;
  const auto is_ours = [this](const auto& entry) { return entry.id == id_; };
  std::erase_if(node->extras->hooks, is_ours);
  std::erase_if(node->extras->leaf_hooks, is_ours);
}

NodeExtras& extras_of(Node& node) {
  if (node.extras == nullptr) node.extras = std::make_unique<NodeExtras>();
  return *node.extras;
}

HookHandle register_hook(const Tensor& x, GradHook hook) {
  const auto node = node_for("register_hook", x);
  const std::uint64_t id = next_id++;
  extras_of(*node).hooks.push_back({id, std::make_shared<GradHook>(std::move(hook))});
  return {node, id};
}

HookHandle register_post_accumulate_grad_hook(const Tensor& leaf, LeafHook hook) {
  const auto node = node_for("register_post_accumulate_grad_hook", leaf);
  TSR_CHECK(node->is_leaf_node(), "register_post_accumulate_grad_hook: ", describe(leaf),
            " is the result of ", node->name, ", and only leaves accumulate; use register_hook()");
  const std::uint64_t id = next_id++;
  extras_of(*node).leaf_hooks.push_back({id, counted(std::move(hook))});
  return {node, id};
}

void retain_grad(const Tensor& x) {
  const auto node = node_for("retain_grad", x);
  if (!node->is_leaf_node()) extras_of(*node).retain = true;
}

Tensor run_hooks(const Node& node, Tensor grad) {
  if (node.extras == nullptr) return grad;
  const auto hooks = node.extras->hooks;  // a copy: a hook may remove itself
  for (const auto& entry : hooks) {
    Tensor changed = (*entry.hook)(grad);
    if (!changed.defined()) continue;
    TSR_CHECK(changed.shape() == grad.shape() && changed.dtype() == grad.dtype() &&
                  changed.device() == grad.device(),
              "register_hook: a hook on the result of ", node.name, " made ", describe(changed),
              " of the gradient ", describe(grad), "; shape, dtype and device must stay");
    grad = std::move(changed);
  }
  return grad;
}

void run_leaf_hooks(const Node& node) {
  if (node.extras == nullptr || node.extras->leaf_hooks.empty()) return;
  const auto leaf = node.leaf.lock();
  if (leaf == nullptr) return;
  const Tensor tensor = leaf->tensor();
  const auto hooks = node.extras->leaf_hooks;
  for (const auto& entry : hooks) (*entry.hook)(tensor);
}

bool any_leaf_hooks() { return leaf_hook_count > 0; }

}  // namespace tsr
