#pragma once
// The ops of tests/golden/expressions.py by name: each line stands beside one of the script's.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"
#include "tests/golden/golden.h"

namespace tsr::test {

/// A step's parameters by name, as the script wrote them.
class Parameters {
 public:
  explicit Parameters(const nlohmann::json& step) : step_(step) {}
  std::int64_t integer(const char* name) const { return step_.at(name).get<std::int64_t>(); }
  double number(const char* name) const { return step_.at(name).get<double>(); }
  bool flag(const char* name) const { return step_.at(name).get<bool>(); }
  Shape shape(const char* name) const { return shape_of(step_.at(name)); }
  /// A list of integers as an int64 tensor: flat, or of the shape given.
  Tensor indices(const char* name) const { return to_indices(step_.at(name)); }
  Tensor indices(const char* name, const Shape& shape) const;
  /// Entry i of the list that a parameter which belongs to an axis is.
  std::int64_t integer(const char* name, std::size_t i) const {
    return step_.at(name).at(i).get<std::int64_t>();
  }
  Tensor indices(const char* name, std::size_t i) const { return to_indices(step_.at(name).at(i)); }

  std::vector<std::pair<std::int64_t, std::int64_t>> pairs(const char* name) const { return step_.at(name); }

 private:
  static Tensor to_indices(const nlohmann::json& list);
  const nlohmann::json& step_;
};

using ExpressionOp = Tensor (*)(const Tensors& x, const Parameters& p);
const std::map<std::string, ExpressionOp>& expression_ops();

}  // namespace tsr::test
