#pragma once
// The door to cuDNN 9: a convolution's three passes, with the arguments that the library takes. On the
// emulator plain kernels stand in, behind the same checks (cuda/stand_in/dnn.cu).

#include <compare>
#include <cstdint>

#include "tensor/context.h"
#include "tensor/dtype.h"

namespace tsr::dnn {

/// cudnnSetTensor4dDescriptor: NHWC, dense.
struct Images {
  int n = 0, c = 0, h = 0, w = 0;
  auto operator<=>(const Images&) const = default;
};
/// cudnnSetFilter4dDescriptor: k filters of h x w x c, stored k, h, w, c.
struct Filters {
  int k = 0, c = 0, h = 0, w = 0;
  auto operator<=>(const Filters&) const = default;
};
/// cudnnConvolutionForward, …BackwardData and …BackwardFilter: which of the three is the result.
enum class Pass : std::uint8_t { y, x, filters };

/// What the descriptors say: a cross-correlation, all of one dtype (float32, bfloat16, float16), summed and
/// scaled in float32, without TF32.
struct Convolution {
  Pass result = Pass::y;
  DType dtype = DType::float32;
  Images x, y;
  Filters filters;
  int pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1, groups = 1;
  auto operator<=>(const Convolution&) const = default;
};

/// result = alpha·pass + beta·result, where x, filters and y are theirs or their gradients.
struct ConvolutionCall {
  Convolution convolution;
  void *x = nullptr, *filters = nullptr, *y = nullptr;
  float alpha = 1, beta = 0;
};

/// Throws Error for what cuDNN would refuse, or read or write in the wrong place: a size below 1, more than
/// 2³¹ - 1 elements, channels that the groups don't divide, a y of another size than the convolution's, a
/// null or misaligned pointer, a result that overlaps an operand.
void check(const ConvolutionCall& call);

}  // namespace tsr::dnn

namespace tsr::cuda {
/// By cuDNN, behind check(), with an algorithm that is deterministic; throws Error when it has none. Queued
/// on the current stream.
void convolve(Context& context, const dnn::ConvolutionCall& call);
}  // namespace tsr::cuda

namespace tsr::emu {
/// The same by plain loops, as one kernel a pass.
void convolve(Context& context, const dnn::ConvolutionCall& call);
}  // namespace tsr::emu
