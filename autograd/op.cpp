#include "autograd/op.h"

#include <atomic>

namespace tsr {
namespace {

std::vector<const OpInfo*>& infos() {
  static std::vector<const OpInfo*> list;
  return list;
}

std::atomic<std::uint64_t> next_sequence{0};

void check_defined(const OpInfo& info, std::initializer_list<Tensor> inputs) {
  TSR_ASSERT(inputs.size() > 0);
  int position = 0;
  for (const Tensor& input : inputs) {
    TSR_CHECK(input.defined(), info.name, ": input ", position, " is undefined");
    ++position;
  }
}

/// The inputs, as the policy wants them.
Tensors admit(const OpInfo& info, std::initializer_list<Tensor> inputs) {
  check_defined(info, inputs);
  return cast_inputs(info.policy, inputs);
}

bool agree(CastPolicy policy, DType first, DType other) {
  return other == first || (policy == CastPolicy::mixed && other == compute_dtype(first));
}

}  // namespace

OpInfo::OpInfo(const char* name, bool once_differentiable, CastPolicy policy)
    : name(name), once_differentiable(once_differentiable), policy(policy) {
  infos().push_back(this);
}

const std::vector<const OpInfo*>& OpInfo::all() { return infos(); }

Op::Op(const OpInfo& info, std::initializer_list<Tensor> inputs)
    : info_(info),
      operands_(admit(info, inputs)),
      context_(operands_.front().device()),
      dtype_(operands_.front().dtype()) {
  const Tensor* floating = nullptr;
  std::size_t position = 0;
  for (const Tensor& input : operands_) {
    TSR_CHECK(input.device() == context_.device(), info.name, ": ", describe(input), " is on ",
              input.device(), " but the first input is on ", context_.device(), "; move one with to(device)");
    if (is_floating(input.dtype())) {
      if (floating == nullptr) floating = &input;
      TSR_CHECK(agree(info.policy, floating->dtype(), input.dtype()), info.name, ": ", describe(*floating),
                " and ", describe(input), " differ in dtype; convert one with cast(x, ", floating->dtype(),
                ")");
    }
    if (grad_enabled() && input.requires_grad()) {
      needs_.set(position);
      inputs_.push_back(find_grad_state(input));
    } else {
      inputs_.push_back(nullptr);
    }
    ++position;
  }
}

Saved Op::save(const Tensor& tensor) {
  auto state = std::make_shared<Saved::State>();
  if (needs_.any()) {
    state->tensor = tensor;
    state->version = tensor.defined() ? tensor.version() : 0;
    state->op = info_.name;
    saved_.push_back(state);
  }
  return Saved(std::move(state));
}

void Op::attach(const Tensor& output, Backward backward) {
  auto node = std::make_shared<Node>();
  node->name = info_.name;
  node->sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
  node->once_differentiable = info_.once_differentiable;
  node->inputs = std::move(inputs_);
  node->needs = needs_;
  node->backward = std::move(backward);
  node->saved = std::move(saved_);
  for (const auto& state : node->saved) {
    if (!state->tensor.defined() || !state->tensor.is_same(output)) continue;
    state->tensor = output.detach();  // the node must not own itself through its output
    state->producer = node;
  }
  TSR_ASSERT(!output.autograd());
  grad_state(output)->node = std::move(node);
}

void check_in_place(const char* op, const Tensor& tensor) {
  TSR_CHECK(!grad_enabled() || !tensor.requires_grad(), op, ": ", describe(tensor),
            " takes part in a tape and can't be changed in place; use a NoGrad scope, or detach()");
}

}  // namespace tsr
