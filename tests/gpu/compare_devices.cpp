// compare-devices DEVICE VARIANT OP [values]: an op's cases on a CUDA device against their reference, the CPU
// and the emulator, with matrix products and convolutions by VARIANT (library or handwritten). Prints a row
// of a table in Markdown, then each failure; exit code 1 when there is one. `values` is for slow tools:
// nothing but values of small variants against the reference. `compare-devices list` prints the ops. One op a
// process: a kernel that breaks the device, breaks it for the others as well.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <set>

#include "autograd/ops.h"
#include "tensor/kernel.h"
#include "tests/ops/op_check.h"

namespace tsr::test {
namespace {

/// What an op's cases showed.
struct Row {
  int variants = 0;
  double from_cpu = 0, from_emu = 0;  ///< largest |difference| / max(1, |value|) in float32
  Failures failures;
};

Tensor result_on(const OpCase& op_case, std::size_t variant, Device device) {
  Tensors inputs;
  for (const Tensor& x : draw_inputs(op_case.variants[variant].inputs, float32, variant))
    inputs.push_back(x.to(device));
  const NoGrad guard;
  return op_case.call(inputs).to(Device::cpu).to(float64).clone();
}

double difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    largest = std::max(largest, std::abs(x - y) / std::max(1.0, std::abs(y)));
  }
  return largest;
}

void add(Row& row, Failures failures) {
  row.failures.insert(row.failures.end(), failures.begin(), failures.end());
}

/// Without the variants that are too large for whoever looks at every access.
OpCase small_variants(OpCase op_case) {
  std::erase_if(op_case.variants, [](const Variant& variant) { return variant.large; });
  return op_case;
}

void compare(const OpCase& op_case, Device device, bool values_only, Row& row) {
  add(row, check_values_on(values_only ? small_variants(op_case) : op_case, device));
  row.variants += static_cast<int>(op_case.variants.size());
  if (values_only) return;
  if (row.failures.empty())
    for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
      const Tensor here = result_on(op_case, v, device);
      row.from_cpu = std::max(row.from_cpu, difference(here, result_on(op_case, v, Device::cpu)));
      if (op_case.variants[v].large) continue;  // for the emulator
      row.from_emu = std::max(row.from_emu, difference(here, result_on(op_case, v, Device::emu)));
    }
  if (op_case.differentiable != Differentiable::no) add(row, check_gradients_on(op_case, device));
  if (has_low_precision(op_case, bfloat16, device) && has_low_precision(op_case, float16, device))
    add(row, check_low_precision(op_case, device));
}

int list() {
  std::set<std::string> names;
  for (const OpCase& op_case : all_cases()) names.insert(op_case.name);
  for (const std::string& name : names) std::cout << name << '\n';
  return 0;
}

int run(Device device, const std::string& variant, const std::string& op, bool values_only) {
  choose_variant(device, variant);
  Row row;
  for (const OpCase& op_case : all_cases())
    if (op_case.name == op) compare(op_case, device, values_only, row);
  TSR_CHECK_INPUT(row.variants > 0, op, ": no such op; compare-devices list tells them");
  std::cout << "| " << op << " | " << row.variants << " | " << row.from_cpu << " | " << row.from_emu << " | "
            << row.failures.size() << " |\n";
  for (const std::string& failure : row.failures) std::cout << "- " << failure << '\n';
  return row.failures.empty() ? 0 : 1;
}

int main_of(const std::vector<std::string>& words) {
  if (words == std::vector<std::string>{"list"}) return list();
  if (words.size() < 3 || words.size() > 4 || (words.size() == 4 && words[3] != "values")) {
    std::cerr << "usage: compare-devices DEVICE library|handwritten OP [values]; compare-devices list\n";
    return 2;
  }
  try {
    return run(device_from_name(words[0]), words[1], words[2], words.size() == 4);
  } catch (const Error& error) {
    std::cerr << "compare-devices: error: " << error.what() << '\n';
    return 2;
  }
}

}  // namespace
}  // namespace tsr::test

int main(int argc, char** argv) { return tsr::test::main_of({argv + 1, argv + argc}); }
