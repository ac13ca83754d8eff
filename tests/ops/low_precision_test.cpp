// Runs every OpCase in bfloat16 and float16: values against the naive computation in that precision,
// gradients against float64.
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <set>

#include "autograd/ops.h"
#include "tensor/kernel.h"
#include "tensor/random.h"
#include "tests/ops/op_case.h"

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

bool runs_in(const OpCase& op_case, DType dtype) {
  return std::ranges::all_of(op_case.kernels, [&](const std::string& name) {
    const auto& slots = KernelSlot::all();
    const auto slot = std::ranges::find_if(slots, [&](const KernelSlot* s) { return name == s->name(); });
    return slot != slots.end() && (*slot)->has(Device::cpu, dtype);
  });
}

/// Calls check(case, variant, dtype) for all that runs in low precision; returns the names of the ops.
template <class Check>
std::set<std::string> for_each_low(Check&& check) {
  std::set<std::string> names;
  for (const OpCase& op_case : all_cases()) {
    for (const DType dtype : {bfloat16, float16}) {
      if (!runs_in(op_case, dtype)) continue;
      names.insert(op_case.name);
      for (std::size_t v = 0; v < op_case.variants.size(); ++v) {
        CAPTURE(text(op_case.name, " ", dtype, " variant ", v, " of ", op_case.variants[v].inputs[0].shape));
        check(op_case, v, dtype);
      }
    }
  }
  return names;
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

void check_values(const OpCase& op_case, std::size_t v, DType dtype) {
  const std::vector<Input>& inputs = op_case.variants[v].inputs;
  Tensors exact, naive;
  for (const Tensor& x : draw_inputs(inputs, float64, v)) {
    exact.push_back(x.clone());
    naive.push_back(rounded(x, dtype));
  }
  const Tensor y = op_case.call(draw_inputs(inputs, dtype, v));
  const Tensor expected = op_case.reference(exact), plain = op_case.reference(naive);
  REQUIRE(y.shape() == expected.shape());
  if (is_floating(y.dtype())) CHECK(y.dtype() == dtype);
  CHECK(beyond_naive(y.to(float64).clone(), is_floating(y.dtype()) ? rounded(plain, dtype) : plain, expected,
                     dtype) == "");
}

/// Σ weights·call(inputs), differentiated with respect to the floating inputs.
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
  return grad(y, wanted, uniform(y.shape(), generator, 0.5, 1.5, bfloat16).to(y.dtype()));
}

void check_gradients(const OpCase& op_case, std::size_t v, DType dtype) {
  const std::vector<Input>& inputs = op_case.variants[v].inputs;
  Tensors exact;
  for (const Tensor& x : draw_inputs(inputs, float64, v)) exact.push_back(rounded(x, dtype));
  const Tensors ours = gradients(op_case, draw_inputs(inputs, dtype, v)),
                reference = gradients(op_case, exact);
  REQUIRE(ours.size() == reference.size());
  constexpr double kUlps = 4;  // a composed backward rounds a few times
  for (std::size_t i = 0; i < ours.size(); ++i) {
    REQUIRE(ours[i].defined() == reference[i].defined());
    if (!ours[i].defined()) continue;
    CHECK(ours[i].dtype() == dtype);
    const Tensor a = ours[i].to(float64).clone(), b = reference[i].clone();
    REQUIRE(a.shape() == b.shape());
    const double bound = kUlps * ulp(dtype, std::max(1.0, largest_finite(b)));
    double worst = 0;
    for (std::int64_t e = 0; e < a.numel(); ++e) {
      const double error = std::abs(a.data<double>()[e] - b.data<double>()[e]);
      worst = error > worst || std::isnan(error) ? error : worst;
    }
    CAPTURE(i);
    CHECK(worst <= bound);
  }
}

TEST_CASE("every op in low precision is about as good as rounding its reference") {
  const auto names = for_each_low(check_values);
  for (const char* name : {"add", "where", "sum", "max", "softmax", "cross_entropy", "topk", "scatter_add",
                           "matmul", "linear", "conv2d", "conv2d_backward_weight", "batch_norm",
                           "batch_norm_eval", "max_pool2d", "avg_pool2d_backward", "uniform", "concat"}) {
    CAPTURE(std::string(name));
    CHECK(names.contains(name));
  }
  CHECK_FALSE(names.contains("sgd_step"));
}

TEST_CASE("every gradient in low precision agrees with float64") {
  for_each_low([](const OpCase& op_case, std::size_t v, DType dtype) {
    if (op_case.differentiable != Differentiable::no && op_case.variants[v].gradients)
      check_gradients(op_case, v, dtype);
  });
}

TEST_CASE("a pointwise op on a tensor of many blocks gives each element its own") {
  Generator generator(5);
  for (const Shape& shape : {Shape{7, 9000}, Shape{40'000}, Shape{3, 2, 20'000}, Shape{50'000, 3}}) {
    Shape last = shape;
    for (int axis = 0; axis + 1 < last.rank(); ++axis) last[axis] = 1;
    const Tensor a = normal(shape, generator, 0, 1, bfloat16), b = normal(last, generator, 0, 1, bfloat16);
    const Tensor y = add(a, b), expected = add(a.to(float32), b.to(float32)).to(bfloat16);
    const Tensor less = lt(b, a), expected_less = lt(b.to(float32), a.to(float32));
    bool equal = true;
    for (std::int64_t i = 0; i < y.numel(); ++i)
      equal = equal && y.data<BFloat16>()[i].bits == expected.data<BFloat16>()[i].bits &&
              less.data<bool>()[i] == expected_less.data<bool>()[i];
    CHECK(equal);
  }
}

TEST_CASE("a pointwise op makes no float32 copy of a whole tensor") {
  const Tensor x = zeros({1 << 22}, bfloat16);
  Allocator& memory = allocator(Device::cpu);
  memory.reset_peak();
  const std::int64_t before = memory.stats().live_bytes;
  const Tensor y = exp(x);
  CHECK(memory.stats().peak_bytes - before < 2 * (1 << 22) + (4 << 20));  // y, and blocks for the threads
}

TEST_CASE("what has no kernel for low precision says so") {
  const Tensor x = zeros({3}, bfloat16);
  Context context(Device::cpu);
  CHECK_THROWS_WITH_AS(sgd_step(context, x.view(), x.view(), View{}, {}),
                       "sgd_step: no cpu kernel for bfloat16 (has: cpu float32, float64)", Error);
  CHECK(exp_fwd.available() == "cpu float32, float64, bfloat16, float16");
  CHECK_FALSE(exp_fwd.has(Device::emu, bfloat16));
}

}  // namespace
}  // namespace tsr::test
