// Distances between all pairs of rows, by differences.
#include <cmath>
#include <limits>

#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/cdist.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// both keep a guard per target and so follow highway.h
#include "tensor/cpu/pieces-inl.h"
#include "tensor/cpu/reduce-inl.h"

#ifndef TESSERA_CDIST_PAIRS
#define TESSERA_CDIST_PAIRS
namespace tsr {
namespace {

constexpr std::int64_t kRows = 4;  ///< rows of a that share loads of b

/// The rows of a [batch, m, d], in blocks of `height`, beside those of b [batch, n, d].
struct Pairs {
  std::int64_t batch, m, n, d, height;

  Pairs(const View& a, const View& b, std::int64_t height)
      : batch(a.size[0]), m(a.size[1]), n(b.size[1]), d(a.size[2]), height(height) {}

  /// At most `height` rows of a, from `row` of all rows on, and the batch that they belong to.
  struct Block {
    std::int64_t batch, row, rows;
  };

  /// Calls body(block, first and last row of b), in parallel, for tiles that together cover all pairs.
  template <class Body>
  void for_tiles(Body&& body) const {
    constexpr std::int64_t kColumns = 256;
    const std::int64_t tiles = (n + kColumns - 1) / kColumns;
    run(blocks() * tiles, std::min(n, kColumns), [&](std::int64_t i) {
      const std::int64_t first = i % tiles * kColumns;
      body(block(i / tiles), first, std::min(n, first + kColumns));
    });
  }
  /// Calls body(block), in parallel.
  template <class Body>
  void for_blocks(Body&& body) const {
    run(blocks(), n, [&](std::int64_t i) { body(block(i)); });
  }

 private:
  std::int64_t blocks() const { return batch * ((m + height - 1) / height); }
  Block block(std::int64_t i) const {
    const std::int64_t a_batch = (m + height - 1) / height, first = i % a_batch * height;
    return {i / a_batch, i / a_batch * m + first, std::min(height, m - first)};
  }

  template <class Body>
  void run(std::int64_t count, std::int64_t columns, Body&& body) const {
    constexpr std::int64_t kWork = 1 << 15;  // differences that are worth a task
    const std::int64_t grain =
        std::max<std::int64_t>(1, kWork / std::max<std::int64_t>(1, height * columns * d));
    parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) body(i);
    });
  }
};

}  // namespace
}  // namespace tsr
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::HWY_NAMESPACE {
namespace {

// A metric: how differences add up, whether a total is a distance's square, and the derivative factor(grad,
// y)·slope(difference).
struct Manhattan {
  static constexpr bool kSquared = false;
  template <class D, class V>
  static HWY_INLINE V add(D, V total, V apart) {
    return hn::Add(total, hn::Abs(apart));
  }
  template <class D, class V>
  static HWY_INLINE hn::TFromD<D> finish(D d, V total) {
    return hn::GetLane(hn::SumOfLanes(d, total));
  }
  template <class T>
  static T factor(T grad, T) {
    return grad;
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V apart, hn::TFromD<D>) {
    return hn::IfThenZeroElse(hn::Eq(apart, hn::Zero(d)), hn::CopySign(hn::Set(d, 1), apart));
  }
};

struct Euclidean {
  static constexpr bool kSquared = true;
  template <class D, class V>
  static HWY_INLINE V add(D, V total, V apart) {
    return hn::MulAdd(apart, apart, total);
  }
  template <class D, class V>
  static HWY_INLINE hn::TFromD<D> finish(D d, V total) {
    return hn::GetLane(hn::SumOfLanes(d, total));
  }
  template <class T>
  static T factor(T grad, T y) {
    return y > 0 ? grad / y : T(0);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D, V apart, hn::TFromD<D>) {
    return apart;
  }
};

struct Chebyshev : Manhattan {
  template <class D, class V>
  static HWY_INLINE V add(D, V total, V apart) {
    return MaxOf{}(total, hn::Abs(apart));
  }
  template <class D, class V>
  static HWY_INLINE hn::TFromD<D> finish(D d, V total) {
    using T = hn::TFromD<D>;
    HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
    hn::Store(total, d, lanes);
    T largest = lanes[0];
    for (std::size_t lane = 1; lane < hn::Lanes(d); ++lane) largest = MaxOf{}(largest, lanes[lane]);
    return largest;
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V apart, hn::TFromD<D> y) {
    return hn::IfThenElseZero(hn::Eq(hn::Abs(apart), hn::Set(d, y)), Manhattan::slope(d, apart, y));
  }
};

/// Adds a piece's differences of kRows rows of a from two rows of b.
template <class Metric, class Piece, class T>
HWY_INLINE void add_apart(const Piece& piece, std::int64_t i, const T* const (&a)[kRows],
                          const T* const (&b)[2], Vector<T> (&total)[kRows][2]) {
  const auto first = piece.load(b[0] + i), second = piece.load(b[1] + i);
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < kRows; ++r) {
    const auto from = piece.load(a[r] + i);
    total[r][0] = Metric::add(piece.d, total[r][0], hn::Sub(from, first));
    total[r][1] = Metric::add(piece.d, total[r][1], hn::Sub(from, second));
  }
}

/// distance[r][c] between kRows rows of a and two of b.
template <class Metric, class T>
HWY_INLINE void tile_distances(const T* const (&a)[kRows], const T* const (&b)[2], std::int64_t d,
                               T (&distance)[kRows][2]) {
  const WholePiece<T> whole{};
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(whole.d));
  Vector<T> total[kRows][2];
#pragma GCC unroll 4
  for (auto& row : total) row[0] = row[1] = hn::Zero(whole.d);
  std::int64_t i = 0;
  for (; i + lanes <= d; i += lanes) add_apart<Metric>(whole, i, a, b, total);
  if (i < d) add_apart<Metric>(PartPiece<T>(d - i), i, a, b, total);
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < kRows; ++r)
    for (int c = 0; c < 2; ++c) distance[r][c] = Metric::finish(whole.d, total[r][c]);
}

