#include "ssl/method.h"

#include "tensor/registry.h"

namespace tsr {
namespace {

// The stream of a run's seed that methods draw from; data/augment.h and data/loader.cpp have the others.
constexpr std::uint64_t kDrawStream = ~std::uint64_t{1};

Registry<MethodInfo>& methods() {
  static Registry<MethodInfo> list("method");
  return list;
}

}  // namespace

RegisterMethod::RegisterMethod(MethodInfo info) { methods().add(std::move(info)); }

std::vector<std::string> method_names() { return methods().names(); }

const MethodInfo& find_method(std::string_view name) { return methods().find(name); }

std::unique_ptr<Method> make_method(const MethodInfo& info, std::unique_ptr<Encoder> encoder,
                                    Settings& settings, std::uint64_t seed) {
  auto method = info.make(std::move(encoder), settings);
  method->draws = Draws(info.draws, Generator(seed).fork(kDrawStream));
  return method;
}

}  // namespace tsr
