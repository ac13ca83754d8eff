#include "tensor/kernel.h"

#include <algorithm>

namespace tsr {
namespace {

std::vector<KernelSlot*>& slots() {
  static std::vector<KernelSlot*> list;
  return list;
}

}  // namespace

KernelSlot::KernelSlot(const char* name, bool widens) : name_(name), widens_(widens) {
  slots().push_back(this);
}

const std::vector<KernelSlot*>& KernelSlot::all() { return slots(); }

void KernelSlot::add(Device device, DType dtype, Erased function, const char* variant, Standing standing) {
  variants_.push_back({device, dtype, function, variant});
  Erased& entry = table_[index(device, dtype)];
  if (entry == nullptr && standing == Standing::standard) entry = function;
}

bool KernelSlot::has(Device device) const {
  return std::ranges::any_of(variants_, [&](const Variant& v) { return v.device == device; });
}

bool KernelSlot::has_variant(Device device, std::string_view variant) const {
  return std::ranges::any_of(variants_,
                             [&](const Variant& v) { return v.device == device && v.name == variant; });
}

void KernelSlot::choose(Device device, std::string_view variant) {
  bool found = false;
  for (const Variant& v : variants_) {
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
