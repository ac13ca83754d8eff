#include "autograd/walk.h"

#include <utility>

#include "autograd/anomaly.h"
#include "autograd/autocast.h"
#include "autograd/hooks.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

/// Throws unless a backward gave each input a gradient that fits.
void check_gradients(const Node& node, const Tensors& grads) {
  TSR_CHECK(grads.size() == node.inputs.size(), node.name, ": its backward gives ", grads.size(),
            " gradients for ", node.inputs.size(),
            " inputs; give one for each, undefined where there is none");
  for (std::size_t i = 0; i < grads.size(); ++i) {
    const Edge& edge = node.inputs[i];
    if (edge.node == nullptr || !grads[i].defined()) continue;
    TSR_CHECK(grads[i].shape() == edge.shape && grads[i].dtype() == edge.dtype, node.name,
              ": its backward gives ", describe(grads[i]), " as the gradient of input ", i, ", which is ",
              edge.dtype, edge.shape);
  }
}

}  // namespace

Walk::Walk(BackwardOptions options, const Tensors& targets) : options_(options), into_leaves_(false) {
  for (const Tensor& target : targets) found_[find_node(target).get()];
}

void Walk::run(const Tensors& outputs, Tensors grads) {
  const GradMode mode(options_.create_graph);
  const Autocast off(float32);
  // held for the whole walk: a hook may let go of the last handle outside
  std::vector<std::shared_ptr<Node>> roots;
  for (const Tensor& output : outputs) roots.push_back(find_node(output));
  if (!into_leaves_) find_useful(outputs);
  if (into_leaves_ && any_leaf_hooks()) count_uses(outputs);
  for (std::size_t i = 0; i < roots.size(); ++i) deliver(*roots[i], std::exchange(grads[i], {}));
  for (const auto& root : roots)
    if (root->is_leaf_node()) one_use_less(*root);
  while (!ready_.empty()) {
    Node& node = *ready_.top().node;
    ready_.pop();
    visit(node);
  }
  for (Node* leaf : waiting_)
    if (pending_.contains(leaf)) finish(*leaf);
}

Tensor Walk::found(const Tensor& target) const { return found_.at(find_node(target).get()); }

/// Which nodes lead to the targets, and by which of their inputs: the others are left alone.
void Walk::find_useful(const Tensors& outputs) {
  const std::vector<Node*> nodes = nodes_behind(outputs);
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    Needs useful;
    for (std::size_t i = 0; i < (*node)->inputs.size(); ++i)
      if (useful_.contains((*node)->inputs[i].node.get())) useful.set(i);
    if (useful.any() || found_.contains(*node)) useful_.emplace(*node, useful);
  }
}

/// How often leaves with hooks are used: with the last use the gradient is complete.
void Walk::count_uses(const Tensors& outputs) {
  const auto count = [this](Node* node) {
    if (node != nullptr && node->is_leaf_node() && node->extras != nullptr) ++uses_[node];
  };
  for (const Node* node : nodes_behind(outputs))
    for (const Edge& edge : node->inputs) count(edge.node.get());
  for (const Tensor& output : outputs) count(find_node(output).get());
}

Needs Walk::needs_of(const Node& node) const { return into_leaves_ ? node.needs : useful_.at(&node); }

void Walk::visit(Node& node) {
  auto entry = pending_.extract(&node);
  const Tensor grad = run_hooks(node, std::exchange(entry.mapped(), {}));
  if (const auto target = found_.find(&node); target != found_.end()) accumulate(target->second, grad);
  if (into_leaves_ && node.extras != nullptr && node.extras->retain) accumulate(node.extras->grad, grad);
  const Needs needs = needs_of(node);
  if (!needs.any()) return;
  TSR_CHECK(node.backward != nullptr, "backward: the graph of ", node.name,
            " was freed by an earlier backward; pass retain_graph = true to that one");
  TSR_CHECK(!(options_.create_graph && node.once_differentiable), node.name,
            ": is differentiable only once (a fused op); gradients of gradients need its composed form");
  const Tensors grads = differentiate(node, grad, needs);
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (!needs[i]) continue;
    if (grads[i].defined()) deliver(*node.inputs[i].node, grads[i]);
    one_use_less(*node.inputs[i].node);
  }
  if (!options_.retain_graph && !options_.create_graph) node.release();
}

/// Runs the node's backward, which nobody else can run or free meanwhile.
Tensors Walk::differentiate(Node& node, const Tensor& grad, const Needs& needs) const {
  struct Borrowed {
    explicit Borrowed(Node& node) : node(node), backward(std::move(node.backward)) {}
    ~Borrowed() { node.backward = std::move(backward); }
    Node& node;
    Backward backward;
  } const borrowed(node);
  if (!anomaly_mode()) {
    Tensors grads = borrowed.backward(grad, needs);
    check_gradients(node, grads);
    return grads;
  }
  Tensors grads;
  {
    DetectAnomaly off(false);  // what comes out is checked, what a backward does on its way is its own
    grads = borrowed.backward(grad, needs);
  }
  check_gradients(node, grads);
  check_backward(node, grad, grads);
  return grads;
}

void Walk::deliver(Node& node, const Tensor& grad) {
  if (!into_leaves_ && !useful_.contains(&node)) return;
  if (into_leaves_ && node.is_leaf_node() && node.extras == nullptr) return accumulate_in_leaf(node, grad);
  auto [it, fresh] = pending_.try_emplace(&node);
  if (!fresh) return accumulate(it->second, grad);
  it->second = grad;
  if (node.is_leaf_node()) {
    waiting_.push_back(&node);
  } else {
    ready_.push({&node});
  }
}

/// Finishes a leaf with hooks once nothing more can arrive.
void Walk::one_use_less(Node& leaf) {
  if (uses_.empty()) return;
  const auto uses = uses_.find(&leaf);
  if (uses != uses_.end() && --uses->second == 0 && pending_.contains(&leaf)) finish(leaf);
}

/// The sum that waited for a leaf goes through its hooks and to where it belongs.
void Walk::finish(Node& leaf) {
  auto entry = pending_.extract(&leaf);
  const Tensor grad = run_hooks(leaf, std::exchange(entry.mapped(), {}));
  if (!into_leaves_) return accumulate(found_.at(&leaf), grad);
  accumulate_in_leaf(leaf, grad);
  run_leaf_hooks(leaf);
}

void Walk::accumulate_in_leaf(const Node& node, const Tensor& grad) const {
  const auto leaf = node.leaf.lock();  // null when no handle on the tensor is left
  if (leaf != nullptr && leaf->requires_grad) accumulate(leaf->grad, grad);
}

/// sum += grad, where an undefined sum is zero. What becomes of it never shares memory with another tensor:
/// clipping works on gradients in place.
void Walk::accumulate(Tensor& sum, const Tensor& grad) const {
  const auto is_ours = [](const Tensor& x) { return TensorAccess::is_only_handle(x) && x.is_contiguous(); };
  if (!sum.defined()) {
    if (is_ours(grad)) {
      sum = grad;
    } else {
      sum = options_.create_graph ? grad * 1.0 : grad.clone();  // a copy, on the tape where that is wanted
    }
  } else if (!options_.create_graph && is_ours(sum) && !sum.requires_grad()) {
    Context context(sum.device());
    add_fwd(context, sum.view(), grad.view(), sum.view());
  } else {
    sum = add(sum, grad);
  }
}

}  // namespace tsr
