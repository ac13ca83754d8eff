#include "cuda/dnn.h"

#include <array>
#include <limits>

#include "cuda/operand_check.h"

namespace tsr::dnn {
namespace {

constexpr const char* kWhere = "cudnn: convolution";

std::int64_t count(const char* name, const std::array<int, 4>& sizes) {
  std::int64_t elements = 1;
  for (const int size : sizes) {
    TSR_CHECK(size > 0, kWhere, ": ", name, " has a size of ", size, "; all must be at least 1");
    elements *= size;
    TSR_CHECK(elements <= std::numeric_limits<int>::max(), kWhere, ": ", name,
              " has more than 2^31 - 1 elements; take a smaller batch, or handwritten kernels");
  }
  return elements;
}

/// cudnnGetConvolution2dForwardOutputDim.
int outputs(int in, int kernel, int pad, int stride, int dilation) {
  return (in + 2 * pad - (dilation * (kernel - 1) + 1)) / stride + 1;
}

void check_geometry(const Convolution& c) {
  TSR_CHECK(c.pad_h >= 0 && c.pad_w >= 0 && c.stride_h > 0 && c.stride_w > 0 && c.dilation_h > 0 &&
                c.dilation_w > 0,
            kWhere, ": padding ", c.pad_h, "x", c.pad_w, ", stride ", c.stride_h, "x", c.stride_w,
            ", dilation ", c.dilation_h, "x", c.dilation_w, "; padding at least 0, the others at least 1");
  TSR_CHECK(c.groups > 0 && c.filters.k % c.groups == 0 && c.x.c == c.filters.c * c.groups, kWhere, ": ",
            c.groups, " groups of ", c.x.c, " channels into ", c.filters.k, " by filters of ", c.filters.c);
  const int h = outputs(c.x.h, c.filters.h, c.pad_h, c.stride_h, c.dilation_h),
            w = outputs(c.x.w, c.filters.w, c.pad_w, c.stride_w, c.dilation_w);
  TSR_CHECK(c.y == (Images{.n = c.x.n, .c = c.filters.k, .h = h, .w = w}), kWhere, ": y is n ", c.y.n, ", c ",
            c.y.c, ", h ", c.y.h, ", w ", c.y.w, "; the convolution makes ", c.x.n, ", ", c.filters.k, ", ",
            h, ", ", w);
}

}  // namespace

void check(const ConvolutionCall& call) {
  const Convolution& c = call.convolution;
  check_door_dtype(kWhere, c.dtype);
  const Extent x{"x", call.x, count("x", {c.x.n, c.x.h, c.x.w, c.x.c})},
      y{"y", call.y, count("y", {c.y.n, c.y.h, c.y.w, c.y.c})},
      filters{"filters", call.filters,
              count("filters", {c.filters.k, c.filters.h, c.filters.w, c.filters.c})};
  check_geometry(c);
  for (const Extent* extent : {&x, &y, &filters}) check_extent(kWhere, *extent, c.dtype);
  const Extent& result = c.result == Pass::y ? y : c.result == Pass::x ? x : filters;
  for (const Extent* extent : {&x, &y, &filters})
    if (extent != &result) check_apart(kWhere, result, *extent, c.dtype);
}

}  // namespace tsr::dnn
