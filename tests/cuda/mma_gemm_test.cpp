// The matrix products of the tensor cores (cuda/mma_gemm.h) and of the CUDA cores (cuda/sgemm.h) by
// themselves: both tiles of each, every order of the operands in memory, edges, batches and portions, with
// whole numbers, whose sums are exact.
#include <array>
#include <doctest/doctest.h>
#include <set>
#include <vector>

#define TSR_BACKEND emu
#include "cuda/mma_gemm.h"
#include "cuda/sgemm.h"

namespace tsr::emu {
namespace {

/// Numbers of an operand, one matrix behind the other.
template <class T>
struct Given {
  using Element = T;
  const T* data;
  std::int64_t batch_step, step, depth_step;
  bool along_depth, chunks;
  Matrix<T> of(std::int64_t batch) const { return {data + batch * batch_step, step, depth_step}; }
};
struct Sums {
  using Element = float;
  float* c;
  std::int64_t batch, m, n;
  bool pairs;
  float* at(std::int64_t matrix, std::int64_t split, std::int64_t row, std::int64_t col) const {
    return c + ((split * batch + matrix) * m + row) * n + col;
  }
  float finish(std::int64_t, std::int64_t, std::int64_t, float sum) const { return sum; }
};

enum class Order { depth, places };  ///< along which neighbours are neighbours in memory

/// [batch][places][depth], or transposed, whose rows are `pitch` elements.
template <class T>
struct Operand {
  std::int64_t places, depth;
  Order order;
  std::int64_t pitch;
  std::vector<T> values;

  Operand(std::int64_t batch, std::int64_t places, std::int64_t depth, Order order, bool aligned, int seed)
      : places(places), depth(depth), order(order) {
    constexpr std::int64_t kEach = 16 / sizeof(T);
    pitch = ((order == Order::depth ? depth : places) + kEach - 1) / kEach * kEach + (aligned ? 0 : 1);
    values.resize(batch * pitch * (order == Order::depth ? places : depth));
    std::uint32_t state = seed;
    for (T& value : values) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<T>(static_cast<float>(static_cast<int>(state >> 24) % 17 - 8));
    }
  }
  Given<T> given() const {
    const std::int64_t rows = order == Order::depth ? places : depth;
    return {values.data(),
            rows * pitch,
            order == Order::depth ? pitch : 1,
            order == Order::depth ? 1 : pitch,
            order == Order::depth,
            pitch % static_cast<std::int64_t>(16 / sizeof(T)) == 0};
  }
  float value(std::int64_t batch, std::int64_t place, std::int64_t k) const {
    return *given().of(batch).line(place)(k);
  }
};

template <class Tile>
constexpr bool is_sgemm = false;
template <int groups>
constexpr bool is_sgemm<SgemmTile<groups>> = true;

template <class Tile, class... Arguments>
void launch_product(const Arguments&... arguments) {
  if constexpr (is_sgemm<Tile>) {
    launch_sgemm<Tile>(arguments...);
  } else {
    launch_mma_gemm<Tile>(arguments...);
  }
}

template <class Tile, class T>
void check_product(const GemmShape& shape, const Operand<T>& a, const Operand<T>& b, bool pairs) {
  std::vector<float> c(shape.splits * shape.batch * shape.m * shape.n, -1);
  launch_product<Tile>(shape, a.given(), b.given(), Sums{c.data(), shape.batch, shape.m, shape.n, pairs});
  std::int64_t wrong = 0;
  for (std::int64_t split = 0; split < shape.splits; ++split)
    for (std::int64_t batch = 0; batch < shape.batch; ++batch)
      for (std::int64_t i = 0; i < shape.m; ++i)
        for (std::int64_t j = 0; j < shape.n; ++j) {
          const std::int64_t begin = split * shape.portion;
          const std::int64_t end = split + 1 == shape.splits ? shape.k : begin + shape.portion;
          float sum = 0;
          for (std::int64_t k = begin; k < end; ++k) sum += a.value(batch, i, k) * b.value(batch, j, k);
          wrong += c[((split * shape.batch + batch) * shape.m + i) * shape.n + j] != sum;
        }
  CHECK(wrong == 0);
}

struct Orders {
  Order a, b;
  bool aligned;
  const char* kernel;  ///< whether the operands are transposed, as its name tells
};
const Orders kOrders[] = {{Order::depth, Order::depth, true, "false, false"},
                          {Order::depth, Order::places, true, "false, true"},
                          {Order::places, Order::depth, true, "true, false"},
                          {Order::places, Order::places, true, "true, true"},
                          {Order::depth, Order::places, false, "false, false"},
                          {Order::places, Order::depth, false, "false, false"}};

template <class Tile, class T>
void check_orders() {
  const GemmShape shape{.batch = 1, .m = 133, .n = 150, .k = 81};
  for (const Orders& orders : kOrders) {
    CAPTURE(orders.kernel);
    CAPTURE(orders.aligned);
    const std::string kernel = sizeof(T) == 2 ? orders.kernel : "false, false";
    const std::size_t before = launch_count(kernel);
    check_product<Tile, T>(shape, {1, shape.m, shape.k, orders.a, orders.aligned, 1},
                           {1, shape.n, shape.k, orders.b, orders.aligned, 2}, orders.aligned);
    CHECK(launch_count(kernel) == before + 1);
  }
}

TEST_CASE_TEMPLATE("operands of any order in memory, beyond the edges of a tile and of a stage", T, BFloat16,
                   Float16, float) {
  check_orders<LargeMmaTile, T>();
  check_orders<SmallMmaTile, T>();
}

TEST_CASE(
    "the CUDA cores' product of operands of any order in memory, beyond the edges of tiles and slices") {
  const GemmShape shape{.batch = 1, .m = 133, .n = 150, .k = 81};
  for (const Order a : {Order::depth, Order::places})
    for (const Order b : {Order::depth, Order::places}) {
      for (const bool aligned : {false, true}) {
        const Operand<float> left(1, shape.m, shape.k, a, aligned, 1),
            right(1, shape.n, shape.k, b, aligned, 2);
        check_product<SgemmTile<1>>(shape, left, right, false);
        check_product<SgemmTile<2>>(shape, left, right, false);
      }
    }
}

template <class Tile, class T>
void check_edges() {
  const auto check = [](const GemmShape& shape, bool pairs) {
    check_product<Tile, T>(shape, {shape.batch, shape.m, shape.k, Order::depth, true, 3},
                           {shape.batch, shape.n, shape.k, Order::places, true, 4}, pairs);
  };
  check({.batch = 1, .m = 1, .n = 1, .k = 1}, false);
  check({.batch = 1, .m = 3, .n = 2, .k = 0}, true);
  check({.batch = 2, .m = 0, .n = 2, .k = 5}, true);
  check({.batch = 1, .m = 17, .n = 9, .k = 999}, false);
  check({.batch = 3, .m = 65, .n = 66, .k = 32}, true);
  check({.batch = 2, .m = 20, .n = 31, .k = 150, .splits = 3, .portion = 64}, false);
}

TEST_CASE("small, empty and deep products, batches and portions") {
  check_edges<SmallMmaTile, BFloat16>();
  check_edges<SgemmTile<1>, float>();
  check_edges<SgemmTile<2>, float>();
}

template <class T, class Tile>
std::vector<float> product_of_fractions(Tile) {
  const GemmShape shape{.batch = 1, .m = 130, .n = 70, .k = 100};
  std::vector<T> a(shape.m * 104), b(shape.n * 104);
  std::uint32_t state = 1;
  for (std::vector<T>* values : {&a, &b})
    for (T& value : *values) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<float>(static_cast<int>(state)) * 0x1p-31f;
    }
  std::vector<float> c(shape.m * shape.n);
  launch_product<Tile>(shape, Given<T>{a.data(), 0, 104, 1, true, true},
                       Given<T>{b.data(), 0, 104, 1, true, true}, Sums{c.data(), 1, shape.m, shape.n, true});
  return c;
}