template <class Metric, class T>
void distances(const View& a, const View& b, const View& y) {
  const Pairs pairs(a, b, kRows);
  pairs.for_tiles([&](const Pairs::Block& block, std::int64_t first, std::int64_t last) HWY_ATTR {
    const T* others = b.as<T>() + block.batch * pairs.n * pairs.d;
    // beyond the last row the last one stands in, and its distances are dropped
    const T* rows[kRows];
    for (std::int64_t r = 0; r < kRows; ++r)
      rows[r] = a.as<T>() + (block.row + std::min(r, block.rows - 1)) * pairs.d;
    T distance[kRows][2];
    for (std::int64_t j = first; j < last; j += 2) {
      const std::int64_t count = std::min<std::int64_t>(2, last - j);
      tile_distances<Metric>(rows, {others + j * pairs.d, others + (j + count - 1) * pairs.d}, pairs.d,
                             distance);
      for (std::int64_t r = 0; r < block.rows; ++r)
        std::copy(distance[r], distance[r] + count, y.as<T>() + (block.row + r) * pairs.n + j);
    }
    if constexpr (Metric::kSquared) {
      for (std::int64_t r = 0; r < block.rows; ++r) {
        T* to = y.as<T>() + (block.row + r) * pairs.n + first;
        for_pieces<T>(last - first, [&](auto piece, std::int64_t j)
                                        HWY_ATTR { piece.store(hn::Sqrt(piece.load(to + j)), to + j); });
      }
    }
  });
}

constexpr std::int64_t kHeight = 16, kColumns = 8;  // pairs whose slopes are gathered at once

/// What the gradient of a pair is multiplied with, and its distance.
template <class Metric, class T>
struct Slopes {
  T factor[kHeight][kColumns], length[kHeight][kColumns];

