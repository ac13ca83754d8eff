#pragma once
// Views beside one of low precision that may be of its type or of float32: a norm's statistics and
// parameters, lengths and losses.

#include "cuda/numeric.h"

namespace tsr::TSR_BACKEND {

/// Elements to read as floats; no data when the view is absent.
template <class T>
struct MixedIn {
  const void* data;
  bool wide;

  explicit MixedIn(const View& view) : data(view.data), wide(is_wide(view)) {}
  static bool is_wide(const View& view) {
    TSR_ASSERT(view.dtype == float32 || view.dtype == dtype_of<T>);
    return view.dtype == float32;
  }
  __device__ bool present() const { return data != nullptr; }
  __device__ float operator[](std::int64_t i) const {
    return wide ? static_cast<const float*>(data)[i] : widen(static_cast<const T*>(data)[i]);
  }
};

/// Elements to write.
template <class T>
struct MixedOut {
  void* data;
  bool wide;

  explicit MixedOut(const View& view) : data(view.data), wide(MixedIn<T>::is_wide(view)) {}
  __device__ void set(std::int64_t i, float value) const {
    if (wide) {
      static_cast<float*>(data)[i] = value;
    } else {
      static_cast<T*>(data)[i] = narrow<T>(value);
    }
  }
};

}  // namespace tsr::TSR_BACKEND
