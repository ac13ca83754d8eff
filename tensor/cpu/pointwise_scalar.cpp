// Pointwise kernels that work an element at a time: the C library's functions, and arithmetic of integers.
#include <cmath>
#include <type_traits>

#include "tensor/cpu/pointwise.h"

namespace tsr {
namespace {

template <class T, class F>
void each(const View& x, const View& y, F f) {
  unary_rows<T, T>(x, y, [f](const T* from, std::int64_t count, T* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = f(from[i]);
  });
}
template <class T, class F>
void each_pair(const View& a, const View& b, const View& y, F f) {
  binary_rows<T, T>(a, b, y, [f](const T* p, const T* q, std::int64_t count, T* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = f(p[i], q[i]);
  });
}

template <class T>
void pow_cpu(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return std::pow(p, q); });
}
template <class T>
void atan2_cpu(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return std::atan2(p, q); });
}
template <class T>
void fmod_cpu(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return std::fmod(p, q); });
}
template <class T>
void remainder_cpu(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) {
    const T rest = std::fmod(p, q);
    return rest != 0 && (rest < 0) != (q < 0) ? rest + q : rest;
  });
}
/// The exponents that occur everywhere cost what they should.
template <class T>
void pow_scalar_cpu(Context&, View x, View y, double exponent) {
  const T power = static_cast<T>(exponent);
  if (exponent == 2) return each<T>(x, y, [](T v) { return v * v; });
  if (exponent == 3) return each<T>(x, y, [](T v) { return v * v * v; });
  if (exponent == -1) return each<T>(x, y, [](T v) { return 1 / v; });
  each<T>(x, y, [=](T v) { return std::pow(v, power); });
}

// Integers wrap around, as two's complement does; unsigned arithmetic says so to the compiler.
template <class T>
using Unsigned = std::make_unsigned_t<T>;

template <class T>
void add_integers(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return static_cast<T>(Unsigned<T>(p) + Unsigned<T>(q)); });
}
template <class T>
void sub_integers(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return static_cast<T>(Unsigned<T>(p) - Unsigned<T>(q)); });
}
template <class T>
void mul_integers(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return static_cast<T>(Unsigned<T>(p) * Unsigned<T>(q)); });
}
template <class T>
void maximum_integers(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return p > q ? p : q; });
}
template <class T>
void minimum_integers(Context&, View a, View b, View y) {
  each_pair<T>(a, b, y, [](T p, T q) { return p < q ? p : q; });
}
template <class T>
void neg_integers(Context&, View x, View y) {
  each<T>(x, y, [](T v) { return static_cast<T>(-Unsigned<T>(v)); });
}
template <class T>
void abs_integers(Context&, View x, View y) {
  each<T>(x, y, [](T v) { return v < 0 ? static_cast<T>(-Unsigned<T>(v)) : v; });
}
template <class T>
void sign_integers(Context&, View x, View y) {
  each<T>(x, y, [](T v) { return static_cast<T>((v > 0) - (v < 0)); });
}

TSR_CPU_KERNEL(pow_fwd, pow_cpu, float, double);
TSR_CPU_KERNEL(atan2_fwd, atan2_cpu, float, double);
TSR_CPU_KERNEL(fmod_fwd, fmod_cpu, float, double);
TSR_CPU_KERNEL(remainder_fwd, remainder_cpu, float, double);
TSR_CPU_KERNEL(pow_scalar_fwd, pow_scalar_cpu, float, double);
TSR_CPU_KERNEL(add_fwd, add_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(sub_fwd, sub_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(mul_fwd, mul_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(maximum_fwd, maximum_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(minimum_fwd, minimum_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(neg_fwd, neg_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(abs_fwd, abs_integers, std::int64_t, std::int32_t);
TSR_CPU_KERNEL(sign_fwd, sign_integers, std::int64_t, std::int32_t);

}  // namespace
}  // namespace tsr