  /// Those of a block's rows and `count` rows of b. The axis along which memory is dense goes inside.
  void gather(const View& grad, const View& y, const Pairs::Block& block, std::int64_t row,
              std::int64_t column, std::int64_t count) {
    const T* slopes =
        grad.as<T>() + block.batch * grad.stride[0] + row * grad.stride[1] + column * grad.stride[2];
    const T* lengths = y.as<T>() + block.batch * y.stride[0] + row * y.stride[1] + column * y.stride[2];
    const auto pair = [&](std::int64_t r, std::int64_t c) {
      length[r][c] = lengths[r * y.stride[1] + c * y.stride[2]];
      factor[r][c] = Metric::factor(slopes[r * grad.stride[1] + c * grad.stride[2]], length[r][c]);
    };
    if (y.stride[1] < y.stride[2]) {
      for (std::int64_t c = 0; c < count; ++c)
        for (std::int64_t r = 0; r < block.rows; ++r) pair(r, c);
    } else {
      for (std::int64_t r = 0; r < block.rows; ++r)
        for (std::int64_t c = 0; c < count; ++c) pair(r, c);
    }
  }
};

/// Adds to a piece of the gradients of R rows of a what C rows of b give; the slopes start at (row, column).
template <class Metric, std::int64_t R, std::int64_t C, class Piece, class T>
HWY_INLINE void add_slopes(const Piece& piece, std::int64_t k, const T* a, const T* b, std::int64_t d,
                           const Slopes<Metric, T>& slopes, std::int64_t row, std::int64_t column, T* sum) {
  Vector<T> from[R], total[R];
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < R; ++r) {
    from[r] = piece.load(a + r * d + k);
    total[r] = piece.load(sum + r * d + k);
  }
#pragma GCC unroll 8
  for (std::int64_t j = 0; j < C; ++j) {
    const auto other = piece.load(b + j * d + k);
#pragma GCC unroll 4
    for (std::int64_t r = 0; r < R; ++r) {
      const auto slope = Metric::slope(piece.d, hn::Sub(from[r], other), slopes.length[row + r][column + j]);
      total[r] = hn::MulAdd(hn::Set(piece.d, slopes.factor[row + r][column + j]), slope, total[r]);
    }
  }
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < R; ++r) piece.store(total[r], sum + r * d + k);
}

template <class Metric, std::int64_t R, std::int64_t C, class T>
HWY_INLINE void add_rows(const T* a, const T* b, std::int64_t d, const Slopes<Metric, T>& slopes,
                         std::int64_t row, std::int64_t column, T* sum) {
  for_pieces<T>(d, [&](auto piece, std::int64_t k) HWY_ATTR {
    add_slopes<Metric, R, C>(piece, k, a + row * d, b + column * d, d, slopes, row, column, sum + row * d);
  });
}

template <class Metric, class T>
void gradients(const View& grad, const View& a, const View& b, const View& y, const View& grad_a) {
  const Pairs pairs(a, b, kHeight);
  const std::int64_t d = pairs.d;
  pairs.for_blocks([&](const Pairs::Block& block) HWY_ATTR {
    const T *from = a.as<T>() + block.row * d, *others = b.as<T>() + block.batch * pairs.n * d;
    T* to = grad_a.as<T>() + block.row * d;
    std::fill(to, to + block.rows * d, T(0));
    Slopes<Metric, T> slopes;
    for (std::int64_t j = 0; j < pairs.n; j += kColumns) {
      const std::int64_t count = std::min(kColumns, pairs.n - j);
      slopes.gather(grad, y, block, block.row - block.batch * pairs.m, j, count);
      const T* other = others + j * d;
      std::int64_t r = 0;
      for (; count == kColumns && r + kRows <= block.rows; r += kRows)
        add_rows<Metric, kRows, kColumns>(from, other, d, slopes, r, 0, to);
      for (; r < block.rows; ++r)
        for (std::int64_t c = 0; c < count; ++c) add_rows<Metric, 1, 1>(from, other, d, slopes, r, c, to);
    }
  });
}

template <class T>
void forward_of(const View& a, const View& b, const View& y, double p) {
  if (p == 2) return distances<Euclidean, T>(a, b, y);
  if (p == 1) return distances<Manhattan, T>(a, b, y);
  distances<Chebyshev, T>(a, b, y);
}

