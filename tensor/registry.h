#pragma once
// Registry: a list of named things that registration objects fill before main() begins.

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/suggest.h"

namespace tsr {

/// Entries with a field `name`. A list lives in a function of one .cpp, so that the library and whoever links
/// to it share it; addresses of entries stay.
template <class Info>
class Registry {
 public:
  /// `kind` is what an entry is, for messages: "method".
  explicit Registry(const char* kind) : kind_(kind) {}

  void add(Info info) {
    std::string name = info.name;
    entries_.emplace(std::move(name), std::move(info));
  }

  /// Throws InputError naming the nearest name when there is none of that name, Error when there are two.
  const Info& find(std::string_view name) const {
    const auto [first, last] = entries_.equal_range(name);
    if (first == last) throw InputError(text(kind_, " '", name, "': unknown; ", did_you_mean(name, names())));
    TSR_CHECK(std::next(first) == last, kind_, " '", name, "': registered twice; give one another name");
    return first->second;
  }

  /// Sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, info] : entries_)
      if (result.empty() || result.back() != name) result.push_back(name);
    return result;
  }

 private:
  const char* kind_;
  std::multimap<std::string, Info, std::less<>> entries_;
};

}  // namespace tsr
