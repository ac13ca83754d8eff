#pragma once
// Site: a place in a kernel's source, for messages; and the error that a kernel's mistake raises.

#include <string>

#include "tensor/error.h"

namespace tsr::emu {

/// The place of a call, as a default argument. std::source_location does the same, but clang 14 has none.
struct Here {
  const char* file;
  unsigned line;
  static constexpr Here current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
    return {file, line};
  }
};

struct Site {
  const char* call = "";  ///< the built-in: "__syncthreads"
  const char* file = "";
  unsigned line = 0;
  int instructions = 1;    ///< of a GPU that a meeting there stands for
  bool one_place = false;  ///< lanes that meet there must all have come to this file and line

  Site() = default;
  Site(const char* call, const Here& at) : call(call), file(at.file), line(at.line) {}
  /// Of an instruction that PTX calls .aligned: the whole warp executes the same one.
  static Site of_warp(const char* call, const Here& at, int instructions = 1) {
    Site site(call, at);
    site.one_place = true;
    site.instructions = instructions;
    return site;
  }
  bool operator==(const Site& other) const {
    return call == other.call && file == other.file && line == other.line;
  }
};

/// "cuda/kernels/softmax.cu:41".
std::string describe(const Site& site);

/// Throws Error: the launch, the block and thread that run on this OS thread, the site, and what is wrong.
[[noreturn]] void fail_with(const Site& site, const std::string& message);
template <class... Parts>
[[noreturn]] void fail(const Site& site, const Parts&... parts) {
  fail_with(site, text(parts...));
}

}  // namespace tsr::emu
