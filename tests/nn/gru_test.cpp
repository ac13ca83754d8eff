// GRUs against PyTorch (tests/golden/gru.py): values and all gradients.
#include "nn/gru.h"

#include <doctest/doctest.h>
#include <fstream>
#include <nlohmann/json.hpp>

#include "autograd/ops.h"
#include "nn/torch_state.h"
#include "tensor/random.h"
#include "tests/golden/golden.h"

namespace tsr::test {
namespace {

using Values = std::vector<double>;
constexpr std::int64_t kIn = 3, kHidden = 4, kSteps = 5, kBatch = 2;

Tensor read(const nlohmann::json& values, const Shape& shape) {
  return from_values(values.get<Values>(), shape);
}

void check_values(const Tensor& ours, const nlohmann::json& theirs) {
  const auto want = theirs.get<Values>();
  const Tensor dense = ours.clone();
  REQUIRE(static_cast<std::size_t>(dense.numel()) == want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    CHECK(std::abs(dense.data<double>()[i] - want[i]) <= 1e-10 * std::max(1.0, std::abs(want[i])));
}

/// Takes the script's weights, by PyTorch's names.
void load(Module& module, const nlohmann::json& parameters) {
  module.to(float64);
  TensorMap tensors;
  for (const NamedTensor& entry : named_parameters(module))
    tensors[entry.name] = read(parameters.at(entry.name), entry.tensor.shape());
  REQUIRE(tensors.size() == parameters.size());
  load_torch_state_dict(module, tensors, "gru.json");
}

void check_gradients(Module& module, const nlohmann::json& gradients) {
  for (const NamedTensor& entry : named_parameters(module)) {
    INFO(entry.name);
    check_values(entry.tensor.grad(), gradients.at(entry.name));
  }
}

void check_sequence(const char* name, bool bias, bool batch_first) {
  INFO(name, batch_first ? ", batch first" : "");
  const auto json = read_golden("gru.json").at(name);
  GRU gru({.in = kIn, .hidden = kHidden, .layers = 2, .bias = bias, .batch_first = batch_first});
  load(gru, json["parameters"]);
  Tensor x = read(json["x"], {kSteps, kBatch, kIn}), h;
  x.requires_grad_();
  if (bias) {
    h = read(json["h"], {2, kBatch, kHidden});
    h.requires_grad_();
  }
  auto [output, hidden] = gru(batch_first ? transpose(x, 0, 1) : x, h);
  if (batch_first) output = transpose(output, 0, 1);
  check_values(output.detach(), json["output"]);
  check_values(hidden.detach(), json["hidden"]);
  (sum(output * read(json["grad_output"], output.shape())) +
   sum(hidden * read(json["grad_hidden"], hidden.shape())))
      .backward();
  check_gradients(gru, json["gradients"]);
  check_values(x.grad(), json["grad_x"]);
  if (bias) check_values(h.grad(), json["grad_h"]);
}

}  // namespace

TEST_CASE("a GRU agrees with PyTorch") {
  check_sequence("full", true, false);
  check_sequence("full", true, true);
  check_sequence("bare", false, false);
}

TEST_CASE("a GRU cell agrees with PyTorch") {
  const auto json = read_golden("gru.json").at("cell");
  GRUCell cell({.in = kIn, .hidden = kHidden});
  load(cell, json["parameters"]);
  Tensor x = read(json["x"], {kBatch, kIn}), h = read(json["h"], {kBatch, kHidden});
  x.requires_grad_();
  h.requires_grad_();
  const Tensor output = cell(x, h);
  check_values(output.detach(), json["output"]);
  sum(output * read(json["grad_output"], output.shape())).backward();
  check_gradients(cell, json["gradients"]);
  check_values(x.grad(), json["grad_x"]);
  check_values(h.grad(), json["grad_h"]);
}

TEST_CASE("a GRU's weights start within 1/√hidden, and wrong shapes are refused") {
  seed_init(1);
  GRU gru({.in = 3, .hidden = 16});
  CHECK(parameter_count(gru) == 48 * (3 + 16 + 2));
  const Tensor weight = gru.cells[0].weight_ih;
  double largest = 0;
  for (std::int64_t i = 0; i < weight.numel(); ++i)
    largest = std::max(largest, std::abs(double{weight.data<float>()[i]}));
  CHECK(largest <= 0.25);
  CHECK(largest > 0.2);
  CHECK_THROWS_WITH_AS(gru(zeros({5, 2, 4})), doctest::Contains("is not [steps, N, 3]"), Error);
  CHECK_THROWS_WITH_AS(gru(zeros({0, 2, 3})), doctest::Contains("has no steps"), Error);
  CHECK_THROWS_WITH_AS(gru(zeros({5, 2, 3}), zeros({2, 2, 16})), doctest::Contains("is not [1, 2, 16]"),
                       Error);
  CHECK_THROWS_WITH_AS(gru.cells[0](zeros({2, 3}), zeros({1, 16})), doctest::Contains("is not [2, 16]"),
                       Error);
}

}  // namespace tsr::test
