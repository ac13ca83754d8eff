#include "autograd/scope.h"

namespace tsr {
namespace {

thread_local std::shared_ptr<const std::string> path;

}  // namespace

NamedScope::NamedScope(std::string_view name) : previous_(path) {
  path = std::make_shared<const std::string>((path == nullptr ? "" : *path + '/') + std::string(name));
}
NamedScope::~NamedScope() { path = std::move(previous_); }

const std::shared_ptr<const std::string>& current_scope() { return path; }

}  // namespace tsr
