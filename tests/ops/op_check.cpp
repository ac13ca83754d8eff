#include "tests/ops/op_check.h"

#include <algorithm>
#include <cmath>
#include <dlfcn.h>
#include <iostream>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/op.h"

namespace tsr::test {
namespace {

/// Where two tensors differ most beyond the tolerance, as a line; "" when nowhere.
std::string difference(const Tensor& ours, const Tensor& reference, double tolerance) {
  if (ours.shape() != reference.shape())
    return text("shape ", ours.shape(), ", the reference has ", reference.shape());
  const Tensor a = ours.to(float64).clone(), b = reference.to(float64).clone();
  double worst = 0;
  std::string line;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double error = std::abs(x - y) / std::max(1.0, std::abs(y));
    if (error <= tolerance || error <= worst) continue;
    worst = std::isnan(error) ? INFINITY : error;
    line = text("element ", i, ": ", x, ", the reference says ", y);
  }
  return line;
}

std::string where(const OpCase& op_case, std::size_t variant, DType dtype) {
  std::string shapes;
  for (const Input& input : op_case.variants[variant].inputs)
    shapes += text(" ", input.shape, input.strided ? " strided" : "");
  return text(op_case.name, " ", dtype, " variant ", variant, ":", shapes);
}

/// Notes a check's complaint, unless it is "".
void note(Failures& failures, const std::string& where, const std::string& complaint) {
  if (!complaint.empty()) failures.push_back(where + ": " + complaint);
}

/// Calls body(inputs, where) for each variant that is differentiated, in float64.
template <class Body>
void for_each_differentiated(const OpCase& op_case, Body&& body) {
  for (std::size_t v = 0; v < op_case.variants.size(); ++v)
    if (op_case.variants[v].gradients)
      body(draw_inputs(op_case.variants[v].inputs, float64, v), where(op_case, v, float64));
}

/// The loaded file (program or library) that an op's or slot's name is a literal of: who registered it.
const void* home_of(const char* name) {
  Dl_info info;
  TSR_ASSERT(dladdr(name, &info) != 0);
  return info.dli_fbase;
}

const void* home_of_tessera() {
  for (const OpInfo* info : OpInfo::all())
    if (std::string_view(info->name) == "add") return home_of(info->name);
  TSR_ASSERT(!"the op add is always there");
  return nullptr;
}

std::string complaint_of_second_pass(const OpCase& op_case, const Tensors& inputs,
                                     const GradcheckOptions& options) {
  if (op_case.differentiable == Differentiable::twice) return gradcheck(op_case.call, inputs, options);
  const std::string rule = "differentiable only once";
  try {
    gradcheck(op_case.call, inputs, options);
  } catch (const Error& error) {
    return std::string(error.what()).find(rule) != std::string::npos ? "" : error.what();
  }
  return "a second pass went through, but the case says that it is " + rule;
}

/// Prints what a check found about a case; how much that was.
std::size_t print(const Failures& failures) {
  for (const std::string& failure : failures) std::cout << "  " << failure << '\n';
  return failures.size();
}

}  // namespace

Failures check_values(const OpCase& op_case) {
  Failures failures;
  for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
    Tensors exact;
    for (const Tensor& x : draw_inputs(op_case.variants[v].inputs, float64, v)) exact.push_back(x.clone());
    const Tensor expected = op_case.reference(exact);
    for (DType dtype : {float32, float64}) {
      const Tensor y = op_case.call(draw_inputs(op_case.variants[v].inputs, dtype, v));
      note(failures, where(op_case, v, dtype),
           difference(y, expected, dtype == float32 ? op_case.tolerance32 : op_case.tolerance64));
    }
  }
  return failures;
}

bool runs_on(const OpCase& op_case, Device device) {
  return std::ranges::all_of(KernelSlot::all(), [&](const KernelSlot* slot) {
    if (std::ranges::find(op_case.kernels, slot->name()) == op_case.kernels.end()) return true;
    return slot->has(device, slot->has(Device::cpu, float32) ? float32 : boolean);
  });
}

Failures check_values_on(const OpCase& op_case, Device device) {
  Failures failures;
  for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
    if (device == Device::emu && op_case.variants[v].large) continue;
    Tensors exact, inputs;
    for (const Tensor& x : draw_inputs(op_case.variants[v].inputs, float64, v)) exact.push_back(x.clone());
    for (const Tensor& x : draw_inputs(op_case.variants[v].inputs, float32, v))
      inputs.push_back(x.to(device));
    const std::string place = text(device, " ", where(op_case, v, float32));
    try {
      const Tensor y = op_case.call(inputs).to(Device::cpu);
      note(failures, place, difference(y, op_case.reference(exact), op_case.tolerance32));
    } catch (const Error& error) {
      note(failures, place, error.what());
    }
  }
  return failures;
}

Failures check_gradients(const OpCase& op_case) {
  Failures failures;
  if (op_case.differentiable == Differentiable::no) return failures;
  bool checked = false;
  for_each_differentiated(op_case, [&](const Tensors& inputs, const std::string& where) {
    note(failures, where, gradcheck(op_case.call, inputs));
    checked = true;
  });
  if (!checked) note(failures, op_case.name, "no variant checks the gradient");
  return failures;
}

Failures check_second_derivatives(const OpCase& op_case) {
  Failures failures;
  if (op_case.differentiable == Differentiable::no) return failures;
  const GradcheckOptions options{.tolerance = 1e-5, .second = true};
  for_each_differentiated(op_case, [&](const Tensors& inputs, const std::string& where) {
    note(failures, where, complaint_of_second_pass(op_case, inputs, options));
  });
  return failures;
}

Failures check_registry(Scope scope) {
  Failures failures;
  std::set<std::string> cases_ops, cases_slots, slots;
  for (const OpCase& op_case : all_cases()) {
    cases_ops.insert(op_case.name);
    cases_slots.insert(op_case.kernels.begin(), op_case.kernels.end());
  }
  const void* tessera = home_of_tessera();
  const auto concerns = [&](const char* name) { return scope == Scope::all || home_of(name) != tessera; };
  for (const OpInfo* info : OpInfo::all())
    if (concerns(info->name) && !cases_ops.contains(info->name))
      note(failures, info->name, "the op has no case");
  for (const KernelSlot* slot : KernelSlot::all()) {
    slots.insert(slot->name());
    if (!concerns(slot->name())) continue;
    if (!cases_slots.contains(slot->name())) note(failures, slot->name(), "no case exercises the slot");
    if (slot->available().starts_with("cpu bool")) continue;  // logic has no other dtype
    for (DType dtype : {float32, float64})
      if (!slot->has(Device::cpu, dtype)) note(failures, slot->name(), text("no cpu kernel for ", dtype));
  }
  for (const std::string& name : cases_slots)
    if (!slots.contains(name)) note(failures, name, "a case names the slot, but it doesn't exist");
  return failures;
}

int run_op_cases() {
  std::size_t wrong = 0;
  for (const OpCase& op_case : all_cases()) {
    std::cout << op_case.name << ": values, gradients and their gradients of " << op_case.variants.size()
              << " variants\n";
    wrong += print(check_values(op_case)) + print(check_gradients(op_case)) +
             print(check_second_derivatives(op_case)) + print(check_low_precision(op_case));
  }
  wrong += print(check_registry(Scope::outside));
  std::cout << all_cases().size() << " cases, " << wrong << " failures\n";
  return all_cases().empty() || wrong > 0 ? 1 : 0;
}

}  // namespace tsr::test
