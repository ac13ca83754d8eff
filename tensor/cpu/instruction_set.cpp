// Every target answers with its own name, and dispatch picks the one that answers.
#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/instruction_set.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/amx.h"
#include "tensor/cpu/highway.h"
#include "tensor/cpu/instruction_set.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
const char* target_name() { return hwy::TargetName(HWY_TARGET); }
}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {
HWY_EXPORT(target_name);
}
std::string instruction_set() {
  return std::string(HWY_DYNAMIC_DISPATCH(target_name)()) + (cpu::has_amx() ? ", AMX" : "");
}
}  // namespace tsr
#endif
