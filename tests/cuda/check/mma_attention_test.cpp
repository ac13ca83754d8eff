// What attention's kernels on the tensor cores ask of shared memory, and that they use the tensor cores.
#include <doctest/doctest.h>
#include <string>

#define TSR_BACKEND emu
#include "cuda/check/profile.h"
#include "cuda/mma_attention_backward.h"
#include "tests/cuda/check/on_device.h"

namespace tsr::emu {
namespace {

using check::KernelProfile;
using check::Kind;
using check::Meeting;
using check::Memory;

/// One head of n queries and n keys, and room for what comes of it.
template <class T>
struct OneHead {
  std::int64_t n, d;
  DeviceBytes q, k, v, y, grad, statistics;

  OneHead(std::int64_t n, std::int64_t d)
      : n(n),
        d(d),
        q(n * d * 2),
        k(n * d * 2),
        v(n * d * 2),
        y(n * d * 2),
        grad(n * d * 2),
        statistics(n * 3 * sizeof(float)) {}
  View rows(const DeviceBytes& x) const {
    return {x.as<void>(), dtype_of<T>, 4, {1, 1, n, d}, {n * d, n * d, d, 1}};
  }
  View statistic(int which) const {
    return {statistics.as<float>() + which * n, float32, 3, {1, 1, n}, {n, n, 1}};
  }
  AttentionOperands<T> operands() const {
    return {AttentionRules<T>(rows(q), rows(k), {}, {}, {}), HeadRows<const T>(rows(q)),
            HeadRows<const T>(rows(k)), HeadRows<const T>(rows(v))};
  }
  AttentionQueries<T> queries() const {
    return {HeadRows<const T>(rows(grad)), MixedIn<T>(statistic(0)), MixedIn<T>(statistic(1)),
            statistics.as<float>() + 2 * n};
  }
  HeadRows<T> out(const DeviceBytes& x) const { return HeadRows<T>(rows(x)); }
};

template <class Tiles, auto kernel, class... Arguments>
KernelProfile profile_of_tiles(std::int64_t rows, const Arguments&... arguments) {
  check::begin_profile();
  const std::string finding = finding_of<kernel>({.grid = {HeadTile::blocks(1, rows, Tiles::kOwn)},
                                                  .block = {Tiles::kThreads},
                                                  .shared_bytes = Tiles::kBytes},
                                                 arguments...);
  const auto profiles = check::end_profile();
  REQUIRE(finding == "");
  REQUIRE(profiles.size() == 1);
  return profiles.front();
}

/// Every request of shared memory takes as few cycles as its bytes allow; `products` of rows with rows.
template <class Tiles>
void check_profile(const KernelProfile& profile, std::int64_t n, int products) {
  for (const Kind kind : {Kind::read, Kind::write}) {
    const check::Traffic traffic = profile.total(Memory::shared, kind);
    CHECK(traffic.requests > 0);
    CHECK(traffic.transactions == traffic.ideal);
  }
  const std::int64_t own = (n + Tiles::kOwn - 1) / Tiles::kOwn * Tiles::kOwn,
                     other = (n + Tiles::kOther - 1) / Tiles::kOther * Tiles::kOther;
  CHECK(profile.total(Meeting::tensor_core) == products * own * other * Tiles::kColumns / (16 * 8 * 16));
}

template <class T, int columns>
void check_kernels(std::int64_t n, std::int64_t d) {
  CAPTURE(d);
  const OneHead<T> head(n, d);
  using Forward = ForwardTiles<T, columns>;
  check_profile<Forward>(profile_of_tiles<Forward, mma_attention_kernel<Forward, T>>(
                             n, head.operands(), head.out(head.y), MixedOut<T>(head.statistic(0)),
                             MixedOut<T>(head.statistic(1))),
                         n, 2);
  using Backward = BackwardTiles<T, columns>;
  T* const no_bias = nullptr;
  check_profile<Backward>(profile_of_tiles<Backward, mma_attention_bwd_queries_kernel<Backward, T>>(
                              n, head.operands(), head.queries(), head.out(head.y), no_bias),
                          n, 3);
  const DeviceBytes grad_v(n * d * 2);
  check_profile<Backward>(profile_of_tiles<Backward, mma_attention_bwd_keys_kernel<Backward, T>>(
                              n, head.operands(), head.queries(), head.out(head.y), head.out(grad_v)),
                          n, 4);
}

TEST_CASE("attention on tensor cores has no bank conflicts, for heads of every size") {
  check_kernels<BFloat16, 32>(130, 32);
  check_kernels<Float16, 64>(130, 64);
  check_kernels<BFloat16, 96>(70, 96);
  check_kernels<Float16, 128>(70, 128);
  check_kernels<BFloat16, 128>(70, 104);
}

}  // namespace
}  // namespace tsr::emu
