#pragma once
// Walk: one pass over a tape, from outputs to leaves or to the tensors asked for. It never recurses.

#include <memory_resource>
#include <queue>
#include <unordered_map>
#include <vector>

#include "autograd/node.h"
#include "autograd/tape.h"

namespace tsr {

class Walk {
 public:
  /// Adds into the leaves' grad.
  explicit Walk(BackwardOptions options) : options_(options), into_leaves_(true) {}
  /// Collects the gradients of `targets` instead.
  Walk(BackwardOptions options, const Tensors& targets);

  /// Starts with one gradient an output.
  void run(const Tensors& outputs, Tensors grads);
  /// The gradient of a target, undefined where none arrived.
  Tensor found(const Tensor& target) const;

 private:
  struct Entry {
    Node* node;
    bool operator<(const Entry& other) const { return node->sequence < other.node->sequence; }
  };
  using Gradients = std::pmr::unordered_map<Node*, Tensor>;

  void find_useful(const Tensors& outputs);
  void count_uses(const Tensors& outputs);
  Needs needs_of(const Node& node) const;
  void visit(Node& node);
  Tensors differentiate(Node& node, const Tensor& grad, const Needs& needs) const;
  void deliver(Node& node, const Tensor& grad);
  void one_use_less(Node& leaf);
  void finish(Node& leaf);
  void accumulate_in_leaf(const Node& node, const Tensor& grad) const;
  void accumulate(Tensor& sum, const Tensor& grad) const;

  BackwardOptions options_;
  bool into_leaves_;
  std::pmr::unsynchronized_pool_resource pool_;
  Gradients pending_{&pool_};            ///< of nodes and of waiting leaves
  std::priority_queue<Entry> ready_;     ///< the nodes in pending_
  std::vector<Node*> waiting_;           ///< the leaves that entered pending_, in that order
  std::unordered_map<Node*, int> uses_;  ///< of leaves with hooks: how often they are inputs from here on
  std::unordered_map<const Node*, Tensor> found_;  ///< targets, and what arrived
  std::unordered_map<const Node*, Needs> useful_;  ///< nodes that targets lie behind, and behind which inputs
};

}  // namespace tsr
