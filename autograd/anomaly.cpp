#include "autograd/anomaly.h"

#include <cmath>

#include "autograd/scope.h"

namespace tsr {
namespace {

thread_local bool on = false;

/// The first NaN of a tensor, and the first infinity; positions count row-major, -1 for none.
struct Found {
  std::int64_t nan = -1, infinity = -1;
  double infinite_value = 0;
};

Found search(const Tensor& x) {
  Found found;
  if (!x.defined() || !is_floating(x.dtype())) return found;
  const Tensor dense = (x.is_contiguous() ? x : x.clone()).to(Device::cpu);
  with_dtype(x.dtype(), [&](auto type) {
    const auto* values = dense.data<decltype(type)>();
    for (std::int64_t i = 0; i < dense.numel() && found.nan < 0; ++i) {
      const auto value = static_cast<double>(values[i]);
      if (std::isnan(value)) found.nan = i;
      if (std::isinf(value) && found.infinity < 0) {
        found.infinity = i;
        found.infinite_value = value;
      }
    }
  });
  return found;
}

/// "nan at [0, 2] of float64[2, 3]".
std::string place(const Found& found, const Tensor& x) {
  std::int64_t position = found.nan >= 0 ? found.nan : found.infinity;
  Shape index = x.shape();
  for (int axis = index.rank() - 1; axis >= 0; --axis) {
    index[axis] = position % x.shape()[axis];
    position /= x.shape()[axis];
  }
  const char* value = found.nan >= 0 ? "nan" : found.infinite_value > 0 ? "inf" : "-inf";
  return text(value, " at ", index, " of ", describe(x));
}

/// " in encoder/head", or nothing.
std::string in_scope(const std::shared_ptr<const std::string>& scope) {
  return scope == nullptr ? "" : " in " + *scope;
}

}  // namespace

DetectAnomaly::DetectAnomaly(bool enabled) : previous_(on) { on = enabled; }
DetectAnomaly::~DetectAnomaly() { on = previous_; }

bool anomaly_mode() { return on; }

void check_forward(const char* op, const Tensors& inputs, const Tensor& output) {
  const Found made = search(output);
  if (made.nan < 0 && made.infinity < 0) return;
  bool infinite = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Found came = search(inputs[i]);
    TSR_CHECK(came.nan < 0, "anomaly: ", op, in_scope(current_scope()), ": input ", i, " came with ",
              place(came, inputs[i]), ", which no op made: look at the data");
    infinite = infinite || came.infinity >= 0;
  }
  TSR_CHECK(made.nan < 0 && infinite, "anomaly: ", op, in_scope(current_scope()), " gives ",
            place(made, output), infinite ? " of inputs with infinity" : ", though its inputs are finite");
}

void check_backward(const Node& node, const Tensor& grad, const Tensors& grads) {
  const Found came = search(grad);
  TSR_CHECK(came.nan < 0, "anomaly: the backward of ", node.name, in_scope(node.scope),
            " is given a gradient with ", place(came, grad), ", which no op made");
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (node.inputs[i].node == nullptr) continue;
    const Found made = search(grads[i]);
    TSR_CHECK(made.nan < 0 && (made.infinity < 0 || came.infinity >= 0), "anomaly: the backward of ",
              node.name, in_scope(node.scope), " gives ", place(made, grads[i]), " as the gradient of input ",
              i, ", though the gradient of its output ", came.infinity >= 0 ? "has no NaN" : "is finite");
  }
}

}  // namespace tsr
