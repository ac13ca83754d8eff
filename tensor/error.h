#pragma once
// The one exception type, the checks that throw it, and the text they carry.

#include <sstream>
#include <stdexcept>
#include <string>

namespace tsr {

/// What every misuse throws: the text names the op, the operands, the rule and the way out, on one line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Misuse from the command line: bad arguments or bad input files (exit code 2; any other failure is 1).
class InputError : public Error {
 public:
  using Error::Error;
};

/// A broken invariant of our own; never the caller's fault.
class Bug : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Concatenates anything printable: text("add: ", a.shape(), " and ", b.shape()).
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace tsr

/// TSR_CHECK(condition, parts...): throws Error with the parts concatenated when the caller broke a rule.
#define TSR_CHECK(condition, ...)                   \
  do {                                              \
    if (!(condition)) [[unlikely]]                  \
      throw ::tsr::Error(::tsr::text(__VA_ARGS__)); \
  } while (false)

/// TSR_CHECK for input that a user handed to a command: files, keys, values.
#define TSR_CHECK_INPUT(condition, ...)                  \
  do {                                                   \
    if (!(condition)) [[unlikely]]                       \
      throw ::tsr::InputError(::tsr::text(__VA_ARGS__)); \
  } while (false)

/// TSR_ASSERT(condition): an invariant of Tessera itself; its failure is our bug.
#define TSR_ASSERT(condition)                                                                           \
  do {                                                                                                  \
    if (!(condition)) [[unlikely]]                                                                      \
      throw ::tsr::Bug(::tsr::text("internal error (a bug in Tessera, please report it): ", #condition, \
                                   " at ", __FILE__, ":", __LINE__));                                   \
  } while (false)
