#include "cuda/emulator/tensor_core.h"

#include <array>

namespace tsr::emu {
namespace {

std::uint16_t element(const MatrixRow& row, int i) {
  return static_cast<std::uint16_t>(row.pair[i / 2] >> (i % 2 * 16));
}

/// Number `i` along k of one register: of two of 16 bits, or of one float read as tf32.
template <class T>
float value(std::uint32_t bits, int i) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<float>(bits & ~0x1fffu);  // sign, 8 bits of exponent, 10 of the fraction
  } else {
    T x;
    x.bits = static_cast<std::uint16_t>(bits >> (i * 16));
    return x;
  }
}

// One instruction's operands, put together from the lanes. [k][8] of B lies as a vector unit likes it.
template <class T>
struct Matrices {
  static constexpr int kDepth = kMmaDepth<T>, kEach = 4 / sizeof(T);  ///< kEach: elements a register
  using A = std::array<std::array<float, kDepth>, 16>;
  using B = std::array<std::array<float, 8>, kDepth>;
  using C = std::array<std::array<float, 8>, 16>;
};

template <class T>
void gather_a(MatrixProduct<T>* const* lanes, int number, typename Matrices<T>::A& a) {
  constexpr int kEach = Matrices<T>::kEach;
  for (int lane = 0; lane < 32; ++lane)
    for (int r = 0; r < 4; ++r)
      for (int i = 0; i < kEach; ++i)
        a[lane / 4 + r % 2 * 8][lane % 4 * kEach + r / 2 * 4 * kEach + i] =
            value<T>(lanes[lane]->a[number].reg[r], i);
}

template <class T>
void gather_b(MatrixProduct<T>* const* lanes, int number, typename Matrices<T>::B& b) {
  constexpr int kEach = Matrices<T>::kEach;
  for (int lane = 0; lane < 32; ++lane)
    for (int r = 0; r < 2; ++r)
      for (int i = 0; i < kEach; ++i)
        b[lane % 4 * kEach + r * 4 * kEach + i][lane / 4] = value<T>(lanes[lane]->b[number].reg[r], i);
}

template <class T>
void add_product(const typename Matrices<T>::A& a, const typename Matrices<T>::B& b,
                 typename Matrices<T>::C& c) {
  constexpr int kRows = 4;  // together: their sums don't wait for each other
  for (int row = 0; row < 16; row += kRows)
    for (int k = 0; k < Matrices<T>::kDepth; ++k)
      for (int i = row; i < row + kRows; ++i)
        for (int j = 0; j < 8; ++j) c[i][j] += a[i][k] * b[k][j];
}

}  // namespace

void check_matrix_row(const Site& site, const void* row) {
  if (!Block::current().shared().holds(row, sizeof(MatrixRow)))
    fail(site, "the lane's row is not shared memory");
  if (reinterpret_cast<std::uintptr_t>(row) % alignof(MatrixRow) != 0)
    fail(site, "the lane's row is not 16-byte aligned");
}

void exchange_rows(MatrixLoad* const* lanes, int count, int matrices, bool trans) {
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < count; ++i)
      for (int m = 0; m < matrices; ++m) {
        const auto row = [&](int number) -> const MatrixRow& { return lanes[m * 8 + number]->rows[i]; };
        const int own = lane / 4, two = lane % 4 * 2;
        lanes[lane]->registers[i * matrices + m] =
            trans ? element(row(two), own) | std::uint32_t{element(row(two + 1), own)} << 16
                  : row(own).pair[two / 2];
      }
}

template <class T>
void multiply(MatrixProduct<T>* const* lanes, int m, int n) {
  std::array<typename Matrices<T>::A, kMostFragments> a;
  for (int i = 0; i < m; ++i) gather_a(lanes, i, a[i]);
  for (int j = 0; j < n; ++j) {
    typename Matrices<T>::B b;
    gather_b(lanes, j, b);
    for (int i = 0; i < m; ++i) {
      typename Matrices<T>::C c;
      const auto each = [&](const auto& body) {
        for (int lane = 0; lane < 32; ++lane)
          for (int r = 0; r < 4; ++r)
            body(c[FragmentC::row(lane, r)][FragmentC::col(lane, r)], lanes[lane]->c[i * n + j].value[r]);
      };
      each([](float& to, float from) { to = from; });
      add_product<T>(a[i], b, c);
      each([](float from, float& to) { to = from; });
    }
  }
}

template void multiply(MatrixProduct<BFloat16>* const* lanes, int m, int n);
template void multiply(MatrixProduct<Float16>* const* lanes, int m, int n);
template void multiply(MatrixProduct<float>* const* lanes, int m, int n);

}  // namespace tsr::emu
