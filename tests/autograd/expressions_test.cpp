// Random expression graphs against PyTorch's values, gradients and gradients of gradients
// (tests/golden/expressions.py), in float64 to 1e-9. TESSERA_EXPRESSIONS names another file of graphs.
#include "tests/autograd/expressions.h"

#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/autograd/tape_helpers.h"
#include "tests/golden/golden.h"
#include "tests/golden/unit.h"

namespace tsr::test {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-9;  // of |difference| / max(1, |reference|)

json read_file() {
  const char* chosen = std::getenv("TESSERA_EXPRESSIONS");
  const std::filesystem::path path =
      chosen != nullptr ? std::filesystem::path(chosen)
                        : std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/golden/expressions.json";
  std::ifstream in(path);
  REQUIRE_MESSAGE(in, "can't open ", path.string());
  return json::parse(in);
}

/// Where a tensor (undefined: zeros) is farther from the reference than it may be, as a line; "" when
/// nowhere.
std::string difference(const Tensor& ours, const json& reference) {
  const Numbers found = ours.defined() ? values(ours) : Numbers(reference.size(), 0);
  if (found.size() != reference.size())
    return text(found.size(), " elements, the reference has ", reference.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto wanted = reference[i].get<double>();
    if (!(std::abs(found[i] - wanted) <= kTolerance * std::max(1.0, std::abs(wanted))))
      return text("element ", i, ": ", found[i], ", PyTorch says ", wanted, ", off by ", found[i] - wanted);
  }
  return "";
}

/// Σ over tensors of their dot products with unit(name + number), undefined when there is no tensor.
Tensor weighted(const Tensors& tensors, const std::string& name, const std::vector<std::size_t>& numbers) {
  Tensor total;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].defined()) continue;
    const Tensor part = sum(tensors[i] * filled(text(name, numbers[i]), tensors[i].shape(), 1, 0));
    total = total.defined() ? total + part : part;
  }
  return total;
}

void check(const std::string& what, const Tensors& found, const json& reference) {
  REQUIRE(found.size() == reference.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(what);
    CAPTURE(i);
    CHECK(difference(found[i], reference[i]) == "");
  }
}

/// A case's values by number; `outputs` gets the numbers that no step uses.
Tensors interpret(const json& expression, const std::string& name, std::vector<std::size_t>& outputs) {
  Tensors all;
  for (std::size_t j = 0; j < expression.at("leaves").size(); ++j) {
    all.push_back(filled(text(name, '/', j), shape_of(expression["leaves"][j]), 1.5, 0));
    all.back().requires_grad_();
  }
  std::set<std::size_t> used;
  for (const json& step : expression.at("steps")) {
    Tensors inputs;
    for (const std::size_t k : step.at("in").get<std::vector<std::size_t>>()) {
      inputs.push_back(all.at(k));
      used.insert(k);
    }
    const auto op = expression_ops().find(step.at("op").get<std::string>());
    REQUIRE_MESSAGE(op != expression_ops().end(), "no op ", step.at("op"),
                    " in tests/autograd/expressions.cpp");
    all.push_back(op->second(inputs, Parameters(step)));
  }
  for (std::size_t k = 0; k < all.size(); ++k)
    if (!used.contains(k)) outputs.push_back(k);
  return all;
}

void check_case(const json& expression, const std::string& name) {
  std::vector<std::size_t> outputs, leaf_numbers;
  const Tensors all = interpret(expression, name, outputs);
  Tensors leaves, results, weights;
  for (std::size_t j = 0; j < expression["leaves"].size(); ++j) {
    leaf_numbers.push_back(j);
    leaves.push_back(all[j]);
  }
  for (const std::size_t k : outputs) {
    results.push_back(all[k]);
    weights.push_back(filled(text(name, "/out/", k), all[k].shape(), 1, 0));
  }
  check("values", results, expression.at("values"));
  const bool twice = expression.contains("second");
  const Tensor loss = weighted(results, name + "/out/", outputs);
  const Tensors grads = grad(loss, leaves, {}, {.retain_graph = true, .create_graph = twice});
  check("grads", grads, expression.at("grads"));
  if (twice) {
    const Tensor again = weighted(grads, name + "/grad/", leaf_numbers);
    const bool curved = again.defined() && again.requires_grad();
    check("second", curved ? grad(again, leaves, {}, {.retain_graph = true}) : Tensors(leaves.size()),
          expression["second"]);
  }
  backward(results, weights, {.retain_graph = true});  // the same sum, by several outputs
  Tensors accumulated;
  for (const Tensor& leaf : leaves) accumulated.push_back(leaf.grad());
  check("accumulated", accumulated, expression["grads"]);
}

TEST_CASE("random expressions have PyTorch's values, gradients and gradients of gradients") {
  const json file = read_file();
  const auto& cases = file.at("cases");
  REQUIRE(!cases.empty());
  std::set<std::string> met;
  std::size_t second = 0;
  for (std::size_t c = 0; c < cases.size(); ++c) {
    CAPTURE(c);
    std::string steps;
    for (const json& step : cases[c].at("steps")) {
      met.insert(step.at("op").get<std::string>());
      steps += step.dump() + '\n';
    }
    CAPTURE(steps);
    check_case(cases[c], text(file.at("seed").get<std::int64_t>(), '/', c));
    second += cases[c].contains("second") ? 1 : 0;
  }
  if (std::getenv("TESSERA_EXPRESSIONS") != nullptr) return;
  CHECK(cases.size() >= 200);
  CHECK(second >= 100);
  for (const auto& entry : expression_ops()) {  // else the file is older than the table: make it anew
    CAPTURE(entry.first);
    CHECK(met.contains(entry.first));
  }
}

}  // namespace
}  // namespace tsr::test
