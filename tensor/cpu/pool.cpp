// Pooling kernels. Both directions gather: a backward looks, from each input position, at the windows that
// cover it, so no two threads meet and the order of additions is fixed.
#include <algorithm>

#include "tensor/cpu/targets.h"
#include "tensor/kernels.h"
#include "tensor/parallel.h"
#include "tensor/pool_axes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/pool.cpp"
#include "hwy/foreach_target.h"
#include "tensor/cpu/highway.h"
// compiled per target and so follows highway.h
#include "tensor/cpu/lanes-inl.h"

#ifndef TESSERA_POOL_ROWS
#define TESSERA_POOL_ROWS
namespace tsr::cpu {
namespace {

/// Calls body(image, row) for `rows` rows of each image, in parallel.
template <class Body>
void for_image_rows(const PoolGeometry& g, std::int64_t rows, std::int64_t width, Body&& body) {
  constexpr std::int64_t kGrain = 1 << 13;  // elements a task: big enough to hide the hand-out
  const std::int64_t row = std::max<std::int64_t>(width * g.channels, 1);
  parallel_for(g.images * rows, std::max<std::int64_t>(kGrain / row, 1),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) body(i / rows, i % rows);
               });
}

}  // namespace
}  // namespace tsr::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace tsr::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// As many int32 positions as the vector of T has lanes.
template <class D>
using IndexTag = hn::Rebind<std::int32_t, D>;

/// How a vector of positions is held beside one of T: in doubles, which are exact, where T is double.
template <class D>
using PlaceTag = std::conditional_t<sizeof(hn::TFromD<D>) == 4, IndexTag<D>, D>;

/// Where the positions stored at `index` are `place`.
template <class D>
HWY_INLINE hn::Mask<D> is_place(D d, const std::int32_t* index, std::int64_t place) {
  const IndexTag<D> di;
  const auto stored = hn::LoadU(di, index);
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return hn::RebindMask(d, hn::Eq(stored, hn::Set(di, static_cast<std::int32_t>(place))));
  } else {
    return hn::Eq(hn::PromoteTo(d, stored), hn::Set(d, static_cast<double>(place)));
  }
}

/// The largest value of a window and its position, for the channels of one vector. NaN wins.
template <class T, class D>
HWY_INLINE void max_of_window(D d, const PoolGeometry& g, const T* x, std::int64_t image, Span rows,
                              Span columns, std::int64_t c, T* y, std::int32_t* index) {
  const PlaceTag<D> dp;
  using Place = hn::TFromD<PlaceTag<D>>;
  auto best = hn::LoadU(d, x + g.input(image, rows.begin, columns.begin) + c);
  auto place = hn::Set(dp, static_cast<Place>(rows.begin * g.w.in + columns.begin));
  for (std::int64_t ih = rows.begin; ih < rows.end; ih += rows.step) {
    for (std::int64_t iw = columns.begin; iw < columns.end; iw += columns.step) {
      const auto v = hn::LoadU(d, x + g.input(image, ih, iw) + c);
      const auto wins = hn::Or(hn::Gt(v, best), hn::IsNaN(v));
      best = hn::IfThenElse(wins, v, best);
      place =
          hn::IfThenElse(hn::RebindMask(dp, wins), hn::Set(dp, static_cast<Place>(ih * g.w.in + iw)), place);
    }
  }
  hn::StoreU(best, d, y + c);
  if constexpr (sizeof(T) == 4) {
    hn::StoreU(place, dp, index + c);
  } else {
    hn::StoreU(hn::DemoteTo(IndexTag<D>(), place), IndexTag<D>(), index + c);
  }
}

template <class T>
void max_forward_of(const PoolGeometry& g, const T* x, T* y, std::int32_t* index) {
  for_image_rows(g, g.h.out, g.w.out, [&](std::int64_t image, std::int64_t oh) HWY_ATTR {
    const Span rows = g.h.inputs(oh);
    for (std::int64_t ow = 0; ow < g.w.out; ++ow) {
      const Span columns = g.w.inputs(ow);
      const std::int64_t at = g.output(image, oh, ow);
      for_lanes<T>(g.channels, [&](auto d, std::int64_t c) HWY_ATTR {
        max_of_window(d, g, x, image, rows, columns, c, y + at, index + at);
      });
    }
  });
}

template <class T>
void max_backward_of(const PoolGeometry& g, const T* grad, const std::int32_t* index, T* grad_x) {
  for_image_rows(g, g.h.in, g.w.in, [&](std::int64_t image, std::int64_t ih) HWY_ATTR {
    const Span rows = g.h.windows(ih);
    for (std::int64_t iw = 0; iw < g.w.in; ++iw) {
      const Span columns = g.w.windows(iw);
      T* const target = grad_x + g.input(image, ih, iw);
      for_lanes<T>(g.channels, [&](auto d, std::int64_t c) HWY_ATTR {
        auto total = hn::Zero(d);
        for (std::int64_t oh = rows.begin; oh < rows.end; ++oh)
          for (std::int64_t ow = columns.begin; ow < columns.end; ++ow) {
            const std::int64_t at = g.output(image, oh, ow) + c;
            const auto won = is_place(d, index + at, ih * g.w.in + iw);
            total = hn::Add(total, hn::IfThenElseZero(won, hn::LoadU(d, grad + at)));
          }
        hn::StoreU(total, d, target + c);
      });
    }
  });
}

