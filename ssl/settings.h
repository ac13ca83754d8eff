#pragma once
// Settings: the configuration of a run. Whoever needs a value reads it by name with its default; what nobody
// reads is an error.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tsr {

/// Keys and values as text, from a file and from --set. Reading a key notes it and its effective value, so
/// that the whole configuration of a run can be written down, and an unknown key refused by name.
class Settings {
 public:
  /// Gives a key a value; later calls win. Throws InputError for text that is not key=value.
  void assign(std::string_view key_equals_value);
  void set(const std::string& key, std::string value) { given_[key] = std::move(value); }
  bool has(const std::string& key) const { return given_.contains(key); }
  /// Another default than the reader's own, for a key that isn't given; nobody has to read it.
  void set_default(const std::string& key, std::string value) { defaults_[key] = std::move(value); }

  // Each throws InputError naming key and value when the text is not of the type or (real, integer) outside
  // [low, high].
  double real(const std::string& key, double fallback, double low = -1e300, double high = 1e300);
  std::int64_t integer(const std::string& key, std::int64_t fallback, std::int64_t low = INT64_MIN,
                       std::int64_t high = INT64_MAX);
  bool flag(const std::string& key, bool fallback);
  /// One of `allowed` (any text when empty).
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& allowed = {});

  /// Throws InputError for the first given key that nobody read, naming the nearest that somebody did.
  void check_all_read() const;
  /// Every key read so far with its effective value, as text.
  const std::map<std::string, std::string>& effective() const { return effective_; }

 private:
  const std::string* find(const std::string& key);

  std::map<std::string, std::string> given_, defaults_;
  std::map<std::string, std::string> effective_;
};

}  // namespace tsr
