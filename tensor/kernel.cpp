#include "tensor/kernel.h"

#include <algorithm>
#include <span>
#include <unordered_map>

namespace tsr {
namespace {

struct Variant {
  Device device;
  DType dtype;
  void (*function)();
  const char* name;
};

/// Who is registered, filled before main.
struct Registry {
  std::vector<KernelSlot*> slots;
  std::unordered_map<const KernelSlot*, std::vector<Variant>> variants;

  std::vector<Variant>& enter(KernelSlot* slot) {
    const auto [entry, fresh] = variants.try_emplace(slot);
    if (fresh) slots.push_back(slot);
    return entry->second;
  }
  std::span<const Variant> of(const KernelSlot* slot) const {
    const auto found = variants.find(slot);
    return found == variants.end() ? std::span<const Variant>() : found->second;
  }
};
Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

KernelSlot::KernelSlot(const char* name, bool widens) : name_(name), widens_(widens) {
  registry().enter(this);
}

const std::vector<KernelSlot*>& KernelSlot::all() { return registry().slots; }

void KernelSlot::add(Device device, DType dtype, Erased function, const char* variant, Standing standing) {
  registry().enter(this).push_back({device, dtype, function, variant});
  Erased& entry = table_[index(device, dtype)];
  if (entry == nullptr && standing == Standing::standard) entry = function;
}

bool KernelSlot::has(Device device) const {
  return std::ranges::any_of(registry().of(this), [&](const Variant& v) { return v.device == device; });
}

bool KernelSlot::has_variant(Device device, std::string_view variant) const {
  return std::ranges::any_of(registry().of(this),
                             [&](const Variant& v) { return v.device == device && v.name == variant; });
}

void KernelSlot::choose(Device device, std::string_view variant) {
  bool found = false;
  for (const Variant& v : registry().of(this)) {
    if (v.device != device || v.name != variant) continue;
    table_[index(device, v.dtype)] = v.function;
    found = true;
  }
  TSR_CHECK(found, name_, ": no variant '", variant, "' on ", device);
}

void choose_variant(Device device, std::string_view variant) {
  bool found = false;
  for (KernelSlot* slot : KernelSlot::all()) {
    if (!slot->has_variant(device, variant)) continue;
    slot->choose(device, variant);
    found = true;
  }
  TSR_CHECK(found, "no kernel has a variant '", variant, "' on ", device);
}

std::string KernelSlot::available() const {
  std::string result;
  for (int d = 0; d < kDeviceCount; ++d) {
    const auto device = static_cast<Device>(d);
    if (!has(device)) continue;
    result += text(result.empty() ? "" : "; ", device);
    const char* separator = " ";
    for (int t = 0; t < kDTypeCount; ++t) {
      if (!has(device, static_cast<DType>(t))) continue;
      result += text(separator, static_cast<DType>(t));
      separator = ", ";
    }
  }
  return result.empty() ? "none" : result;
}

void KernelSlot::fail_missing(Device device, DType dtype) const {
  throw Error(text(name_, ": no ", device, " kernel for ", dtype, " (has: ", available(), ")"));
}

}  // namespace tsr
