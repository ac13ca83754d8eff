#pragma once
// Kernels from a functor on numbers: y = f(x…), element by element, operands broadcasting. Dense operands are
// read and written four elements at a time.

#include <array>
#include <utility>

#include "cuda/elements.h"
#include "cuda/numeric.h"

namespace tsr::TSR_BACKEND {

template <class T>
__device__ inline Pack<T> pack_at(const T* x, std::int64_t index) {
  return reinterpret_cast<const Pack<T>*>(x)[index];
}

/// The elements of several views that broadcast to the last.
template <int kViews>
struct PointwiseShape {
  StridedLoop<kViews> loop;
  std::int64_t count;
  bool packed;  ///< dense, and aligned for packs of elements

  explicit PointwiseShape(const std::array<const View*, kViews>& views)
      : loop(views), count(loop.count()), packed(loop.rank == 1) {
    for (int v = 0; v < kViews; ++v) {
      const std::size_t alignment = pack_alignment(static_cast<std::size_t>(size_of(views[v]->dtype)));
      packed = packed && loop.stride[0][v] == 1 &&
               reinterpret_cast<std::uintptr_t>(views[v]->data) % alignment == 0;
    }
  }
  std::int64_t threads() const { return packed ? (count + kPack - 1) / kPack : count; }
};

template <class Shape, class F, std::size_t... I, class Out, class... In>
__device__ inline void pointwise_element(const Shape& shape, const F& f, std::int64_t i,
                                         std::index_sequence<I...>, Out* y, const In*... x) {
  const auto offset = shape.loop.offsets(i, shape.loop.rank - 1);
  y[offset[sizeof...(In)]] = narrow<Out>(f(widen(x[offset[I]])...));
}

template <class Shape, class F, class Out, class... In>
__device__ inline void pointwise_pack(const Shape& shape, const F& f, std::int64_t i, Out* y,
                                      const In*... x) {
  if ((i + 1) * kPack <= shape.count) {
    Pack<Out> result;
    const auto compute = [&](const Pack<In>... operand) {  // by value: loaded as a whole
      for (int k = 0; k < kPack; ++k) result.value[k] = narrow<Out>(f(widen(operand.value[k])...));
    };
    compute(pack_at(x, i)...);
    reinterpret_cast<Pack<Out>*>(y)[i] = result;
    return;
  }
  for (std::int64_t k = i * kPack; k < shape.count; ++k) y[k] = narrow<Out>(f(widen(x[k])...));
}

template <class F, class Out, class... In>
__global__ void pointwise_kernel(std::int64_t threads, PointwiseShape<sizeof...(In) + 1> shape, F f, Out* y,
                                 const In*... x) {
  const std::int64_t i = element_index();
  if (i >= threads) return;
  if (shape.packed) {
    pointwise_pack(shape, f, i, y, x...);
  } else {
    pointwise_element(shape, f, i, std::make_index_sequence<sizeof...(In)>(), y, x...);
  }
}

/// y = f(x…): f takes and returns what the element types are computed in (Compute).
template <class Out, class... In, class F, class... Views>
void pointwise(const F& f, const View& y, const Views&... x) {
  static_assert(sizeof...(In) == sizeof...(Views));
  const PointwiseShape<sizeof...(In) + 1> shape({&x..., &y});
  launch_elements<pointwise_kernel<F, Out, In...>>(shape.threads(), shape, f, y.as<Out>(),
                                                   static_cast<const In*>(x.template as<In>())...);
}

/// The slots' functions that a functor makes.
template <class F>
struct Pointwise1 {
  template <class T>
  static void run(Context&, View x, View y) {
    pointwise<T, T>(F{}, y, x);
  }
  template <class T>
  static void with_number(Context&, View x, View y, double number) {
    pointwise<T, T>(F{static_cast<Compute<T>>(number)}, y, x);
  }
};
template <class F>
struct Pointwise2 {
  template <class T>
  static void run(Context&, View a, View b, View y) {
    pointwise<T, T, T>(F{}, y, a, b);
  }
  template <class T>
  static void compare(Context&, View a, View b, View y) {
    pointwise<bool, T, T>(F{}, y, a, b);
  }
};

}  // namespace tsr::TSR_BACKEND

/// A functor of one number x, and its registration for the floating types.
#define TSR_DEVICE_UNARY(name, ...)      \
  struct name##_of {                     \
    template <class T>                   \
    __device__ T operator()(T x) const { \
      __VA_ARGS__                        \
    }                                    \
  };                                     \
  TSR_DEVICE_KERNEL(name, Pointwise1<name##_of>::run, float, BFloat16, Float16)
/// Of two numbers a and b; further types may follow in registrations of their own.
#define TSR_DEVICE_BINARY(name, ...)          \
  struct name##_of {                          \
    template <class T>                        \
    __device__ T operator()(T a, T b) const { \
      __VA_ARGS__                             \
    }                                         \
  };                                          \
  TSR_DEVICE_KERNEL(name, Pointwise2<name##_of>::run, float, BFloat16, Float16)
