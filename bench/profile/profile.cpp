// emu-profile: what the kernels of an op ask of a GPU, told by the emulator. Built by the preset `check`.
#include <algorithm>
#include <fstream>
#include <iostream>

#include "apps/command.h"
#include "autograd/tape.h"
#include "bench/profile/report.h"
#include "tensor/error.h"
#include "tensor/suggest.h"
#include "tests/ops/op_case.h"

namespace tsr::bench {
namespace {

using nlohmann::json;
using test::Input;
using test::OpCase;
using test::Variant;

struct Arguments {
  std::vector<std::string> names;
  std::string json_file, dtype = "float32";
  bool lines = false, backward = false, benchmark = false;
};

/// Of several cases of an op the one that is benchmarked.
const OpCase& find_case(const std::string& name) {
  const OpCase* found = nullptr;
  std::vector<std::string> names;
  for (const OpCase& op_case : test::all_cases()) {
    names.push_back(op_case.name);
    if (op_case.name == name &&
        (found == nullptr || (found->benchmark.empty() && !op_case.benchmark.empty())))
      found = &op_case;
  }
  TSR_CHECK_INPUT(found != nullptr, name, ": no such op; ", did_you_mean(name, names));
  return *found;
}

std::int64_t elements(const Variant& variant) {
  std::int64_t sum = 0;
  for (const Input& input : variant.inputs) sum += input.shape.numel();
  return sum;
}

const std::vector<Input>& inputs_of(const OpCase& op_case, const Arguments& arguments) {
  if (arguments.benchmark) {
    TSR_CHECK_INPUT(!op_case.benchmark.empty(), op_case.name, ": is not benchmarked");
    return op_case.benchmark;
  }
  // a backward that is too long for its check is too long here
  const auto larger = [&](const Variant& a, const Variant& b) {
    const auto rank = [&](const Variant& v) {
      return std::pair(!arguments.backward || v.gradients, elements(v));
    };
    return rank(a) < rank(b);
  };
  return std::max_element(op_case.variants.begin(), op_case.variants.end(), larger)->inputs;
}

json profile_case(const std::string& name, const Arguments& arguments) {
  const OpCase& op_case = find_case(name);
  const DType dtype = dtype_from_name(arguments.dtype);
  Tensors inputs, wanted;
  std::string shapes;
  for (const Tensor& x : test::draw_inputs(inputs_of(op_case, arguments), dtype, 0)) {
    inputs.push_back(x.to(Device::emu));
    shapes += text(' ', x.dtype(), x.shape());
    if (!arguments.backward || !is_floating(x.dtype())) continue;
    inputs.back().requires_grad_();
    wanted.push_back(inputs.back());
  }
  emu::check::begin_profile();
  const Tensor y = op_case.call(inputs);
  if (arguments.backward) grad(y, wanted, ones(y.shape(), y.dtype(), y.device()));
  const auto profiles = emu::check::end_profile();
  std::cout << name << ':' << shapes << (arguments.backward ? ", forward and backward\n" : "\n");
  print_kernels(std::cout, profiles);
  if (arguments.lines) print_lines(std::cout, profiles, TESSERA_SOURCE_DIR);
  std::cout << '\n';
  return {{"op", name}, {"inputs", shapes.substr(1)}, {"kernels", to_json(profiles)}};
}

void run(const Arguments& arguments) {
  std::ofstream file;
  if (!arguments.json_file.empty()) {
    file.open(arguments.json_file);
    TSR_CHECK_INPUT(file, "--json ", arguments.json_file, ": can't be written");
  }
  json all = json::array();
  for (const std::string& name : arguments.names) all.push_back(profile_case(name, arguments));
  if (file.is_open()) file << all.dump(1) << '\n';
}

int main_of(int argc, char** argv) {
  Arguments arguments;
  const char* what = "Counts what the kernels of ops ask of memory and of each other.";
  return parse_and_run(argc, argv, what, [&](Command& profile) {
    profile.option("OP", &arguments.names, "", "the ops: softmax, conv2d, ...",
                   {.required = true, .several_in_a_row = true});
    profile.flag("--lines", arguments.lines, "print a row for each line of the source as well");
    profile.flag("--backward", arguments.backward, "run the gradient's kernels as well");
    profile.flag("--benchmark", arguments.benchmark, "take the benchmark's inputs, not the tests' largest");
    profile.option("--dtype", &arguments.dtype, "T", "float32 (the default), bfloat16 or float16");
    profile.option("--json", &arguments.json_file, "FILE", "write it to this file as well, for programs");
    profile.action([&] { run(arguments); });
  });
}

}  // namespace
}  // namespace tsr::bench

int main(int argc, char** argv) { return tsr::bench::main_of(argc, argv); }
