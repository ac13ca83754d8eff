// Runs every OpCase: values in each dtype on each device of the build, first and second derivatives; and the
// registry: no op without a case, no slot without a case or a kernel.
#include <cmath>
#include <doctest/doctest.h>
#include <filesystem>
#include <regex>
#include <set>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "tests/ops/op_check.h"
#include "tests/ops/quarter.h"
#include "tests/support/program.h"

namespace tsr::test {
namespace {

void report(const Failures& failures) {
  for (const std::string& failure : failures) FAIL_CHECK(failure);
}

TEST_CASE("every op gives its reference's values") {
  for (const OpCase& op_case : all_cases()) report(check_values(op_case));
}

TEST_CASE_TEMPLATE("every gradient agrees with finite differences", Share, TSR_QUARTERS) {
  for (const OpCase* op_case : Share::cases()) report(check_gradients(*op_case));
}

TEST_CASE("every second derivative agrees with finite differences, or is refused by name") {
  for (const OpCase& op_case : all_cases()) report(check_second_derivatives(op_case));
}

TEST_CASE("every op has a case and every slot a kernel and a case") { report(check_registry(Scope::all)); }

// The registry knows a constant slot from its first kernel on: those without stand in the headers alone.
TEST_CASE("every slot that a header declares has a kernel") {
  std::set<std::string> filled;
  for (const KernelSlot* slot : KernelSlot::all()) filled.insert(slot->name());
  const std::regex declaration("(\\w+)\\{\\s*\"\\1\"_slot\\}");
  std::size_t declared = 0;
  for (const char* header : {"tensor/kernels.h", "tensor/view_recipe.h"}) {
    const std::string source = read_text(std::filesystem::path(TESSERA_SOURCE_DIR) / header);
    for (std::sregex_iterator it(source.begin(), source.end(), declaration), end; it != end; ++it, ++declared)
      CHECK_MESSAGE(filled.contains((*it)[1]), (*it)[1].str(), ": the slot has no kernel");
  }
  CHECK(declared == filled.size());
}

// The checks would be worth nothing if they couldn't fail.
OpCase broken_square(Tensor (*call)(const Tensor&), Differentiable differentiable) {
  return {.name = "square",
          .kernels = {},
          .call = [call](const Tensors& x) { return call(x[0]); },
          .reference = [](const Tensors& x) { return map(x[0], [](double v) { return v * v; }); },
          .variants = {{{{{2, 3}}}}},
          .differentiable = differentiable};
}

TEST_CASE("a wrong value, a wrong gradient and a wrong promise are found") {
  const auto right = [](const Tensor& x) { return x * x; };
  CHECK(check_values(broken_square(right, Differentiable::twice)).empty());
  CHECK(check_gradients(broken_square(right, Differentiable::twice)).empty());

  const auto wrong_value = [](const Tensor& x) { return x * x * 1.001; };
  CHECK(check_values(broken_square(wrong_value, Differentiable::twice)).size() == 2);
  const auto wrong_shape = [](const Tensor& x) { return sum(x * x); };
  CHECK(check_values(broken_square(wrong_shape, Differentiable::twice)).size() == 2);
  const auto wrong_gradient = [](const Tensor& x) { return x * x.detach(); };
  CHECK(check_gradients(broken_square(wrong_gradient, Differentiable::twice)).size() == 1);
  CHECK(check_second_derivatives(broken_square(wrong_gradient, Differentiable::twice)).size() == 1);
  CHECK(check_second_derivatives(broken_square(right, Differentiable::once)).size() == 1);

  CHECK(check_low_precision(broken_square(right, Differentiable::twice)).empty());
  const auto rather_wrong = [](const Tensor& x) { return x * x * 1.1; };
  CHECK(check_low_precision(broken_square(rather_wrong, Differentiable::twice)).size() == 2);

  OpCase unchecked = broken_square(right, Differentiable::twice);
  unchecked.variants[0].gradients = false;
  CHECK(check_gradients(unchecked) == Failures{"square: no variant checks the gradient"});
}

}  // namespace
}  // namespace tsr::test