template <class T>
void backward_of(const View& grad, const View& a, const View& b, const View& y, const View& grad_a,
                 double p) {
  if (p == 2) return gradients<Euclidean, T>(grad, a, b, y, grad_a);
  if (p == 1) return gradients<Manhattan, T>(grad, a, b, y, grad_a);
  gradients<Chebyshev, T>(grad, a, b, y, grad_a);
}

void forward(View a, View b, View y, double p) {
  a.dtype == float32 ? forward_of<float>(a, b, y, p) : forward_of<double>(a, b, y, p);
}

void backward(View grad, View a, View b, View y, View grad_a, double p) {
  a.dtype == float32 ? backward_of<float>(grad, a, b, y, grad_a, p)
                     : backward_of<double>(grad, a, b, y, grad_a, p);
}

}  // namespace
}  // namespace tsr::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

bool has_vectors(double p) { return p == 1 || p == 2 || std::isinf(p); }

/// Any other p, a power at a time.
template <class T>
void minkowski(const View& a, const View& b, const View& y, double p) {
  const Pairs pairs(a, b, kRows);
  const std::int64_t d = pairs.d;
  pairs.for_tiles([&](const Pairs::Block& block, std::int64_t first, std::int64_t last) {
    for (std::int64_t row = block.row; row < block.row + block.rows; ++row) {
      for (std::int64_t j = first; j < last; ++j) {
        const T *from = a.as<T>() + row * d, *other = b.as<T>() + (block.batch * pairs.n + j) * d;
        double total = 0;
        for (std::int64_t k = 0; k < d; ++k)
          total += std::pow(std::abs(static_cast<double>(from[k]) - static_cast<double>(other[k])), p);
        y.as<T>()[row * pairs.n + j] = static_cast<T>(std::pow(total, 1 / p));
      }
    }
  });
}

template <class T>
void minkowski_bwd(const View& grad, const View& a, const View& b, const View& y, const View& grad_a,
                   double p) {
  const Pairs pairs(a, b, kRows);
  const std::int64_t d = pairs.d;
  const auto at = [](const View& x, std::int64_t batch, std::int64_t i, std::int64_t j) {
    return static_cast<double>(x.as<T>()[batch * x.stride[0] + i * x.stride[1] + j * x.stride[2]]);
  };
  pairs.for_blocks([&](const Pairs::Block& block) {
    for (std::int64_t row = block.row; row < block.row + block.rows; ++row) {
      const T *from = a.as<T>() + row * d, *others = b.as<T>() + block.batch * pairs.n * d;
      const std::int64_t i = row - block.batch * pairs.m;
      for (std::int64_t k = 0; k < d; ++k) {
        double total = 0;
        for (std::int64_t j = 0; j < pairs.n; ++j) {
          const double length = at(y, block.batch, i, j);
          if (length == 0) continue;
          const double apart = static_cast<double>(from[k]) - static_cast<double>(others[j * d + k]);
          total +=
              at(grad, block.batch, i, j) * std::copysign(std::pow(std::abs(apart) / length, p - 1), apart);
        }
        grad_a.as<T>()[row * d + k] = static_cast<T>(total);
      }
    }
  });
}

template <class T>
void cdist_cpu(Context&, View a, View b, View y, double p) {
  if (has_vectors(p)) {
    HWY_DYNAMIC_DISPATCH(forward)(a, b, y, p);
  } else {
    minkowski<T>(a, b, y, p);
  }
}

template <class T>
void cdist_bwd_cpu(Context&, View grad, View a, View b, View y, View grad_a, double p) {
  if (has_vectors(p)) {
    HWY_DYNAMIC_DISPATCH(backward)(grad, a, b, y, grad_a, p);
  } else {
    minkowski_bwd<T>(grad, a, b, y, grad_a, p);
  }
}

TSR_CPU_KERNEL(cdist_fwd, cdist_cpu, float, double);
TSR_CPU_KERNEL(cdist_bwd, cdist_bwd_cpu, float, double);

}  // namespace
}  // namespace tsr
#endif
