// Norms, losses, distances, order and padding against PyTorch's values and gradients
// (tests/golden/norms_and_losses.py).
#include <doctest/doctest.h>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "autograd/ops.h"
#include "tests/golden/golden.h"
#include "tests/golden/unit.h"

namespace tsr::test {
namespace {

using nlohmann::json;
using Call = Tensor (*)(const Tensors&, const json&);

Tensor labels(const Shape& shape, std::int64_t classes) {
  Tensor y = empty(shape, int64);
  for (std::int64_t i = 0; i < y.numel(); ++i) y.data<std::int64_t>()[i] = (3 * i + 1) % classes;
  return y;
}

tsr::Reduction reduction_of(const json& p) {
  const auto name = p.at("reduction").get<std::string>();
  return name == "mean"        ? tsr::Reduction::mean
         : name == "sum"       ? tsr::Reduction::sum
         : name == "batchmean" ? tsr::Reduction::batch_mean
                               : tsr::Reduction::none;
}

Tensor class_weight(const json& p) {
  return p.at("weighted") ? from_values({0.5F, 0.75F, 1, 1.25F}, {4}).to(float64) : Tensor();
}

CrossEntropyOptions cross_entropy_options(const json& p) {
  return {.label_smoothing = p.at("smoothing"),
          .ignore_index = p.at("ignored"),
          .reduction = reduction_of(p),
          .class_weight = class_weight(p)};
}

PadMode pad_mode(const json& p) {
  const auto name = p.at("mode").get<std::string>();
  return name == "constant" ? PadMode::constant : name == "reflect" ? PadMode::reflect : PadMode::replicate;
}

const std::map<std::string, Call> kNorms{
    {"layer_norm", [](const Tensors& x, const json&) { return layer_norm(x[0], x[1].shape(), x[1], x[2]); }},
    {"rms_norm", [](const Tensors& x, const json&) { return rms_norm(x[0], x[1].shape(), x[1]); }},
    {"group_norm",
     [](const Tensors& x, const json& p) { return group_norm(x[0], p.at("groups"), x[1], x[2]); }},
    {"instance_norm", [](const Tensors& x, const json&) { return instance_norm(x[0], x[1], x[2]); }},
    {"weight_norm", [](const Tensors& x, const json& p) { return weight_norm(x[0], x[1], p.at("axis")); }},
    {"weight_standardize", [](const Tensors& x, const json&) { return weight_standardize(x[0]); }},
};

const std::map<std::string, Call> kLosses{
    {"cross_entropy",
     [](const Tensors& x, const json& p) {
       return cross_entropy(x[0], labels({6}, 4), cross_entropy_options(p));
     }},
    {"cross_entropy_probabilities",
     [](const Tensors& x, const json& p) { return cross_entropy(x[0], x[1], cross_entropy_options(p)); }},
    {"nll_loss",
     [](const Tensors& x, const json& p) {
       return nll_loss(
           x[0], labels({6}, 4),
           {.ignore_index = p.at("ignored"), .reduction = reduction_of(p), .class_weight = class_weight(p)});
     }},
    {"mse_loss", [](const Tensors& x, const json& p) { return mse_loss(x[0], x[1], reduction_of(p)); }},
    {"l1_loss", [](const Tensors& x, const json& p) { return l1_loss(x[0], x[1], reduction_of(p)); }},
    {"smooth_l1_loss",
     [](const Tensors& x, const json& p) { return smooth_l1_loss(x[0], x[1], 0.7, reduction_of(p)); }},
    {"huber_loss",
     [](const Tensors& x, const json& p) { return huber_loss(x[0], x[1], 1.3, reduction_of(p)); }},
    {"binary_cross_entropy",
     [](const Tensors& x, const json& p) { return binary_cross_entropy(x[0], x[1], reduction_of(p)); }},
    {"binary_cross_entropy_with_logits",
     [](const Tensors& x, const json& p) {
       return binary_cross_entropy_with_logits(x[0], x[1], x[2], reduction_of(p));
     }},
    {"kl_div",
     [](const Tensors& x, const json& p) { return kl_div(x[0], x[1], reduction_of(p), p.at("log")); }},
};

const std::map<std::string, Call> kOthers{
    {"cosine_similarity",
     [](const Tensors& x, const json& p) { return cosine_similarity(x[0], x[1], p.at("axis")); }},
    {"cdist",
     [](const Tensors& x, const json& p) {
       const json& order = p.at("p");
       return cdist(x[0], x[1],
                    order.is_string() ? std::numeric_limits<double>::infinity() : order.get<double>());
     }},
    {"sort",
     [](const Tensors& x, const json& p) { return sort(x[0], p.at("axis"), p.at("descending")).first; }},
    {"topk",
     [](const Tensors& x, const json& p) { return topk(x[0], 3, p.at("axis"), p.at("largest")).first; }},
    {"pad",
     [](const Tensors& x, const json& p) {
       return pad(x[0], {{0, 0}, {0, 3}, {2, 1}, {0, 0}}, pad_mode(p), 0.25);
     }},
    {"embedding",
     [](const Tensors& x, const json&) {
       return embedding(x[0], labels({2, 4}, 5), 2);
     }},
};

Tensors leaves_of(const json& inputs, const std::string& number) {
  Tensors leaves;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    Tensor x = filled(number + "." + std::to_string(k), shape_of(inputs[k]["shape"]), inputs[k]["scale"],
                      inputs[k]["shift"]);
    leaves.push_back(x.requires_grad_());
  }
  return leaves;
}

void compare(const Tensor& ours, const json& values) {
  REQUIRE(static_cast<std::size_t>(ours.numel()) == values.size());
  const Tensor wanted = from_values(values.get<std::vector<double>>(), ours.shape());
  CHECK(max(abs(ours - wanted)).item() < 1e-12);
}

void check_cases(const std::map<std::string, Call>& calls, std::size_t count) {
  const json& golden = read_golden("norms_and_losses.json");
  std::size_t checked = 0;
  for (std::size_t c = 0; c < golden.at("cases").size(); ++c) {
    const json& entry = golden.at("cases").at(c);
    const auto op = entry.at("op").get<std::string>(), number = std::to_string(c);
    if (!calls.contains(op)) continue;
    CAPTURE(op);
    CAPTURE(entry.at("params").dump());
    const Tensors leaves = leaves_of(entry.at("inputs"), number);
    const Tensor y = calls.at(op)(leaves, entry.at("params"));
    CHECK(y.shape() == shape_of(entry.at("shape")));
    compare(y.detach(), entry.at("values"));
    const Tensors grads = grad(y, leaves, filled(number + ".upstream", y.shape(), 1, 0));
    for (std::size_t k = 0; k < grads.size(); ++k)
      if (!entry["grads"][k].is_null()) compare(grads[k], entry["grads"][k]);
    ++checked;
  }
  CHECK(checked == count);
}

TEST_CASE("norms agree with PyTorch") { check_cases(kNorms, 8); }
TEST_CASE("losses agree with PyTorch") { check_cases(kLosses, 39); }
TEST_CASE("distances, order, padding and embedding agree with PyTorch") { check_cases(kOthers, 14); }

}  // namespace
}  // namespace tsr::test
