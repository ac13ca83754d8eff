// cuDNN's side of its door.

#include "cuda/dnn.h"

#include <algorithm>
#include <array>
#include <cudnn.h>
#include <map>
#include <memory>

#include "cuda/runtime/check.h"
#include "cuda/runtime/stream.h"
#include "tensor/error.h"

namespace tsr::cuda {
namespace {

using dnn::Convolution;
using dnn::ConvolutionCall;
using dnn::Pass;

void check_dnn(cudnnStatus_t status, const char* call) {
  TSR_CHECK(status == CUDNN_STATUS_SUCCESS, "cuda: ", call, ": ", cudnnGetErrorString(status));
}

/// A handle an OS thread. Never destroyed: that would wait for the device at a thread's end.
cudnnHandle_t dnn_handle() {
  thread_local const cudnnHandle_t handle = [] {
    cudnnHandle_t fresh = nullptr;
    check_dnn(cudnnCreate(&fresh), "cudnnCreate");
    return fresh;
  }();
  check_dnn(cudnnSetStream(handle, current_stream().handle()), "cudnnSetStream");
  return handle;
}

template <class Descriptor, auto create, auto destroy>
class Owned {
 public:
  Owned() { check_dnn(create(&descriptor_), "cudnnCreate…Descriptor"); }
  ~Owned() { destroy(descriptor_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  operator Descriptor() const { return descriptor_; }

 private:
  Descriptor descriptor_ = nullptr;
};

/// cuDNN's descriptors of a convolution.
struct Descriptors {
  Owned<cudnnTensorDescriptor_t, &cudnnCreateTensorDescriptor, &cudnnDestroyTensorDescriptor> x, y;
  Owned<cudnnFilterDescriptor_t, &cudnnCreateFilterDescriptor, &cudnnDestroyFilterDescriptor> filters;
  Owned<cudnnConvolutionDescriptor_t, &cudnnCreateConvolutionDescriptor, &cudnnDestroyConvolutionDescriptor>
      convolution;

  explicit Descriptors(const Convolution& c) {
    const cudnnDataType_t type = c.dtype == DType::bfloat16  ? CUDNN_DATA_BFLOAT16
                                 : c.dtype == DType::float16 ? CUDNN_DATA_HALF
                                                             : CUDNN_DATA_FLOAT;
    set(x, type, c.x);
    set(y, type, c.y);
    check_dnn(cudnnSetFilter4dDescriptor(filters, type, CUDNN_TENSOR_NHWC, c.filters.k, c.filters.c,
                                         c.filters.h, c.filters.w),
              "cudnnSetFilter4dDescriptor");
    check_dnn(
        cudnnSetConvolution2dDescriptor(convolution, c.pad_h, c.pad_w, c.stride_h, c.stride_w, c.dilation_h,
                                        c.dilation_w, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
        "cudnnSetConvolution2dDescriptor");
    check_dnn(cudnnSetConvolutionGroupCount(convolution, c.groups), "cudnnSetConvolutionGroupCount");
    set_math(c.dtype == DType::float32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH);
  }
  void set_math(cudnnMathType_t math) const {
    check_dnn(cudnnSetConvolutionMathType(convolution, math), "cudnnSetConvolutionMathType");
  }

 private:
  static void set(cudnnTensorDescriptor_t descriptor, cudnnDataType_t type, const dnn::Images& images) {
    check_dnn(cudnnSetTensor4dDescriptor(descriptor, CUDNN_TENSOR_NHWC, type, images.n, images.c, images.h,
                                         images.w),
              "cudnnSetTensor4dDescriptor");
  }
};

/// An algorithm of one of the passes: cuDNN numbers them for each pass.
struct Algorithm {
  int number = 0;
  std::size_t workspace = 0;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
};

/// The first of cuDNN's suggestions, best first, that always gives the same bits.
template <class Suggestion, class Get>
Algorithm first_deterministic(const Convolution& c, const char* call, const Get& get) {
  std::array<Suggestion, 16> suggestions;
  int found = 0;
  check_dnn(get(static_cast<int>(suggestions.size()), &found, suggestions.data()), call);
  const auto end = suggestions.begin() + found;
  const auto best = std::find_if(suggestions.begin(), end, [](const Suggestion& s) {
    return s.status == CUDNN_STATUS_SUCCESS && s.determinism == CUDNN_DETERMINISTIC;
  });
  TSR_CHECK(best != end, "cuda: ", call, ": no deterministic algorithm for x ", c.x.n, "x", c.x.h, "x", c.x.w,
            "x", c.x.c, ", filters ", c.filters.k, "x", c.filters.h, "x", c.filters.w, "x", c.filters.c,
            " in ", c.groups, " groups of ", c.dtype, "; take handwritten kernels");
  // what a suggestion says of float32's mathematics may allow TF32
  return {best->algo, best->memory, c.dtype == DType::float32 ? CUDNN_FMA_MATH : best->mathType};
}

Algorithm find_algorithm(const Convolution& c, const Descriptors& d) {
  const cudnnHandle_t handle = dnn_handle();
  switch (c.result) {
    case Pass::y:
      return first_deterministic<cudnnConvolutionFwdAlgoPerf_t>(
          c, "cudnnGetConvolutionForwardAlgorithm_v7", [&](int most, int* found, auto* suggestions) {
            return cudnnGetConvolutionForwardAlgorithm_v7(handle, d.x, d.filters, d.convolution, d.y, most,
                                                          found, suggestions);
          });
    case Pass::x:
      return first_deterministic<cudnnConvolutionBwdDataAlgoPerf_t>(
          c, "cudnnGetConvolutionBackwardDataAlgorithm_v7", [&](int most, int* found, auto* suggestions) {
            return cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, d.filters, d.y, d.convolution, d.x,
                                                               most, found, suggestions);
          });
    default:
      return first_deterministic<cudnnConvolutionBwdFilterAlgoPerf_t>(
          c, "cudnnGetConvolutionBackwardFilterAlgorithm_v7", [&](int most, int* found, auto* suggestions) {
            return cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, d.x, d.y, d.convolution, d.filters,
                                                                 most, found, suggestions);
          });
  }
}

/// Asking costs more than a small convolution: each thread remembers.
Algorithm algorithm(const Convolution& c, const Descriptors& d) {
  thread_local std::map<Convolution, Algorithm> known;
  const auto found = known.find(c);
  return found != known.end() ? found->second : known.emplace(c, find_algorithm(c, d)).first->second;
}

}  // namespace

void convolve(Context& context, const ConvolutionCall& call) {
  dnn::check(call);
  const Descriptors d(call.convolution);
  const Algorithm chosen = algorithm(call.convolution, d);
  d.set_math(chosen.math);
  void* workspace = chosen.workspace == 0 ? nullptr : context.workspace(chosen.workspace);
  switch (call.convolution.result) {
    case Pass::y:
      return check_dnn(
          cudnnConvolutionForward(dnn_handle(), &call.alpha, d.x, call.x, d.filters, call.filters,
                                  d.convolution, static_cast<cudnnConvolutionFwdAlgo_t>(chosen.number),
                                  workspace, chosen.workspace, &call.beta, d.y, call.y),
          "cudnnConvolutionForward");
    case Pass::x:
      return check_dnn(cudnnConvolutionBackwardData(dnn_handle(), &call.alpha, d.filters, call.filters, d.y,
                                                    call.y, d.convolution,
                                                    static_cast<cudnnConvolutionBwdDataAlgo_t>(chosen.number),
                                                    workspace, chosen.workspace, &call.beta, d.x, call.x),
                       "cudnnConvolutionBackwardData");
    case Pass::filters:
      return check_dnn(
          cudnnConvolutionBackwardFilter(dnn_handle(), &call.alpha, d.x, call.x, d.y, call.y, d.convolution,
                                         static_cast<cudnnConvolutionBwdFilterAlgo_t>(chosen.number),
                                         workspace, chosen.workspace, &call.beta, d.filters, call.filters),
          "cudnnConvolutionBackwardFilter");
  }
}

}  // namespace tsr::cuda
