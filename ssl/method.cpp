#include "ssl/method.h"

#include "nn/schedule.h"
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

double Clock::cosine(double from, double to) const {
  return CosineSchedule{.base = from, .total = total_steps, .end = to}(step);
}

RegisterMethod::RegisterMethod(MethodInfo info) { methods().add(std::move(info)); }

std::vector<std::string> method_names() { return methods().names(); }

const MethodInfo& find_method(std::string_view name) { return methods().find(name); }

void apply_defaults(const MethodInfo& info, std::string_view arch, Settings& settings) {
  if (info.defaults == nullptr) return;
  for (auto& [key, value] : info.defaults(arch)) settings.set_default(key, std::move(value));
}

ViewPlan view_plan(const MethodInfo& info, Settings& settings) {
  constexpr int kMostLocal = 64;
  const std::int64_t local = info.multi_crop ? settings.integer("local_crops", 8, 0, kMostLocal) : 0;
  return {.global = info.views, .local = static_cast<int>(local)};
}

std::unique_ptr<Method> make_method(const MethodInfo& info, std::unique_ptr<Encoder> encoder,
                                    Settings& settings, std::uint64_t seed) {
  auto method = info.make(std::move(encoder), settings);
  method->draws = Draws(info.draws, Generator(seed).fork(kDrawStream));
  return method;
}

}  // namespace tsr
