#pragma once
// Mismatch: what doesn't fit between a model and a file, told on one line.

#include <string>
#include <vector>

#include "tensor/source.h"

namespace tsr {

struct Mismatch {
  std::vector<std::string> missing;     ///< in the model, not in the file
  std::vector<std::string> unexpected;  ///< in the file, not in the model
  std::vector<std::string> misshapen;   ///< with both descriptions

  /// Notes an entry of both sides whose descriptions differ.
  void add_misshapen(const std::string& name, const TensorInfo& file, const TensorInfo& model);
  bool empty() const { return missing.empty() && unexpected.empty() && misshapen.empty(); }
  /// Throws InputError unless empty: "SOURCE: doesn't fit the model: 2 tensors missing (a, b); …", with the
  /// first names of each kind.
  void check(const std::string& source) const;
};

}  // namespace tsr
