#pragma once
// Site: a place in a kernel's source, for messages; and the error that a kernel's mistake raises.

#include <source_location>

#include "tensor/error.h"

namespace tsr::emu {

struct Site {
  const char* call = "";  ///< the built-in: "__syncthreads"
  const char* file = "";
  unsigned line = 0, column = 0;

  Site() = default;
  Site(const char* call, const std::source_location& at)
      : call(call), file(at.file_name()), line(at.line()), column(at.column()) {}
  bool operator==(const Site& other) const {
    return call == other.call && line == other.line && column == other.column && file == other.file;
  }
};

/// "cuda/kernels/softmax.cu:41".
std::string describe(const Site& site);

/// Throws Error: the launch, the block and thread that run on this OS thread, the site, and what is wrong.
template <class... Parts>
[[noreturn]] void fail(const Site& site, const Parts&... parts);
[[noreturn]] void fail_with(const Site& site, const std::string& message);
template <class... Parts>
void fail(const Site& site, const Parts&... parts) {
  fail_with(site, text(parts...));
}

}  // namespace tsr::emu
