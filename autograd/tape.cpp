#include "autograd/tape.h"

#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "autograd/autocast.h"
#include "autograd/ops.h"

namespace tsr {

/// What the tape must know of a tensor and nobody else.
struct TensorAccess {
  /// Whether nobody else sees this tensor's memory, be it by a copy of the handle or by a view.
  static bool is_only_handle(const Tensor& tensor) {
    return tensor.body_.use_count() == 1 && tensor.storage().use_count() == 1;
  }
};

namespace {

thread_local bool recording = true;

/// Destroys nodes one after another: a chain of a million nodes must not recurse a million deep.
void bury(std::shared_ptr<Node> node) {
  thread_local std::vector<std::shared_ptr<Node>>* graveyard = nullptr;
  if (graveyard != nullptr) {
    graveyard->push_back(std::move(node));
    return;
  }
  std::vector<std::shared_ptr<Node>> pending;
  graveyard = &pending;
  node.reset();
  while (!pending.empty()) {
    std::shared_ptr<Node> next = std::move(pending.back());
    pending.pop_back();
    next.reset();
  }
  graveyard = nullptr;
}

/// One walk over the tape.
class Walk {
 public:
  Walk(BackwardOptions options, const Tensors& targets) : options_(options), to_leaves_(targets.empty()) {
    for (const Tensor& target : targets)
      if (auto state = find_grad_state(target)) wanted_.insert(key(*state));
  }

  void run(const Tensor& output, const Tensor& grad) {
    const GradMode mode(options_.create_graph);
    const Autocast off(float32);
    deliver(grad_state(output), grad);
    while (!ready_.empty()) {
      std::shared_ptr<Node> node = ready_.top().node;
      ready_.pop();
      visit(*node);
    }
  }

  Tensor found(const Tensor& target) const {
    const auto state = find_grad_state(target);
    const auto it = state ? captured_.find(key(*state)) : captured_.end();
    return it == captured_.end() ? Tensor() : it->second;
  }

 private:
  struct Entry {
    std::shared_ptr<Node> node;
    bool operator<(const Entry& other) const { return node->sequence < other.node->sequence; }
  };

  /// A tensor made by a node is known by the node (it may have several GradStates), a leaf by its state.
  static const void* key(const GradState& state) {
    return state.node ? static_cast<const void*>(state.node.get()) : &state;
  }

  void visit(Node& node) {
    auto entry = pending_.extract(&node);
    const Tensor grad = entry.mapped();
    if (wanted_.contains(&node)) captured_[&node] = grad;
    TSR_CHECK(node.backward != nullptr, "backward: the graph of ", node.name,
              " was freed by an earlier backward; pass retain_graph = true to that one");
    TSR_CHECK(!(options_.create_graph && node.once_differentiable), node.name,
              ": is differentiable only once (a fused op); gradients of gradients need its composed form");
    const Tensors grads = node.backward(grad, node.needs);
    TSR_ASSERT(grads.size() == node.inputs.size());
    for (std::size_t i = 0; i < grads.size(); ++i)
      if (node.needs[i] && grads[i].defined()) deliver(node.inputs[i], grads[i]);
    if (!options_.retain_graph && !options_.create_graph) node.release();
  }

  void deliver(const std::shared_ptr<GradState>& state, const Tensor& grad) {
    if (state->node) {
      auto [it, fresh] = pending_.try_emplace(state->node.get(), grad);
      if (fresh) {
        ready_.push({state->node});
      } else {
        it->second = add(it->second, grad);
      }
    } else if (to_leaves_) {
      accumulate(state->grad, grad);
    } else if (wanted_.contains(state.get())) {
      accumulate(captured_[state.get()], grad);
    }
  }

  /// A leaf's gradient never shares memory with another tensor: clipping works on it in place.
  void accumulate(Tensor& sum, const Tensor& grad) const {
    if (sum.defined()) {
      sum = add(sum, grad);
    } else if (TensorAccess::is_only_handle(grad) && grad.is_contiguous()) {
      sum = grad;
    } else {
      sum = options_.create_graph ? grad * 1.0 : grad.clone();  // a copy, on the tape where that is wanted
    }
  }

