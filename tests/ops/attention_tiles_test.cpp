// attention in float32, which goes by a machine's tiles where it has some, against attention in float64,
// which never does. TESSERA_AMX=emulated runs it on tiles in plain C++.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <string>

#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/cpu/gemm_kernel.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

namespace tsr::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct TileCase {
  std::string name;
  std::int64_t heads, n, m, d;
  bool causal = false, biased = false, masked = false;
  double dropout = 0, spread = 1;
};

// Lengths on either side of strips, blocks and pieces; heads few enough for keys in several parts.
const TileCase kCases[] = {
    {"whole strips", 8, 128, 128, 64},
    {"ends of five", 8, 133, 197, 64},
    {"several blocks", 8, 96, 600, 96},
    {"several pieces", 2, 530, 130, 64},
    {"keys in parts", 1, 128, 1100, 72},
    {"causal", 8, 160, 160, 64, true},
    {"causal, and early queries see nothing", 8, 300, 140, 64, true},
    {"causal, in parts", 1, 520, 700, 64, true},
    {"bias", 2, 130, 290, 64, false, true},
    {"mask", 2, 130, 290, 64, false, false, true},
    {"dropout", 2, 150, 270, 64, false, false, false, 0.3},
    {"all at once", 2, 180, 270, 64, true, true, true, 0.2},
    {"scores of hundreds", 2, 128, 128, 64, false, false, false, 0, 12},
};

/// Of sample 0 every third key is hidden, of sample 1 all.
Tensor key_mask(std::int64_t m) {
  Tensor mask = zeros({2, m}, boolean);
  for (std::int64_t j = 0; j < m; ++j) mask.data<bool>()[j] = j % 3 != 0, mask.data<bool>()[m + j] = false;
  return mask;
}

/// Row 5 of each head hides all keys, and elsewhere every seventh.
Tensor bias_of(const TileCase& c, Generator& generator) {
  Tensor bias = normal({2, c.heads, c.n, c.m}, generator, 0, 1, float64);
  double* x = bias.data<double>();
  for (std::int64_t i = 0; i < bias.numel(); ++i)
    if (i / c.m % c.n == 5 || i % 7 == 0) x[i] = -kInfinity;
  return bias;
}

/// What a case gives in one type: y, and the gradients.
Tensors results(const TileCase& c, DType dtype) {
  Generator generator(7);
  Tensors x;
  for (const std::int64_t rows : {c.n, c.m, c.m})
    x.push_back(normal({2, c.heads, rows, c.d}, generator, 0, c.spread, float64));
  const Tensor upstream = normal({2, c.heads, c.n, c.d}, generator, 0, 1, float64);
  if (c.biased) x.push_back(bias_of(c, generator));
  for (Tensor& each : x) each = each.to(dtype), each.requires_grad_();
  Generator drops(3);
  const Tensor y = attention(x[0], x[1], x[2],
                             {.causal = c.causal,
                              .bias = c.biased ? x[3] : Tensor(),
                              .key_mask = c.masked ? key_mask(c.m) : Tensor(),
                              .dropout = c.dropout,
                              .generator = &drops});
  Tensors result = grad(y, x, upstream.to(dtype));
  result.insert(result.begin(), y.detach());
  return result;
}

/// The largest difference in units of the largest element; infinite where only one is a number.
double difference(const Tensor& got, const Tensor& want) {
  const Tensor a = got.to(float64).clone(), b = want.clone();
  double most = 0, largest = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    if (std::isnan(x) != std::isnan(y)) return kInfinity;
    if (std::isnan(x)) continue;
    most = std::max(most, std::abs(x - y)), largest = std::max(largest, std::abs(y));
  }
  return largest == 0 ? most : most / largest;
}

bool wants_emulation() {
  const char* wanted = std::getenv("TESSERA_AMX");
  return wanted != nullptr && std::strcmp(wanted, "emulated") == 0;
}

}  // namespace

TEST_CASE("attention on tiles equals attention in float64") {
  if (wants_emulation()) REQUIRE(cpu::tile_kernels<float>(128, 128, 64).form != nullptr);
  for (const TileCase& c : kCases) {
    CAPTURE(c.name);
    const Tensors got = results(c, float32), want = results(c, float64);
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK(difference(got[i], want[i]) < (c.spread > 1 ? 1e-4 : 4e-6));
    }
  }
}

TEST_CASE("attention on tiles gives the same bits however many heads a task has") {
  const int threads = thread_count();
  for (const TileCase& c : kCases) {
    if (c.heads < 8) continue;
    CAPTURE(c.name);
    set_thread_count(1);  // five heads a task
    const Tensors together = results(c, float32);
    set_thread_count(16);  // one
    const Tensors alone = results(c, float32);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      const Tensor a = together[i].clone(), b = alone[i].clone();
      CHECK(std::memcmp(a.data<float>(), b.data<float>(), a.numel() * sizeof(float)) == 0);
    }
  }
  set_thread_count(threads);
}

TEST_CASE("attention on tiles keeps what is no number to the queries that it reaches") {
  Generator generator(7);
  Tensors x;
  for (int i = 0; i < 3; ++i) x.push_back(normal({1, 2, 160, 64}, generator, 0, 1, float64));
  x[0].data<double>()[3 * 64 + 5] = kInfinity;                                         // query 3 of head 0
  x[1].data<double>()[(160 + 9) * 64 + 1] = std::numeric_limits<double>::quiet_NaN();  // key 9 of head 1
  const Tensor want = attention(x[0], x[1], x[2]),
               got = attention(x[0].to(float32), x[1].to(float32), x[2].to(float32));
  CHECK(difference(got, want) < 4e-6);
  CHECK(std::isnan(got.data<float>()[3 * 64]));
  CHECK(!std::isnan(got.data<float>()[4 * 64]));
}

}  // namespace tsr::test
