#include "bench/peak.h"

namespace tsr::bench {
namespace {

using Four [[gnu::vector_size(16)]] = float;
using Eight [[gnu::vector_size(32)]] = float;
using Sixteen [[gnu::vector_size(64)]] = float;

/// As many vectors as keep the units busy while each waits for its last result, and as leave two registers.
constexpr int kChains = 12;

template <class Vector>
[[gnu::always_inline]] inline double run(std::int64_t rounds) {
  volatile float given = 0.999F;  // volatile: the compiler must not know what comes out
  Vector sum[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) sum[i] = Vector{} + static_cast<float>(i);
  const Vector factor = Vector{} + given, term = Vector{} + (1 - given);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sum[i] = sum[i] * factor + term;
  }
  for (const Vector& v : sum) given = v[0];
  return 2.0 * sizeof(Vector) / sizeof(float) * kChains * static_cast<double>(rounds);
}

#ifdef __x86_64__
[[gnu::target("avx512f,fma")]] double run_avx512(std::int64_t rounds) { return run<Sixteen>(rounds); }
[[gnu::target("avx2,fma")]] double run_avx2(std::int64_t rounds) { return run<Eight>(rounds); }
#endif

}  // namespace

double multiply_add(std::int64_t rounds) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f")) return run_avx512(rounds);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return run_avx2(rounds);
#endif
  return run<Four>(rounds);
}

}  // namespace tsr::bench
