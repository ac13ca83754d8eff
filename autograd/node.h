#pragma once
// What a tape is made of: nodes, what they keep for their backward, and what hangs on a tensor.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

struct Node;
struct NodeExtras;

/// What hangs on a tensor: the Node of the op that made it, or a Leaf.
struct GradState : AutogradState {
  explicit GradState(bool is_leaf) : is_leaf(is_leaf) {}
  const bool is_leaf;
};

/// What hangs on a tensor that no op made: whether it wants a gradient and what has accumulated. Graphs refer
/// to its node and not to the leaf: a gradient with a graph of its own must not own itself through it.
struct Leaf final : GradState {
  Leaf() : GradState(true) {}
  bool requires_grad = false;
  Tensor grad;
  std::shared_ptr<Node> node;  ///< made when requires_grad first is set
  std::weak_ptr<void> owner;   ///< the tensor's body

  /// The tensor, undefined when its last handle is gone.
  Tensor tensor() const;
};

/// Which inputs of a node want a gradient.
class Needs {
 public:
  static constexpr std::size_t kMax = 64;
  bool operator[](std::size_t input) const { return (bits_ >> input) & 1u; }
  void set(std::size_t input) { bits_ |= std::uint64_t{1} << input; }
  bool any() const { return bits_ != 0; }

 private:
  std::uint64_t bits_ = 0;
};

/// From the gradient of an op's output to those of its inputs, in the order of the inputs; an undefined
/// tensor stands for zero, or for a gradient that isn't needed.
using Backward = std::function<Tensors(const Tensor& grad, const Needs& needs)>;

/// A value that a checkpoint computes again when it is asked for.
struct Recomputed {
  virtual ~Recomputed() = default;
  virtual Tensor get() = 0;
};

/// A tensor as a node keeps it for its backward.
struct SavedTensor {
  Tensor tensor;                 ///< a leaf or the node's own output without its autograd part: no cycles
  std::uint64_t version = 0;     ///< of the storage when it was saved
  std::shared_ptr<Node> source;  ///< its node where the handle doesn't carry it
  bool is_output = false;        ///< the output of the very node that keeps it
  std::unique_ptr<Recomputed> recomputed;  ///< stands in for `tensor` inside a checkpoint

  static SavedTensor of(const Tensor& tensor);
  /// The tensor, unless it was changed in place since: then Error, which names `op` and the writer.
  Tensor get(const char* op) const;
};

/// A tensor kept for the backward pass, as the backward sees it; good inside that backward only. get() throws
/// Error when the tensor was changed in place since, or when its graph has been freed.
class Saved {
 public:
  Saved() = default;
  Saved(Node* node, std::size_t position) : node_(node), position_(position) {}
  Tensor get() const;

 private:
  Node* node_ = nullptr;
  std::size_t position_ = 0;
};

/// An input of a node: where its gradient goes (null where none is wanted), and what it was.
struct Edge {
  std::shared_ptr<Node> node;
  Shape shape;
  DType dtype = DType::float32;
};

/// One call of one op on the tape, or a leaf, which has no inputs and no backward.
struct Node final : GradState, std::enable_shared_from_this<Node> {
  Node();
  ~Node() override;

  const char* name = "";
  std::uint64_t sequence = 0;  ///< creation order over all threads
  bool once_differentiable = false;
  Needs needs;
  std::vector<Edge> inputs;
  Backward backward;  ///< empty once freed
  std::vector<SavedTensor> saved;
  std::weak_ptr<Leaf> leaf;                  ///< of a leaf's node
  std::unique_ptr<NodeExtras> extras;        ///< hooks, and a gradient to retain
  std::shared_ptr<const std::string> scope;  ///< the NamedScope it was made in

  bool is_leaf_node() const { return inputs.empty(); }
  void release();  ///< frees what backward saved
};

/// The number of the next node.
std::uint64_t next_sequence();
/// The last number that next_sequence() gave on any thread, plus one.
std::uint64_t sequence_now();

/// The node to which a tensor's gradient flows: of the op that made it, or of a leaf that wants a gradient;
/// null for any other.
std::shared_ptr<Node> find_node(const Tensor& tensor);
/// The tensor's Leaf, made if it has none; the tensor must not be the result of an op on the tape.
Leaf& leaf_of(const Tensor& tensor);

/// Every node that the outputs depend on, newest first; leaves' nodes too.
std::vector<Node*> nodes_behind(const Tensors& outputs);

/// What autograd must know of a tensor and nobody else.
struct TensorAccess {
  /// Whether nobody else sees this tensor's memory, be it by a copy of the handle or by a view.
  static bool is_only_handle(const Tensor& tensor) {
    return tensor.body_.use_count() == 1 && tensor.storage().use_count() == 1;
  }
  static std::weak_ptr<void> weak(const Tensor& tensor) { return tensor.body_; }
  /// The tensor, undefined when its last handle is gone.
  static Tensor lock(const std::weak_ptr<void>& weak) {
    Tensor tensor;
    tensor.body_ = std::static_pointer_cast<Tensor::Body>(weak.lock());
    return tensor;
  }
};

}  // namespace tsr