template <class T>
void average_forward_of(const PoolGeometry& g, const T* x, T* y) {
  for_image_rows(g, g.h.out, g.w.out, [&](std::int64_t image, std::int64_t oh) HWY_ATTR {
    const Span rows = g.h.inputs(oh);
    for (std::int64_t ow = 0; ow < g.w.out; ++ow) {
      const Span columns = g.w.inputs(ow);
      T* const target = y + g.output(image, oh, ow);
      const auto area = static_cast<T>(g.h.count(oh) * g.w.count(ow));
      for_lanes<T>(g.channels, [&](auto d, std::int64_t c) HWY_ATTR {
        auto total = hn::Zero(d);
        for (std::int64_t ih = rows.begin; ih < rows.end; ++ih)
          for (std::int64_t iw = columns.begin; iw < columns.end; ++iw)
            total = hn::Add(total, hn::LoadU(d, x + g.input(image, ih, iw) + c));
        hn::StoreU(hn::Div(total, hn::Set(d, area)), d, target + c);
      });
    }
  });
}

template <class T>
void average_backward_of(const PoolGeometry& g, const T* grad, T* grad_x) {
  for_image_rows(g, g.h.in, g.w.in, [&](std::int64_t image, std::int64_t ih) HWY_ATTR {
    const Span rows = g.h.windows(ih);
    for (std::int64_t iw = 0; iw < g.w.in; ++iw) {
      const Span columns = g.w.windows(iw);
      T* const target = grad_x + g.input(image, ih, iw);
      for_lanes<T>(g.channels, [&](auto d, std::int64_t c) HWY_ATTR {
        auto total = hn::Zero(d);
        for (std::int64_t oh = rows.begin; oh < rows.end; ++oh)
          for (std::int64_t ow = columns.begin; ow < columns.end; ++ow) {
            const auto area = hn::Set(d, static_cast<T>(g.h.count(oh) * g.w.count(ow)));
            total = hn::Add(total, hn::Div(hn::LoadU(d, grad + g.output(image, oh, ow) + c), area));
          }
        hn::StoreU(total, d, target + c);
      });
    }
  });
}

void max_forward(View x, View y, View index, const Pool2dParams& params, bool adaptive) {
  const PoolGeometry g(x, y, params, adaptive);
  with_real(x.dtype, [&](auto type) {
    using T = decltype(type);
    max_forward_of(g, x.as<T>(), y.as<T>(), index.as<std::int32_t>());
  });
}

void max_backward(View grad, View index, View grad_x, const Pool2dParams& params, bool adaptive) {
  const PoolGeometry g(grad_x, grad, params, adaptive);
  with_real(grad.dtype, [&](auto type) {
    using T = decltype(type);
    max_backward_of(g, grad.as<T>(), index.as<std::int32_t>(), grad_x.as<T>());
  });
}

void average_forward(View x, View y, const Pool2dParams& params, bool adaptive) {
  const PoolGeometry g(x, y, params, adaptive);
  with_real(x.dtype, [&](auto type) {
    using T = decltype(type);
    average_forward_of(g, x.as<T>(), y.as<T>());
  });
}

void average_backward(View grad, View grad_x, const Pool2dParams& params, bool adaptive) {
  const PoolGeometry g(grad_x, grad, params, adaptive);
  with_real(grad.dtype, [&](auto type) {
    using T = decltype(type);
    average_backward_of(g, grad.as<T>(), grad_x.as<T>());
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tsr::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tsr::cpu {
namespace {

HWY_EXPORT(max_forward);
HWY_EXPORT(max_backward);
HWY_EXPORT(average_forward);
HWY_EXPORT(average_backward);

const bool registered = [] {
  for (const DType dtype : {float32, float64}) {
    max_pool2d_fwd.add(Device::cpu, dtype,
                       [](Context&, View x, View y, View index, const Pool2dParams& p, bool adaptive) {
                         HWY_DYNAMIC_DISPATCH(max_forward)(x, y, index, p, adaptive);
                       });
    max_pool2d_bwd.add(
        Device::cpu, dtype,
        [](Context&, View grad, View index, View grad_x, const Pool2dParams& p, bool adaptive) {
          HWY_DYNAMIC_DISPATCH(max_backward)(grad, index, grad_x, p, adaptive);
        });
    avg_pool2d_fwd.add(Device::cpu, dtype,
                       [](Context&, View x, View y, const Pool2dParams& p, bool adaptive) {
                         HWY_DYNAMIC_DISPATCH(average_forward)(x, y, p, adaptive);
                       });
    avg_pool2d_bwd.add(Device::cpu, dtype,
                       [](Context&, View grad, View grad_x, const Pool2dParams& p, bool adaptive) {
                         HWY_DYNAMIC_DISPATCH(average_backward)(grad, grad_x, p, adaptive);
                       });
  }
  return true;
}();

}  // namespace
}  // namespace tsr::cpu
#endif
