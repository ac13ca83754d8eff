#include "autograd/node.h"

#include <algorithm>
#include <atomic>
#include <unordered_set>

#include "autograd/hooks.h"
#include "autograd/tape.h"

namespace tsr {
namespace {

std::atomic<std::uint64_t> sequence{0};

/// What a dead node still owns.
struct Remains {
  std::vector<Edge> inputs;
  std::vector<SavedTensor> saved;
  Backward backward;
};

thread_local std::vector<Remains>* graveyard = nullptr;

}  // namespace

Node::Node() : GradState(false) {}

/// Nodes are destroyed one after another: a chain of a million nodes must not recurse a million deep.
Node::~Node() {
  Remains own{std::move(inputs), std::move(saved), std::move(backward)};
  if (graveyard != nullptr) {
    graveyard->push_back(std::move(own));
    return;
  }
  std::vector<Remains> pending;
  graveyard = &pending;
  own = {};
  while (!pending.empty()) {
    const Remains next = std::move(pending.back());
    pending.pop_back();
  }
  graveyard = nullptr;
}

void Node::release() {
  backward = nullptr;
  saved.clear();
}

Tensor Leaf::tensor() const { return TensorAccess::lock(owner); }

SavedTensor SavedTensor::of(const Tensor& tensor) {
  SavedTensor saved;
  if (!tensor.defined()) return saved;
  saved.version = tensor.version();
  const auto* state = static_cast<const GradState*>(tensor.autograd().get());
  if (state != nullptr && state->is_leaf) {
    saved.source = find_node(tensor);
    saved.tensor = tensor.detach();
  } else {
    saved.tensor = tensor;
  }
  return saved;
}

Tensor SavedTensor::get(const char* op) const {
  if (recomputed != nullptr) return recomputed->get();
  TSR_CHECK(!tensor.defined() || tensor.version() == version, "backward: ", describe(tensor), " saved by ",
            op, " was changed in place by ", tensor.storage()->writer,
            " since; change a clone, or change it after backward");
  return tensor;
}

Tensor Saved::get() const {
  TSR_ASSERT(node_ != nullptr);
  TSR_CHECK(position_ < node_->saved.size(), "backward: what ", node_->name,
            " saved was freed by an earlier backward; pass retain_graph = true to that one");
  const SavedTensor& saved = node_->saved[position_];
  Tensor tensor = saved.get(node_->name);
  if (!grad_enabled()) return tensor;
  std::shared_ptr<Node> source = saved.is_output ? node_->shared_from_this() : saved.source;
  if (source == nullptr) return tensor;
  Tensor known = tensor.detach();
  known.autograd() = std::move(source);
  return known;
}

std::uint64_t next_sequence() { return sequence.fetch_add(1, std::memory_order_relaxed); }
std::uint64_t sequence_now() { return sequence.load(std::memory_order_relaxed); }

std::shared_ptr<Node> find_node(const Tensor& tensor) {
  const auto& state = tensor.autograd();
  if (state == nullptr) return nullptr;
  if (!static_cast<GradState*>(state.get())->is_leaf) return std::static_pointer_cast<Node>(state);
  const auto* leaf = static_cast<Leaf*>(state.get());
  return leaf->requires_grad ? leaf->node : nullptr;
}

Leaf& leaf_of(const Tensor& tensor) {
  if (tensor.autograd() == nullptr) {
    auto leaf = std::make_shared<Leaf>();
    leaf->owner = TensorAccess::weak(tensor);
    tensor.autograd() = std::move(leaf);
  }
  TSR_ASSERT(static_cast<GradState*>(tensor.autograd().get())->is_leaf);
  return static_cast<Leaf&>(*tensor.autograd());
}

std::vector<Node*> nodes_behind(const Tensors& outputs) {
  std::vector<Node*> found, pending;
  std::unordered_set<Node*> seen;
  const auto meet = [&](Node* node) {
    if (node != nullptr && seen.insert(node).second) pending.push_back(node);
  };
  for (const Tensor& output : outputs) meet(find_node(output).get());
  while (!pending.empty()) {
    Node* node = pending.back();
    pending.pop_back();
    found.push_back(node);
    for (const Edge& edge : node->inputs) meet(edge.node.get());
  }
  std::ranges::sort(found, [](const Node* a, const Node* b) { return a->sequence > b->sequence; });
  return found;
}

}  // namespace tsr