TEST_CASE("both tiles give the same bits") {
  CHECK(product_of_fractions<BFloat16>(LargeMmaTile{}) == product_of_fractions<BFloat16>(SmallMmaTile{}));
  CHECK(product_of_fractions<float>(SgemmTile<2>{}) == product_of_fractions<float>(SgemmTile<1>{}));
}

using Addresses = std::array<const std::byte*, 8>;

/// Eight accesses of 16 bytes that a GPU serves at once touch each of the 32 banks once.
bool without_conflict(const Addresses& eight) {
  std::set<std::size_t> banks;
  for (const std::byte* p : eight) banks.insert(reinterpret_cast<std::uintptr_t>(p) / 16 % 8);
  return banks.size() == 8;
}

template <class T, int places, bool trans>
void check_banks() {
  using Stage = StagedOperand<T, places, trans>;
  alignas(128) static std::byte bytes[Stage::kBytes];
  const Stage stage{bytes};
  std::set<const std::byte*> all;
  const auto address = [&](int row, int chunk) {
    return reinterpret_cast<const std::byte*>(stage.at(row, chunk));
  };
  for (int row = 0; row < Stage::kRows; row += 8)  // ldmatrix
    for (int chunk = 0; chunk < Stage::kChunks; ++chunk) {
      Addresses eight;
      for (int i = 0; i < 8; ++i) eight.at(i) = address(row + i, chunk);
      CHECK(without_conflict(eight));
      all.insert(eight.begin(), eight.end());
    }
  for (int i = 0; i < Stage::kRows * Stage::kChunks; i += 8) {  // eight neighbours that fill it
    Addresses eight;
    for (int j = 0; j < 8; ++j) eight.at(j) = address((i + j) / Stage::kChunks, (i + j) % Stage::kChunks);
    CHECK(without_conflict(eight));
  }
  CHECK(all.size() * 16 == Stage::kBytes);  // and each chunk has a place of its own
  for (const std::byte* p : all) CHECK((p >= bytes && p < bytes + Stage::kBytes));
}

TEST_CASE("neither ldmatrix nor the copies meet bank conflicts") {
  check_banks<BFloat16, 128, false>();
  check_banks<BFloat16, 64, false>();
  check_banks<BFloat16, 128, true>();
  check_banks<BFloat16, 64, true>();
  check_banks<float, 128, false>();
  check_banks<float, 64, false>();
}

}  // namespace
}  // namespace tsr::emu
