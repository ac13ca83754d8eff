#include "nn/mismatch.h"

namespace tsr {
namespace {

constexpr std::size_t kShown = 3;

/// "; 5 tensors missing (a, b, c, …)"; nothing for no names.
std::string part(const std::vector<std::string>& names, const char* what) {
  if (names.empty()) return "";
  std::string list;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i)
    list.append(i == 0 ? "" : ", ").append(names[i]);
  return text("; ", names.size(), names.size() == 1 ? " tensor " : " tensors ", what, " (", list,
              names.size() > kShown ? ", …)" : ")");
}

}  // namespace

void Mismatch::add_misshapen(const std::string& name, const TensorInfo& file, const TensorInfo& model) {
  misshapen.push_back(text(name, " is ", file, ", the model's is ", model));
}

void Mismatch::check(const std::string& source) const {
  std::string parts = part(missing, "missing") + part(unexpected, "unknown to the model") +
                      part(misshapen, "of another shape or type");
  TSR_CHECK_INPUT(parts.empty(), source, ": doesn't fit the model", parts.replace(0, 1, ":"));
}

}  // namespace tsr
