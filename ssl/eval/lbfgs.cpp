#include "ssl/eval/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace tsr {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(Vector& y, double a, const Vector& x) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += a * x[i];
}

double largest(const Vector& v) {
  double norm = 0;
  for (double value : v) norm = std::max(norm, std::abs(value));
  return norm;
}

struct Pair {
  Vector step, change;
  double curvature;  // stepᵀ·change
};

/// The two-loop recursion: -H·gradient with H the BFGS inverse Hessian built on the preconditioner.
Vector direction(const Vector& gradient, const std::deque<Pair>& pairs, const LbfgsOptions& options) {
  Vector d = gradient, alphas;
  for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
    alphas.push_back(dot(pair->step, d) / pair->curvature);
    add_scaled(d, -alphas.back(), pair->change);
  }
  if (options.precondition) options.precondition(d);
  if (!pairs.empty()) {
    // The usual scaling of the first guess, measured in the preconditioner's own metric.
    Vector scaled = pairs.back().change;
    if (options.precondition) options.precondition(scaled);
    const double scale = pairs.back().curvature / dot(pairs.back().change, scaled);
    for (double& value : d) value *= scale;
  }
  for (const Pair& pair : pairs) {
    const double beta = dot(pair.change, d) / pair.curvature;
    add_scaled(d, alphas.back() - beta, pair.step);
    alphas.pop_back();
  }
  for (double& value : d) value = -value;
  return d;
}

struct Iterate {
  Vector x, gradient;
  double value = 0;
};

/// The first of the steps 1, ½, ¼, … along d that is good enough; false when none is.
bool line_search(const Objective& f, const Iterate& from, const Vector& d, double slope, double rounding,
                 Iterate& to) {
  double length = 1;
  for (int halving = 0; halving < 30; ++halving, length /= 2) {
    to.x = from.x;
    add_scaled(to.x, length, d);
    to.value = f(to.x, to.gradient);
    if (!std::isfinite(to.value)) continue;
    const bool armijo = to.value <= from.value + 1e-4 * length * slope;
    const bool level = to.value <= from.value + rounding * std::abs(from.value);
    if (armijo || (level && dot(to.gradient, d) <= -0.8 * slope)) return true;
  }
  return false;
}

}  // namespace

LbfgsResult lbfgs(const Objective& f, std::vector<double> x, const LbfgsOptions& options) {
  Iterate now{std::move(x), {}, 0}, next;
  now.gradient.resize(now.x.size());
  next.gradient.resize(now.x.size());
  now.value = f(now.x, now.gradient);
  std::deque<Pair> pairs;
  int iteration = 0;
  while (iteration < options.max_iterations && largest(now.gradient) > options.gradient_tolerance) {
    const Vector d = direction(now.gradient, pairs, options);
    if (!line_search(f, now, d, dot(now.gradient, d), options.rounding, next)) break;
    Pair pair{next.x, next.gradient, 0};
    add_scaled(pair.step, -1, now.x);
    add_scaled(pair.change, -1, now.gradient);
    pair.curvature = dot(pair.step, pair.change);
    // A pair without curvature (rounding again) would make H indefinite.
    if (pair.curvature > 1e-12 * dot(pair.change, pair.change)) pairs.push_back(std::move(pair));
    if (pairs.size() > static_cast<std::size_t>(options.history)) pairs.pop_front();
    std::swap(now, next);
    ++iteration;
  }
  const double norm = largest(now.gradient);
  return {std::move(now.x), now.value, norm, iteration, norm <= options.gradient_tolerance};
}

}  // namespace tsr
