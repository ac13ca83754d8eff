#include "nn/pooling.h"

namespace tsr {
namespace {

Pool2dOptions checked(const char* name, Pool2dOptions o) {
  if (o.stride == 0) o.stride = o.kernel;
  TSR_CHECK(o.kernel > 0 && o.stride > 0 && o.padding >= 0, name, ": kernel = ", o.kernel,
            ", stride = ", o.stride, ", padding = ", o.padding, "; kernel and stride must be positive");
  return o;
}

Pool2dParams params_of(const Pool2dOptions& o) {
  return {.kernel_h = o.kernel,
          .kernel_w = o.kernel,
          .stride_h = o.stride,
          .stride_w = o.stride,
          .pad_h = o.padding,
          .pad_w = o.padding};
}

std::string label_of(const char* name, const Pool2dOptions& o) {
  return text(name, "(kernel = ", o.kernel, ", stride = ", o.stride,
              o.padding == 0 ? std::string() : text(", padding = ", o.padding), ")");
}

}  // namespace

MaxPool2d::MaxPool2d(const Pool2dOptions& options) : options(checked("MaxPool2d", options)) {}
Tensor MaxPool2d::operator()(const Tensor& x) const { return max_pool2d(x, params_of(options)); }
std::string MaxPool2d::label() const { return label_of("MaxPool2d", options); }

AvgPool2d::AvgPool2d(const Pool2dOptions& options) : options(checked("AvgPool2d", options)) {}
Tensor AvgPool2d::operator()(const Tensor& x) const { return avg_pool2d(x, params_of(options)); }
std::string AvgPool2d::label() const { return label_of("AvgPool2d", options); }

}  // namespace tsr
