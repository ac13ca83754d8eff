#include "autograd/op.h"

#include <algorithm>

#include "autograd/anomaly.h"
#include "autograd/checkpoint.h"
#include "autograd/hooks.h"
#include "autograd/scope.h"

namespace tsr {
namespace {

std::vector<const OpInfo*>& infos() {
  static std::vector<const OpInfo*> list;
  return list;
}

using Inputs = std::span<const Op::Input>;

void check_defined(const OpInfo& info, Inputs inputs) {
  TSR_ASSERT(!inputs.empty() && inputs.size() <= Needs::kMax);
  int position = 0;
  for (const Op::Input& input : inputs) {
    TSR_CHECK(input.tensor.defined(), info.name, ": input ", position, " is undefined");
    ++position;
  }
}

bool casts(CastPolicy policy) { return policy != CastPolicy::keep && policy != CastPolicy::mixed; }

/// The inputs as the policy wants them; empty when it wants nothing now.
Tensors admit(const OpInfo& info, Inputs inputs) {
  check_defined(info, inputs);
  if (!casts(info.policy) || !Autocast::enabled()) return {};
  Tensors given;
  for (const Op::Input& input : inputs) given.push_back(input.tensor);
  return cast_inputs(info.policy, std::move(given));
}

bool agree(CastPolicy policy, DType first, DType other) {
  return other == first || (policy == CastPolicy::mixed && other == compute_dtype(first));
}

/// A node with its inputs; null when none of them needs a gradient.
std::shared_ptr<Node> make_node(const OpInfo& info, Inputs inputs) {
  bool needed = false;
  for (const Op::Input& input : inputs) needed = needed || input.tensor.requires_grad();
  if (!needed) return nullptr;
  auto node = std::make_shared<Node>();
  node->name = info.name;
  node->once_differentiable = info.once_differentiable;
  node->inputs.reserve(inputs.size());
  for (const Op::Input& input : inputs) {
    const Tensor& tensor = input.tensor;
    node->inputs.push_back({find_node(tensor), tensor.shape(), tensor.dtype()});
    if (node->inputs.back().node != nullptr) node->needs.set(node->inputs.size() - 1);
  }
  return node;
}

}  // namespace

OpInfo::OpInfo(const char* name, bool once_differentiable, CastPolicy policy)
    : name(name), once_differentiable(once_differentiable), policy(policy) {
  infos().push_back(this);
}

const std::vector<const OpInfo*>& OpInfo::all() { return infos(); }

Op::Op(const OpInfo& info, std::initializer_list<Input> inputs)
    : info_(info),
      cast_(admit(info, inputs)),
      context_(inputs.begin()->tensor.device()),
      dtype_(cast_.empty() ? inputs.begin()->tensor.dtype() : cast_.front().dtype()) {
  if (cast_.empty()) {
    enter(inputs);
  } else {
    enter(std::vector<Input>(cast_.begin(), cast_.end()));
  }
}

void Op::enter(std::span<const Input> inputs) {
  TSR_ASSERT(inputs.size() <= kShown || !casts(info_.policy));
  for (std::size_t i = 0; i < std::min(inputs.size(), kShown); ++i) inputs_[i] = &inputs[i].tensor;
  const Tensor* floating = nullptr;
  for (const Input& input : inputs) {
    const Tensor& tensor = input.tensor;
    TSR_CHECK(tensor.device() == context_.device(), info_.name, ": ", describe(tensor), " is on ",
              tensor.device(), " but the first input is on ", context_.device(),
              "; move one with to(device)");
    if (!is_floating(tensor.dtype())) continue;
    if (floating == nullptr) floating = &tensor;
    TSR_CHECK(agree(info_.policy, floating->dtype(), tensor.dtype()), info_.name, ": ", describe(*floating),
              " and ", describe(tensor), " differ in dtype; convert one with cast(x, ", floating->dtype(),
              ")");
  }
  if (grad_enabled()) node_ = make_node(info_, inputs);
  if (!anomaly_mode()) return;
  for (const Input& input : inputs) watched_.push_back(input.tensor);
}

Saved Op::save(const Tensor& tensor) {
  if (node_ == nullptr) return {};
  node_->saved.push_back(SavedTensor::of(tensor));
  return {node_.get(), node_->saved.size() - 1};
}

void Op::attach(const Tensor& output, Backward backward) {
  TSR_ASSERT(!output.autograd());
  Node& node = *node_;
  node.sequence = next_sequence();
  node.backward = std::move(backward);
  node.scope = current_scope();
  for (SavedTensor& saved : node.saved) {
    if (!saved.tensor.defined() || !saved.tensor.is_same(output)) continue;
    saved.tensor = output.detach();  // the node must not own itself through its output
    saved.is_output = true;
  }
  if (in_checkpoint()) [[unlikely]]
    leave_to_checkpoint(node);
  output.autograd() = std::move(node_);
}

void Op::check(const Tensor& output) const { check_forward(info_.name, watched_, output); }

void check_in_place(const char* op, const Tensor& tensor) {
  TSR_CHECK(!grad_enabled() || !tensor.requires_grad(), op, ": ", describe(tensor),
            " takes part in a tape and can't be changed in place; use a NoGrad scope, or detach()");
}

}  // namespace tsr
