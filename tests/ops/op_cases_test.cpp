// Runs every OpCase: values in each dtype on each device of the build, first and second derivatives; and the
// registry: no op without a case, no slot without a case or a kernel.
#include <cmath>
#include <doctest/doctest.h>
#include <set>

#include "autograd/gradcheck.h"
#include "autograd/op.h"
#include "tests/ops/op_case.h"

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

TEST_CASE("every op gives its reference's values") {
  for (const OpCase& op_case : all_cases()) {
    for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
      Tensors exact;
      for (const Tensor& x : draw_inputs(op_case.variants[v].inputs, float64, v)) exact.push_back(x.clone());
      const Tensor expected = op_case.reference(exact);
      for (DType dtype : {float32, float64}) {
        CAPTURE(where(op_case, v, dtype));
        const Tensor y = op_case.call(draw_inputs(op_case.variants[v].inputs, dtype, v));
        CHECK(difference(y, expected, dtype == float32 ? op_case.tolerance32 : op_case.tolerance64) == "");
      }
    }
  }
}

TEST_CASE("every gradient agrees with finite differences") {
  for (const OpCase& op_case : all_cases()) {
    if (op_case.differentiable == Differentiable::no) continue;
    bool checked = false;
    for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
      if (!op_case.variants[v].gradients) continue;
      const Tensors inputs = draw_inputs(op_case.variants[v].inputs, float64, v);
      CAPTURE(where(op_case, v, float64));
      CHECK(gradcheck(op_case.call, inputs) == "");
      checked = true;
    }
    CAPTURE(op_case.name);
    CHECK(checked);
  }
}

TEST_CASE("every second derivative agrees with finite differences, or is refused by name") {
  for (const OpCase& op_case : all_cases()) {
    if (op_case.differentiable == Differentiable::no) continue;
    for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
      if (!op_case.variants[v].gradients) continue;
      const Tensors inputs = draw_inputs(op_case.variants[v].inputs, float64, v);
      CAPTURE(where(op_case, v, float64));
      const GradcheckOptions options{.tolerance = 1e-5, .second = true};
      if (op_case.differentiable == Differentiable::twice) {
        CHECK(gradcheck(op_case.call, inputs, options) == "");
      } else {
        CHECK_THROWS_WITH_AS(gradcheck(op_case.call, inputs, options),
                             doctest::Contains("differentiable only once"), Error);
      }
    }
  }
}

TEST_CASE("every op has a case and every slot a kernel and a case") {
  std::set<std::string> ops, kernels;
  for (const OpCase& op_case : all_cases()) {
    ops.insert(op_case.name);
    kernels.insert(op_case.kernels.begin(), op_case.kernels.end());
  }
  for (const OpInfo* info : OpInfo::all()) {
    CAPTURE(std::string(info->name));
    CHECK(ops.contains(info->name));
  }
  for (const KernelSlot* slot : KernelSlot::all()) {
    CAPTURE(std::string(slot->name()));
    const bool only_bool = slot->available() == "cpu bool";
    CHECK((only_bool || slot->has(Device::cpu, float32)));
    CHECK((only_bool || slot->has(Device::cpu, float64)));
    CHECK(kernels.contains(slot->name()));
  }
}

}  // namespace
}  // namespace tsr::test
