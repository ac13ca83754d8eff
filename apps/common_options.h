#pragma once
// Options that several sub-commands share.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace tsr {

/// "a, b, c": for the help of an option that takes a name.
inline std::string joined(const std::vector<std::string>& words, const char* separator = ", ") {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : separator) + word;
  return line;
}

/// --threads N, applied as soon as it is parsed.
inline void add_threads_option(CLI::App& command) {
  command
      .add_option_function<int>(
          "--threads",
          [](int count) {
            TSR_CHECK_INPUT(count >= 1 && count <= 1024, "--threads: ", count, ": must be 1 to 1024");
            set_thread_count(count);
          },
          "threads that compute (default: all that this process may use)")
      ->type_name("N");
}

}  // namespace tsr
