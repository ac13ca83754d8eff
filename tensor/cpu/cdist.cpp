// Distances between all pairs of rows, by differences.
#include <cmath>
#include <limits>

#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/cdist.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// both keep a guard per target and so follow highway.h
#include "tensor/cpu/pieces-inl.h"
#include "tensor/cpu/reduce-inl.h"

#ifndef TESSERA_CDIST_PAIRS
#define TESSERA_CDIST_PAIRS
namespace tsr {
namespace {

/// The rows of a [batch, m, d] beside those of b [batch, n, d].
struct Pairs {
  std::int64_t batch, m, n, d;

  Pairs(const View& a, const View& b) : batch(a.size[0]), m(a.size[1]), n(b.size[1]), d(a.size[2]) {}

  /// Calls body(row of all a, its batch, first and last row of b), in parallel, for tiles that together cover
  /// all pairs.
  template <class Body>
  void for_tiles(Body&& body) const {
    constexpr std::int64_t kColumns = 256;
    const std::int64_t tiles = (n + kColumns - 1) / kColumns;
    run(batch * m * tiles, std::min(n, kColumns), [&](std::int64_t i) {
      const std::int64_t row = i / tiles, first = i % tiles * kColumns;
      body(row, row / m, first, std::min(n, first + kColumns));
    });
  }
  /// Calls body(row of all a, its batch), in parallel.
  template <class Body>
  void for_rows(Body&& body) const {
    run(batch * m, n, [&](std::int64_t row) { body(row, row / m); });
  }