  BackwardOptions options_;
  bool to_leaves_;
  std::unordered_set<const void*> wanted_;
  std::unordered_map<const void*, Tensor> captured_;
  std::unordered_map<Node*, Tensor> pending_;
  std::priority_queue<Entry> ready_;
};

Tensor first_grad(const char* name, const Tensor& output, const Tensor& grad) {
  TSR_CHECK(output.requires_grad(), name, ": ", describe(output),
            " depends on nothing that requires a gradient; mark leaves with requires_grad_() and record "
            "outside of NoGrad");
  if (!grad.defined()) {
    TSR_CHECK(output.numel() == 1, name, ": ", describe(output),
              " is not a scalar; reduce it (sum, mean) or pass the gradient of the output");
    return ones(output.shape(), output.dtype(), output.device());
  }
  TSR_CHECK(grad.shape() == output.shape(), name, ": the gradient is ", describe(grad), " but the output is ",
            describe(output));
  return grad;
}

}  // namespace

GradState::~GradState() {
  if (node) bury(std::move(node));
}

Tensor Saved::get() const {
  TSR_CHECK(!state_->freed, "backward: what ", state_->op,
            " saved was freed by an earlier backward; pass retain_graph = true to that one");
  const Tensor& tensor = state_->tensor;
  TSR_CHECK(!tensor.defined() || tensor.version() == state_->version, "backward: ", describe(tensor),
            " saved by ", state_->op, " was changed in place by ", tensor.storage()->writer,
            " since; change a clone, or change it after backward");
  const auto producer = state_->producer.lock();
  if (!producer || !grad_enabled()) return tensor;
  Tensor output = tensor.detach();
  grad_state(output)->node = producer;
  return output;
}

void Node::release() {
  backward = nullptr;
  for (const auto& state : saved) {
    state->freed = true;
    state->tensor = Tensor();
  }
  saved.clear();
}

bool grad_enabled() { return recording; }
GradMode::GradMode(bool enabled) : previous_(recording) { recording = enabled; }
GradMode::~GradMode() { recording = previous_; }

void backward(const Tensor& output, const Tensor& grad, BackwardOptions options) {
  const Tensor first = first_grad("backward", output, grad);
  Walk(options, {}).run(output, first);
}

Tensors grad(const Tensor& output, const Tensors& inputs, const Tensor& grad_output,
             BackwardOptions options) {
  TSR_CHECK(!inputs.empty(), "grad: no inputs given");
  for (const Tensor& input : inputs)
    TSR_CHECK(input.requires_grad(), "grad: input ", describe(input),
              " doesn't require a gradient; mark it with requires_grad_() before it is used");
  const Tensor first = first_grad("grad", output, grad_output);
  Walk walk(options, inputs);
  walk.run(output, first);
  Tensors result;
  for (const Tensor& input : inputs) result.push_back(walk.found(input));
  return result;
}

std::shared_ptr<GradState> find_grad_state(const Tensor& tensor) {
  return std::static_pointer_cast<GradState>(tensor.autograd());
}

std::shared_ptr<GradState> grad_state(const Tensor& tensor) {
  if (!tensor.autograd()) tensor.autograd() = std::make_shared<GradState>();
  return find_grad_state(tensor);
}

bool Tensor::requires_grad() const {
  const auto state = find_grad_state(*this);
  return state && (state->requires_grad || state->node);
}

Tensor& Tensor::requires_grad_(bool value) {
  TSR_CHECK(is_floating(dtype()), "requires_grad_: ", describe(*this), " is not of a floating dtype");
  const auto state = grad_state(*this);
  TSR_CHECK(!state->node, "requires_grad_: ", describe(*this), " is the result of ", state->node->name,
            ", not a leaf; use detach() first");
  state->requires_grad = value;
  return *this;
}

Tensor Tensor::grad() const {
  const auto state = find_grad_state(*this);
  return state ? state->grad : Tensor();
}

void Tensor::set_grad(Tensor grad) const {
  TSR_CHECK(!grad.defined() || grad.shape() == shape(), "set_grad: gradient ", describe(grad),
            " for a tensor ", describe(*this));
  grad_state(*this)->grad = std::move(grad);
}

void Tensor::backward() const { tsr::backward(*this); }

}  // namespace tsr
