#pragma once
// The name of a kernel, from its address alone.

#include <string_view>

namespace tsr {

/// "tsr::emu::{anonymous}::softmax_kernel<float>".
template <auto kernel>
constexpr std::string_view kernel_name() {
  constexpr std::string_view all = __PRETTY_FUNCTION__;  // "... [with auto kernel = NAME; ...]"
  constexpr std::size_t begin = all.find("kernel = ") + 9;
  return all.substr(begin, all.find_first_of(";]", begin) - begin);
}

}  // namespace tsr
