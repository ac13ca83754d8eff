#pragma once
// A scalar functor as a CPU kernel: all that a pointwise op outside the tree needs, without Highway. The loop
// is plain and left to the compiler's vectoriser (-O3; a functor that calls sqrt also wants -fno-math-errno).

#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tensor/kernel.h"
#include "tensor/strided.h"

namespace tsr {

template <class Functor, class Slot>
struct ScalarLoop;

/// For a slot void(Context&, View x₀, …, View y): y = Functor()(x₀, …) element by element, the inputs (any
/// strides) broadcasting to y's shape. `Functor` is a struct whose `T operator()(T…) const` is a template.
template <class Functor, class... Rest>
struct ScalarLoop<Functor, Kernel<void(Context&, View, Rest...)>> {
  static_assert(((std::is_same_v<Rest, View> || std::is_same_v<Rest, Out>)&&...),
                "the slot must take views alone, the output last");
  static constexpr int kInputs = sizeof...(Rest);

  template <class T>
  static void run(Context&, View first, std::conditional_t<true, View, Rest>... rest) {
    apply<T>({first, rest...}, std::make_index_sequence<kInputs>());
  }

 private:
  using Views = std::array<View, kInputs + 1>;

  template <class T, std::size_t... I>
  static void apply(const Views& views, std::index_sequence<I...>) {
    const std::array<T*, kInputs + 1> data{views[I].template as<T>()..., views[kInputs].template as<T>()};
    using Offsets = std::array<std::int64_t, kInputs + 1>;
    for_each_row<kInputs + 1>({&views[I]..., &views[kInputs]},
                              [&](const Offsets& offset, const Offsets& stride, std::int64_t count) {
                                if (((stride[I] == 1) && ...) && stride[kInputs] == 1) {
                                  dense_row<T>(count, data[kInputs] + offset[kInputs],
                                               (data[I] + offset[I])...);
                                  return;
                                }
                                for (std::int64_t i = 0; i < count; ++i)
                                  data[kInputs][offset[kInputs] + i * stride[kInputs]] =
                                      Functor()(static_cast<T>(data[I][offset[I] + i * stride[I]])...);
                              });
  }

  /// A loop that vectorises: nothing but pointers that don't overlap.
  template <class T, class... Pointers>
  static void dense_row(std::int64_t count, T* __restrict y, const Pointers*... x) {
    for (std::int64_t i = 0; i < count; ++i) y[i] = Functor()(x[i]...);
  }
};

template <class Functor, class Slot>
struct ScalarLoop<Functor, Pointwise<Slot>> : ScalarLoop<Functor, Slot> {};

}  // namespace tsr

/// TSR_SCALAR_KERNEL(slot, Functor): one line that registers Functor for float32 and float64 on the CPU.
#define TSR_SCALAR_KERNEL(slot, Functor)                                              \
  static const ::tsr::Register<float, double> TSR_JOIN(register_##slot##_, __LINE__)( \
      slot, ::tsr::Device::cpu,                                                       \
      [](auto type) { return &::tsr::ScalarLoop<Functor, decltype(slot)>::template run<decltype(type)>; })
