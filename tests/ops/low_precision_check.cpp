// Every op in bfloat16 and float16: values against the naive computation in that precision, gradients against
// float64.
#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "tensor/kernel.h"
#include "tensor/random.h"
#include "tests/ops/op_check.h"

namespace tsr::test {
namespace {

/// What a last place is worth in a number of this size.
double ulp(DType dtype, double size) {
  const int mantissa = dtype == bfloat16 ? 7 : 10, smallest = dtype == bfloat16 ? -126 : -14;
  const int exponent = size > 0 ? static_cast<int>(std::floor(std::log2(size))) : smallest;
  return std::ldexp(1.0, std::max(exponent, smallest) - mantissa);
}

double largest_finite(const Tensor& x) {
  double largest = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i)
    if (const double size = std::abs(x.data<double>()[i]); std::isfinite(size))
      largest = std::max(largest, size);
  return largest;
}

/// Dense float64 of the values after rounding to the dtype; integers and masks as they are.
Tensor rounded(const Tensor& x, DType dtype) {
  return is_floating(x.dtype()) ? x.to(dtype).to(float64).clone() : x.clone();
}

/// The first element beyond the bound of op_case.h, as a line; "" when there is none.
std::string beyond_naive(const Tensor& ours, const Tensor& naive, const Tensor& exact, DType dtype) {
  const double slack = 2 * ulp(dtype, largest_finite(exact));
  for (std::int64_t i = 0; i < exact.numel(); ++i) {
    const double y = ours.data<double>()[i], n = naive.data<double>()[i], e = exact.data<double>()[i];
    if (y == n || (std::isnan(y) && std::isnan(n))) continue;
    const double bound = 2 * std::abs(n - e) + slack;
    if (!(std::abs(y - e) <= bound))
      return text("element ", i, ": ", y, ", naively ", n, ", exactly ", e, ", allowed error ", bound);
  }
  return "";
}

/// A variant's inputs there.
Tensors inputs_on(Device device, const std::vector<Input>& inputs, DType dtype, std::size_t v) {
  Tensors result = draw_inputs(inputs, dtype, v);
  if (device == Device::cpu) return result;  // strided as they are
  for (Tensor& x : result) x = x.to(device);
  return result;
}

std::string complaint_of_values(const OpCase& op_case, std::size_t v, DType dtype, Device device) {
  const std::vector<Input>& inputs = op_case.variants[v].inputs;
  Tensors exact, naive;
  for (const Tensor& x : draw_inputs(inputs, float64, v)) {
    exact.push_back(x.clone());
    naive.push_back(rounded(x, dtype));
  }
  const Tensor y = op_case.call(inputs_on(device, inputs, dtype, v)).to(Device::cpu);
  const Tensor expected = op_case.reference(exact), plain = op_case.reference(naive);
  if (y.shape() != expected.shape()) return text("shape ", y.shape(), ", not ", expected.shape());
  if (!is_floating(y.dtype()))
    return beyond_naive(y.to(float64).clone(), plain.to(float64).clone(), expected.to(float64).clone(),
                        dtype);
  if (y.dtype() != dtype) return text("the result is ", y.dtype());
  return beyond_naive(y.to(float64).clone(), rounded(plain, dtype), expected, dtype);
}

/// Σ weights·call(inputs), differentiated with respect to the floating inputs, on the host.
Tensors gradients(const OpCase& op_case, const Tensors& inputs) {
  Tensors points, wanted;
  for (const Tensor& x : inputs) {
    points.push_back(x.clone());
    if (!is_floating(x.dtype())) continue;
    points.back().requires_grad_();
    wanted.push_back(points.back());
  }
  const Tensor y = op_case.call(points);
  Generator generator(1);
  const Tensor upstream = uniform(y.shape(), generator, 0.5, 1.5, bfloat16).to(y.dtype()).to(y.device());
  Tensors result = grad(y, wanted, upstream);
  for (Tensor& gradient : result)
    if (gradient.defined()) gradient = gradient.to(Device::cpu);
  return result;
}

std::string complaint_of_gradients(const OpCase& op_case, std::size_t v, DType dtype, Device device) {
  constexpr double kUlps = 8;  // a composed call and its backward round a few times
  const std::vector<Input>& inputs = op_case.variants[v].inputs;
  Tensors exact;
  for (const Tensor& x : draw_inputs(inputs, float64, v)) exact.push_back(rounded(x, dtype));
  const Tensors ours = gradients(op_case, inputs_on(device, inputs, dtype, v)),
                reference = gradients(op_case, exact);
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (ours[i].defined() != reference[i].defined())
      return text("gradient ", i, " is undefined in one of both");
    if (!ours[i].defined()) continue;
    if (ours[i].dtype() != dtype) return text("gradient ", i, " is ", ours[i].dtype());
    const Tensor a = ours[i].to(float64).clone(), b = reference[i].clone();
    const double size = std::max(1.0, largest_finite(b)),
                 bound = dtype == float32 ? 4 * op_case.tolerance32 * size : kUlps * ulp(dtype, size);
    for (std::int64_t e = 0; e < a.numel(); ++e) {
      const double x = a.data<double>()[e], y = b.data<double>()[e];
      if (!(std::abs(x - y) <= bound))
        return text("gradient ", i, ", element ", e, ": ", x, ", in float64 ", y, ", allowed error ", bound);
    }
  }
  return "";
}

/// Whether an emulated device would take long.
bool is_large(const Variant& variant) {
  constexpr std::int64_t kElements = 1 << 13;
  return std::ranges::any_of(variant.inputs,
                             [](const Input& input) { return input.shape.numel() > kElements; });
}

using Complaint = std::string (*)(const OpCase&, std::size_t, DType, Device);

/// Notes what a check of a variant complains about, if anything.
void note(Failures& failures, const OpCase& op_case, std::size_t v, DType dtype, Device device,
          Complaint complaint_of) {
  std::string complaint;
  try {
    complaint = complaint_of(op_case, v, dtype, device);
  } catch (const Error& error) {
    complaint = error.what();
  }
  if (!complaint.empty())
    failures.push_back(text(op_case.name, " ", dtype, " on ", device, ", variant ", v, " of ",
                            op_case.variants[v].inputs[0].shape, ": ", complaint));
}

}  // namespace

bool has_low_precision(const OpCase& op_case, DType dtype, Device device) {
  return std::ranges::all_of(op_case.kernels, [&](const std::string& name) {
    const auto& slots = KernelSlot::all();
    const auto slot = std::ranges::find_if(slots, [&](const KernelSlot* s) { return name == s->name(); });
    return slot != slots.end() && (*slot)->has(device, dtype);
  });
}

Failures check_low_precision(const OpCase& op_case, Device device) {
  Failures failures;
  for (const DType dtype : {bfloat16, float16}) {
    if (!has_low_precision(op_case, dtype, device)) continue;
    for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
      if (op_case.variants[v].large || (device != Device::cpu && is_large(op_case.variants[v]))) continue;
      note(failures, op_case, v, dtype, device, complaint_of_values);
      if (op_case.differentiable != Differentiable::no && op_case.variants[v].gradients)
        note(failures, op_case, v, dtype, device, complaint_of_gradients);
    }
  }
  return failures;
}

Failures check_gradients_on(const OpCase& op_case, Device device) {
  Failures failures;
  if (op_case.differentiable == Differentiable::no) return failures;
  for (std::size_t v = 0; v < op_case.variants.size(); ++v)
    if (op_case.variants[v].gradients) note(failures, op_case, v, float32, device, complaint_of_gradients);
  return failures;
}

}  // namespace tsr::test
