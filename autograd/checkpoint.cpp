#include "autograd/checkpoint.h"

#include <utility>

#include "autograd/autocast.h"
#include "autograd/tape.h"
#include "tensor/random.h"

namespace tsr {
namespace {

class Segment;

/// The segments whose functions run on this thread, innermost last.
thread_local std::vector<Segment*> running;
thread_local int recomputations = 0;

/// One call of checkpoint(): the function, its inputs, and slots for what its nodes save.
///
/// A node made in the function saves slots of the segment instead of tensors. The function does the same the
/// second time, so the k-th tensor saved then belongs into slot k. Tensors that live on anyway (leaves, and
/// what was made before the segment began) need no slot.
class Segment : public std::enable_shared_from_this<Segment> {
 public:
  using Function = std::function<Tensors(const Tensors&)>;

  explicit Segment(Function function) : function_(std::move(function)) {}

  Tensors run(const Tensors& inputs);
  /// Takes over what `op` saved, if it was made inside of this segment.
  bool take(SavedTensor& saved, const char* op);
  /// Notes a leaf that `op` uses, to notice later when it has changed.
  void watch(const std::shared_ptr<Leaf>& leaf, const char* op);

 private:
  struct Slot {
    Tensor value;
    Shape shape;
    DType dtype;
    std::uint64_t version;
    bool wanted;  ///< somebody still refers to it
  };
  struct Watched {
    std::weak_ptr<Leaf> leaf;
    Tensor before;
    std::uint64_t version;
    const char* op;
  };
  /// What a node has in the place of a tensor.
  struct FromSlot final : Recomputed {
    FromSlot(std::shared_ptr<Segment> segment, std::size_t slot) : segment(std::move(segment)), slot(slot) {}
    ~FromSlot() override {
      segment->slots_[slot].value = Tensor();
      segment->slots_[slot].wanted = false;
    }
    Tensor get() override { return segment->value(slot); }
    std::shared_ptr<Segment> segment;
    std::size_t slot;
  };
  struct Recomputing;

  Tensor value(std::size_t slot);
  void recompute();
  Tensors inputs_again() const;
  void check_watched() const;
  void fill(Slot& slot, const Tensor& tensor, const char* op) const;

