#include "tensor/cpu/convert.h"

#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/convert.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/convert-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {

void widen_bfloat16(const BFloat16* from, std::int64_t count, float* to) { copy_run(from, count, to); }
void widen_float16(const Float16* from, std::int64_t count, float* to) { copy_run(from, count, to); }
void round_bfloat16(const float* from, std::int64_t count, BFloat16* to) { round_run(from, count, to); }
void round_float16(const float* from, std::int64_t count, Float16* to) { round_run(from, count, to); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {

HWY_EXPORT(widen_bfloat16);
HWY_EXPORT(widen_float16);
HWY_EXPORT(round_bfloat16);
HWY_EXPORT(round_float16);

void widen(const BFloat16* from, std::int64_t count, float* to) {
  HWY_DYNAMIC_DISPATCH(widen_bfloat16)(from, count, to);
}
void widen(const Float16* from, std::int64_t count, float* to) {
  HWY_DYNAMIC_DISPATCH(widen_float16)(from, count, to);
}
void round(const float* from, std::int64_t count, BFloat16* to) {
  HWY_DYNAMIC_DISPATCH(round_bfloat16)(from, count, to);
}
void round(const float* from, std::int64_t count, Float16* to) {
  HWY_DYNAMIC_DISPATCH(round_float16)(from, count, to);
}

}  // namespace tsr::cpu
#endif
