#pragma once
// NamedScope: names for parts of a forward pass, which anomaly messages and pictures of the graph show.

#include <memory>
#include <string>
#include <string_view>

namespace tsr {

/// `NamedScope scope("head");`: nodes made on this thread until the end of the scope are known to be of
/// "head"; inner scopes are joined by slashes, "encoder/layer1".
class NamedScope {
 public:
  explicit NamedScope(std::string_view name);
  ~NamedScope();
  NamedScope(const NamedScope&) = delete;
  NamedScope& operator=(const NamedScope&) = delete;

 private:
  std::shared_ptr<const std::string> previous_;
};

/// The names of the thread's open scopes, null outside of any.
const std::shared_ptr<const std::string>& current_scope();

}  // namespace tsr