 private:
  template <class Body>
  void run(std::int64_t count, std::int64_t columns, Body&& body) const {
    constexpr std::int64_t kWork = 1 << 15;  // differences that are worth a task
    const std::int64_t grain = std::max<std::int64_t>(1, kWork / std::max<std::int64_t>(1, columns * d));
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

// A metric: how differences add up, what a total means, and the derivative factor(grad, y)·slope(difference).
struct Manhattan {
  template <class D, class V>
  static HWY_INLINE V add(D, V total, V apart) {
    return hn::Add(total, hn::Abs(apart));
  }
  template <class D, class V>
  static HWY_INLINE double finish(D d, V total) {
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, total)));
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
  template <class D, class V>
  static HWY_INLINE V add(D, V total, V apart) {
    return hn::MulAdd(apart, apart, total);
  }
  template <class D, class V>
  static HWY_INLINE double finish(D d, V total) {
    return std::sqrt(static_cast<double>(hn::GetLane(hn::SumOfLanes(d, total))));
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
  static HWY_INLINE double finish(D d, V total) {
    using T = hn::TFromD<D>;
    HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
    hn::Store(total, d, lanes);
    T largest = lanes[0];
    for (std::size_t lane = 1; lane < hn::Lanes(d); ++lane) largest = MaxOf{}(largest, lanes[lane]);
    return static_cast<double>(largest);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V apart, hn::TFromD<D> y) {
    return hn::IfThenElseZero(hn::Eq(hn::Abs(apart), hn::Set(d, y)), Manhattan::slope(d, apart, y));
  }
};

/// Distances from row a to four rows of b, which share its loads.
template <class Metric, class T>
HWY_INLINE void four_distances(const T* a, const T* b, std::int64_t d, T* y) {
  const hn::ScalableTag<T> tag;
  auto s0 = hn::Zero(tag), s1 = s0, s2 = s0, s3 = s0;
  for_pieces<T>(d, [&](auto piece, std::int64_t i) HWY_ATTR {
    const auto from = piece.load(a + i);
    s0 = Metric::add(tag, s0, hn::Sub(from, piece.load(b + i)));
    s1 = Metric::add(tag, s1, hn::Sub(from, piece.load(b + d + i)));
    s2 = Metric::add(tag, s2, hn::Sub(from, piece.load(b + 2 * d + i)));
    s3 = Metric::add(tag, s3, hn::Sub(from, piece.load(b + 3 * d + i)));
  });
  y[0] = static_cast<T>(Metric::finish(tag, s0));
  y[1] = static_cast<T>(Metric::finish(tag, s1));
  y[2] = static_cast<T>(Metric::finish(tag, s2));
  y[3] = static_cast<T>(Metric::finish(tag, s3));
}

template <class Metric, class T>
HWY_INLINE T distance(const T* a, const T* b, std::int64_t d) {
  const hn::ScalableTag<T> tag;
  auto total = hn::Zero(tag);
  for_pieces<T>(d, [&](auto piece, std::int64_t i) HWY_ATTR {
    total = Metric::add(tag, total, hn::Sub(piece.load(a + i), piece.load(b + i)));
  });
  return static_cast<T>(Metric::finish(tag, total));
}

template <class Metric, class T>
void distances(const View& a, const View& b, const View& y) {
  const Pairs pairs(a, b);
  pairs.for_tiles([&](std::int64_t row, std::int64_t batch, std::int64_t first, std::int64_t last) HWY_ATTR {
    const T *from = a.as<T>() + row * pairs.d, *others = b.as<T>() + batch * pairs.n * pairs.d;
    T* to = y.as<T>() + row * pairs.n;
    std::int64_t j = first;
    for (; j + 4 <= last; j += 4) four_distances<Metric>(from, others + j * pairs.d, pairs.d, to + j);
    for (; j < last; ++j) to[j] = distance<Metric>(from, others + j * pairs.d, pairs.d);
  });
}

template <class Metric, class T>
void gradients(const View& grad, const View& a, const View& b, const View& y, const View& grad_a) {
  const Pairs pairs(a, b);
  pairs.for_rows([&](std::int64_t row, std::int64_t batch) HWY_ATTR {
    const std::int64_t i = row % pairs.m, d = pairs.d;
    const T *from = a.as<T>() + row * d, *others = b.as<T>() + batch * pairs.n * d;
    const T* slopes = grad.as<T>() + batch * grad.stride[0] + i * grad.stride[1];
    const T* lengths = y.as<T>() + batch * y.stride[0] + i * y.stride[1];
    T* to = grad_a.as<T>() + row * d;
    std::fill(to, to + d, T(0));
    for (std::int64_t j = 0; j < pairs.n; ++j) {
      const T length = lengths[j * y.stride[2]], factor = Metric::factor(slopes[j * grad.stride[2]], length);
      const T* other = others + j * d;
      for_pieces<T>(d, [&](auto piece, std::int64_t k) HWY_ATTR {
        const auto apart = hn::Sub(piece.load(from + k), piece.load(other + k));
        const auto slope = Metric::slope(piece.d, apart, length);
        piece.store(hn::MulAdd(hn::Set(piece.d, factor), slope, piece.load(to + k)), to + k);
      });
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
  const Pairs pairs(a, b);
  pairs.for_tiles([&](std::int64_t row, std::int64_t batch, std::int64_t first, std::int64_t last) {
    const T *from = a.as<T>() + row * pairs.d, *others = b.as<T>() + batch * pairs.n * pairs.d;
    for (std::int64_t j = first; j < last; ++j) {
      double total = 0;
      for (std::int64_t k = 0; k < pairs.d; ++k)
        total += std::pow(
            std::abs(static_cast<double>(from[k]) - static_cast<double>(others[j * pairs.d + k])), p);
      y.as<T>()[row * pairs.n + j] = static_cast<T>(std::pow(total, 1 / p));
    }
  });
}

template <class T>
void minkowski_bwd(const View& grad, const View& a, const View& b, const View& y, const View& grad_a,
                   double p) {
  const Pairs pairs(a, b);
  pairs.for_rows([&](std::int64_t row, std::int64_t batch) {
    const std::int64_t i = row % pairs.m;
    const T *from = a.as<T>() + row * pairs.d, *others = b.as<T>() + batch * pairs.n * pairs.d;
    const T* slopes = grad.as<T>() + batch * grad.stride[0] + i * grad.stride[1];
    const T* lengths = y.as<T>() + batch * y.stride[0] + i * y.stride[1];
    for (std::int64_t k = 0; k < pairs.d; ++k) {
      double total = 0;
      for (std::int64_t j = 0; j < pairs.n; ++j) {
        const auto length = static_cast<double>(lengths[j * y.stride[2]]);
        if (length == 0) continue;
        const double apart = static_cast<double>(from[k]) - static_cast<double>(others[j * pairs.d + k]);
        total += static_cast<double>(slopes[j * grad.stride[2]]) *
                 std::copysign(std::pow(std::abs(apart) / length, p - 1), apart);
      }
      grad_a.as<T>()[row * pairs.d + k] = static_cast<T>(total);
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
