#pragma once
// The one exception type, the checks that throw it, and the text they carry.

#include <cstdint>
#include <initializer_list>
#include <ostream>
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

/// Something printable, wherever it is, for the length of a call.
class Printable {
 public:
  template <class T>
  Printable(const T& value)
      : value_(&value), print_([](std::ostream& out, const void* p) { out << *static_cast<const T*>(p); }) {}
  Printable(const char* words)
      : value_(words), print_([](std::ostream& out, const void* p) { out << static_cast<const char*>(p); }) {}
  friend std::ostream& operator<<(std::ostream& out, const Printable& x) {
    x.print_(out, x.value_);
    return out;
  }

 private:
  const void* value_;
  void (*print_)(std::ostream&, const void*);
};
std::string concatenated(std::initializer_list<Printable> parts);

/// A number that text() writes as 0x1f.
struct Hex {
  std::uint64_t value;
};
std::ostream& operator<<(std::ostream& out, Hex number);

/// Concatenates anything printable: text("add: ", a.shape(), " and ", b.shape()).
template <class... Parts>
std::string text(const Parts&... parts) {
  return concatenated({Printable(parts)...});
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