  Function function_;
  DType autocast_ = float32;  ///< autocast as it was at first
  std::vector<SavedTensor> inputs_;
  std::vector<bool> input_needs_grad_;
  DrawLog draws_;
  std::vector<Slot> slots_;
  std::vector<Watched> watched_;
  std::uint64_t first_sequence_ = 0;  ///< nodes from here on are made inside
  bool complete_ = false;             ///< the function has returned
  bool recomputing_ = false;
  std::size_t next_slot_ = 0;  ///< while recomputing
};

/// Makes these segments the running ones for a scope.
class Running {
 public:
  explicit Running(std::vector<Segment*> segments) : outer_(std::exchange(running, std::move(segments))) {}
  ~Running() { running = std::move(outer_); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::vector<Segment*> outer_;
};

/// Hands a saved tensor to the innermost of the running segments that it was made in.
void hand_over(SavedTensor& saved, const char* op) {
  if (!saved.tensor.defined() || saved.source != nullptr) return;
  for (auto segment = running.rbegin(); segment != running.rend(); ++segment)
    if ((*segment)->take(saved, op)) return;
}

Tensors Segment::run(const Tensors& inputs) {
  for (const Tensor& input : inputs) {
    inputs_.push_back(SavedTensor::of(input));
    input_needs_grad_.push_back(input.requires_grad());
    hand_over(inputs_.back(), "checkpoint");  // to those around this one
  }
  first_sequence_ = sequence_now();
  auto segments = running;
  segments.push_back(this);
  const Running scope(std::move(segments));
  autocast_ = Autocast::dtype();
  const IsolatedAutocast autocast(autocast_);
  const RecordDraws record(draws_);
  Tensors outputs = function_(inputs);
  complete_ = true;
  return outputs;
}

bool Segment::take(SavedTensor& saved, const char* op) {
  auto node = find_node(saved.tensor);
  // what has no node may come from anywhere; a slot for it costs no memory when it does live on
  if (node != nullptr && node->sequence < first_sequence_) return false;
  if (recomputing_) {
    TSR_CHECK(next_slot_ < slots_.size(), "checkpoint: run again, the function keeps more than the ",
              slots_.size(), " tensors it kept at first; it must do the same each time");
    fill(slots_[next_slot_++], saved.tensor, op);
  } else {
    slots_.push_back({{}, saved.tensor.shape(), saved.tensor.dtype(), saved.tensor.version(), true});
    saved.recomputed = std::make_unique<FromSlot>(shared_from_this(), slots_.size() - 1);
  }
  saved.source = std::move(node);
  saved.tensor = Tensor();
  return true;
}

void Segment::fill(Slot& slot, const Tensor& tensor, const char* op) const {
  TSR_CHECK(slot.shape == tensor.shape() && slot.dtype == tensor.dtype(),
            "checkpoint: run again, the function keeps ", describe(tensor), " for ", op, " where it kept ",
            slot.dtype, slot.shape, " at first; it must do the same each time");
  TSR_CHECK(slot.version == tensor.version(), "checkpoint: ", describe(tensor), " saved by ", op,
            " was changed in place by ", tensor.storage()->writer,
            " since; change a clone, or change it after backward");
  if (slot.wanted) slot.value = tensor.detach();
}

void Segment::watch(const std::shared_ptr<Leaf>& leaf, const char* op) {
  if (recomputing_) return;
  const Tensor now = leaf->tensor();
  if (now.defined()) watched_.push_back({leaf, now.detach(), now.version(), op});
}

void Segment::check_watched() const {
  for (const Watched& w : watched_) {
    const auto leaf = w.leaf.lock();
    const Tensor now = leaf == nullptr ? Tensor() : leaf->tensor();
    if (!now.defined()) continue;
    TSR_CHECK(now.storage() == w.before.storage() && now.version() == w.version,
              "checkpoint: ", describe(w.before), ", which ", w.op, " used, was changed in place by ",
              now.storage() == w.before.storage() ? now.storage()->writer : "swap_storage",
              " since, so the function can't be run again; change it after backward");
  }
}

Tensors Segment::inputs_again() const {
  Tensors inputs;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    Tensor input = inputs_[i].get("checkpoint");
    if (input.defined()) input = input.detach();
    if (input_needs_grad_[i]) input.requires_grad_();
    inputs.push_back(std::move(input));
  }
  return inputs;
}

/// The state of a segment whose function runs again.
struct Segment::Recomputing {
  explicit Recomputing(Segment& segment)
      : segment(segment),
        alone({&segment}),
        replay(segment.draws_),
        autocast(segment.autocast_),
        first(segment.first_sequence_) {
    segment.recomputing_ = true;
    segment.next_slot_ = 0;
    segment.first_sequence_ = sequence_now();
    ++recomputations;
  }
  ~Recomputing() {
    --recomputations;
    segment.first_sequence_ = first;
    segment.recomputing_ = false;
  }
  Recomputing(const Recomputing&) = delete;
  Recomputing& operator=(const Recomputing&) = delete;

  Segment& segment;
  GradMode recording{true};
  Running alone;
  ReplayDraws replay;
  IsolatedAutocast autocast;
  std::uint64_t first;
};

void Segment::recompute() {
  TSR_CHECK(complete_ && !recomputing_,
            "checkpoint: the function runs a backward through itself, before its results are kept anywhere; "
            "call backward() and grad() outside of it");
  check_watched();
  const Tensors inputs = inputs_again();
  const Recomputing scope(*this);
  function_(inputs);
  TSR_CHECK(next_slot_ == slots_.size(), "checkpoint: run again, the function keeps ", next_slot_,
            " tensors, at first it kept ", slots_.size(), "; it must do the same each time");
  TSR_CHECK(scope.replay.at_end(),
            "checkpoint: run again, the function draws fewer random numbers than at "
            "first; it must do the same each time");
}

Tensor Segment::value(std::size_t slot) {
  if (!slots_[slot].value.defined()) recompute();
  return slots_[slot].value;
}

}  // namespace

Tensors checkpoint(const std::function<Tensors(const Tensors&)>& function, const Tensors& inputs) {
  if (!grad_enabled()) return function(inputs);
  return std::make_shared<Segment>(function)->run(inputs);
}

Tensor checkpoint(const std::function<Tensor(const Tensors&)>& function, const Tensors& inputs) {
  const std::function<Tensors(const Tensors&)> several = [function](const Tensors& given) {
    return Tensors{function(given)};
  };
  return checkpoint(several, inputs)[0];
}

bool recomputing() { return recomputations > 0; }

bool in_checkpoint() { return !running.empty(); }

void leave_to_checkpoint(Node& node) {
  for (const Edge& edge : node.inputs)
    if (edge.node != nullptr)
      if (const auto leaf = edge.node->leaf.lock()) running.back()->watch(leaf, node.name);
  for (SavedTensor& saved : node.saved) hand_over(saved, node.name);
}

}  // namespace tsr
