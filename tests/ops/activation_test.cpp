// Cases of the activations, and their values and slopes at the edges.
#include <cmath>
#include <doctest/doctest.h>

#include "tests/ops/pointwise_cases.h"

namespace tsr::test {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double phi(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }
double density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); }
double half_tanh(double x) {  // (1 + tanh u) / 2
  return (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) / 2;
}
double gelu_tanh_slope(double x) {
  const double h = half_tanh(x), u = std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
  return h + (std::abs(x) < 50 ? 2 * x * h * (1 - h) * u : 0);
}
double silu_slope(double x) {
  const double s = logistic(x);
  return s + (std::abs(x) < 500 ? x * s * (1 - s) : 0);
}
double gelu_slope(double x) { return phi(x) + x * density(x); }
double six(double x) { return std::min(std::max(x, 0.0), 6.0); }
double plus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double elu_of(double x, double alpha) { return x > 0 ? x : alpha * std::expm1(x); }

/// The default options, as a function of the tensor alone.
template <class... Options>
auto with(Tensor (*op)(const Tensor&, Options...), Options... options) {
  return [=](const Tensor& x) { return op(x, options...); };
}

const bool activation_cases[] = {
    unary_case(
        "relu", relu, [](double x) { return x > 0 ? x : 0; }, Values::distinct, kExtreme),
    unary_case("sigmoid", sigmoid, logistic, Values::normal, kExtreme),
    unary_case(
        "logsigmoid", logsigmoid, [](double x) { return -plus(-x); }, Values::normal, kExtreme,
        "softplus_fwd"),
    unary_case(
        "leaky_relu", with(leaky_relu, 0.1), [](double x) { return x > 0 ? x : 0.1 * x; }, Values::distinct,
        kExtreme),
    unary_case(
        "elu", with(elu, 1.0), [](double x) { return elu_of(x, 1); }, Values::distinct, kExtreme),
    unary_case(
        "elu", with(elu, 0.5), [](double x) { return elu_of(x, 0.5); }, Values::distinct, kExtreme),
    unary_case(
        "selu", selu, [](double x) { return 1.0507009873554804934 * elu_of(x, 1.6732632423543772848); },
        Values::distinct, kExtreme, "elu_fwd"),
    unary_case(
        "gelu", with(gelu, GeluForm::erf), [](double x) { return x * phi(x); }, Values::normal, kExtreme),
    unary_case(
        "gelu_tanh", with(gelu, GeluForm::tanh), [](double x) { return x * half_tanh(x); }, Values::normal,
        kExtreme),
    unary_case(
        "silu", silu, [](double x) { return x * logistic(x); }, Values::normal, kExtreme),
    unary_case("softplus", with(softplus, 1.0), plus, Values::normal, kExtreme),
    unary_case(
        "softplus", with(softplus, 2.5), [](double x) { return plus(2.5 * x) / 2.5; }, Values::normal,
        kExtreme),
    unary_case(
        "mish", mish, [](double x) { return x * std::tanh(plus(x)); }, Values::normal, kExtreme,
        "softplus_fwd"),
    unary_case(
        "hardtanh", with(hardtanh, -0.8, 0.7), [](double x) { return std::min(std::max(x, -0.8), 0.7); },
        Values::distinct, kExtreme, "clamp_fwd"),
    unary_case("relu6", relu6, six, Values::distinct, kExtreme, "clamp_fwd"),
    unary_case(
        "hardswish", hardswish, [](double x) { return x * six(x + 3) / 6; }, Values::distinct, kExtreme,
        "clamp_fwd"),
    backward_case(
        "sigmoid", sigmoid, [](double x) { return logistic(x) * (1 - logistic(x)); }, Values::normal),
    backward_case("gelu", with(gelu, GeluForm::erf), gelu_slope, Values::normal),
    backward_case("gelu_tanh", with(gelu, GeluForm::tanh), gelu_tanh_slope, Values::normal),
    backward_case("silu", silu, silu_slope, Values::normal),
    // relu's backward is linear in the gradient, and so can be differentiated again.
    add_case({.name = "relu_backward",
              .kernels = {"relu_bwd"},
              .call =
                  [](const Tensors& x) {
                    const GradMode record(true);  // values are asked for under NoGrad
                    Tensor point = x[1].detach();
                    point.requires_grad_();
                    return grad(relu(point), {point}, x[0], {.create_graph = true})[0];
                  },
              .reference =
                  [](const Tensors& x) {
                    return zip(x[0], x[1], [](double g, double v) { return v > 0 ? g : 0; });
                  },
              .variants = {{{{{3, 5}}, {{3, 5}, Values::distinct}}}}}),
};

struct Edge {
  const char* name;
  std::function<Tensor(const Tensor&)> op;
  double at_minus_infinity, slope_below, slope_at_zero;  ///< slope at -inf, and at 0
};

const Edge kEdges[] = {
    {"relu", relu, 0, 0, 0},
    {"relu6", relu6, 0, 0, 0},
    {"sigmoid", sigmoid, 0, 0, 0.25},
    {"leaky_relu", with(leaky_relu, 0.1), -INFINITY, 0.1, 0.1},
    {"elu", with(elu, 2.0), -2, 0, 2},
    {"softplus", with(softplus, 1.0), 0, 0, 0.5},
    {"silu", silu, 0, 0, 0.5},
    {"gelu", with(gelu, GeluForm::erf), 0, 0, 0.5},
    {"gelu tanh", with(gelu, GeluForm::tanh), 0, 0, 0.5},
};

TEST_CASE("activations at -inf and 0, and NaN stays NaN, slopes included") {
  for (DType dtype : {float32, float64})
    for (const Edge& edge : kEdges) {
      CAPTURE(std::string(edge.name));
      Tensor x = from_values({-INFINITY, 0, NAN, -1e30f, 1e30f}, {5}).to(dtype).clone();
      x.requires_grad_();
      const Tensor y = edge.op(x);
      const Tensor values = y.detach().to(float64);
      CHECK(values.data<double>()[0] == edge.at_minus_infinity);
      CHECK(std::isnan(values.data<double>()[2]));
      for (int i : {0, 1, 3, 4}) CHECK(!std::isnan(values.data<double>()[i]));
      sum(y).backward();
      const Tensor slopes = x.grad().to(float64);
      CHECK(slopes.data<double>()[0] == doctest::Approx(edge.slope_below));
      CHECK(slopes.data<double>()[1] == doctest::Approx(edge.slope_at_zero));
      CHECK(slopes.data<double>()[3] == doctest::Approx(edge.slope_below));
      CHECK((slopes.data<double>()[4] == 1 || edge.op(scalar(7)).item() < 7));  // saturates, or grows as x
    }
}

TEST_CASE("activations: options out of range are named") {
  CHECK_THROWS_WITH_AS(elu(zeros({2}), -1), "elu: alpha is -1; it must not be negative", Error);
  CHECK_THROWS_WITH_AS(hardtanh(zeros({2}), 1, -1),
                       "clamp: the bounds are 1 and -1; low must not exceed high", Error);
  CHECK_THROWS_WITH_AS(gelu(zeros({2}, int64)),
                       "gelu: int64[2] is not floating; convert it with cast(x, float32)", Error);
}

}  // namespace
}  // namespace tsr::test
