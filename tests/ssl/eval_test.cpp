#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <numeric>

#include "autograd/ops.h"
#include "nn/layers.h"
#include "ssl/eval/features.h"
#include "ssl/eval/lbfgs.h"
#include "ssl/eval/protocol.h"
#include "ssl/eval/spd_inverse.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

using namespace tsr;

namespace {

/// Rows on a coarse grid, so that similarities tie.
Tensor coarse_rows(std::int64_t rows, std::int64_t dims, Generator& generator) {
  Tensor x = normal({rows, dims}, generator, 0, 1, float64);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<double>()[i] = std::round(x.data<double>()[i]) + 0.25;
  return x;
}

Tensor random_labels(std::int64_t count, std::int64_t classes, Generator& generator) {
  RandomWords words(generator);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(count));
  for (auto& label : labels) label = words.below(static_cast<std::uint32_t>(classes));
  return from_values(labels, {count});
}

/// Clusters around random centres: something to be learnt, with some overlap.
LabelledFeatures clusters(std::int64_t count, std::int64_t dims, std::int64_t classes, std::uint64_t seed) {
  Generator centres(5), noise(seed);
  const Tensor labels = random_labels(count, classes, noise);
  const Tensor centre = normal({classes, dims}, centres);
  return {index_select(centre, 0, labels) + normal({count, dims}, noise, 3, 1.5), labels};
}

EvalData clustered_data() {
  return {clusters(600, 12, 4, 1), clusters(200, 12, 4, 2), clusters(300, 12, 4, 3), 4};
}

/// The classifier as its paper defines it, query by query.
std::vector<std::int64_t> plain_knn(const Tensor& queries, const Tensor& bank, const Tensor& labels,
                                    std::int64_t classes, std::int64_t k, double temperature) {
  const std::int64_t dims = bank.size(1);
  std::vector<std::int64_t> predicted;
  for (std::int64_t q = 0; q < queries.size(0); ++q) {
    std::vector<double> similarity(static_cast<std::size_t>(bank.size(0)), 0.0);
    for (std::int64_t n = 0; n < bank.size(0); ++n)
      for (std::int64_t d = 0; d < dims; ++d)
        similarity[static_cast<std::size_t>(n)] +=
            queries.data<double>()[q * dims + d] * bank.data<double>()[n * dims + d];
    std::vector<std::size_t> order(similarity.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return similarity[a] > similarity[b]; });
    std::vector<double> votes(static_cast<std::size_t>(classes), 0.0);
    for (std::size_t j = 0; j < static_cast<std::size_t>(k); ++j)
      votes[static_cast<std::size_t>(labels.data<std::int64_t>()[order[j]])] +=
          std::isinf(temperature) ? 1 : std::exp(similarity[order[j]] / temperature);
    predicted.push_back(std::max_element(votes.begin(), votes.end()) - votes.begin());
  }
  return predicted;
}

/// Solves A·x = b by Gaussian elimination with row pivoting.
std::vector<double> solve_dense(std::vector<std::vector<double>> a, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t r = i; r < n; ++r)
      if (std::abs(a[r][i]) > std::abs(a[pivot][i])) pivot = r;
    std::swap(a[i], a[pivot]);
    std::swap(b[i], b[pivot]);
    for (std::size_t r = i + 1; r < n; ++r) {
      const double factor = a[r][i] / a[i][i];
      for (std::size_t c = i; c < n; ++c) a[r][c] -= factor * a[i][c];
      b[r] -= factor * b[i];
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t c = i + 1; c < n; ++c) b[i] -= a[i][c] * b[c];
    b[i] /= a[i][i];
  }
  return b;
}

/// Logistic regression by Newton's method in plain loops: parameters [(D + 1) · classes], the bias last.
/// `z` holds rows of D values scaled already. A tiny ridge on the bias fixes what softmax leaves open.
std::vector<double> newton_logistic(const std::vector<std::vector<double>>& z,
                                    const std::vector<std::size_t>& labels, std::size_t classes,
                                    double weight_decay) {
  const std::size_t rows = z.size(), dims = z[0].size(), n = (dims + 1) * classes;
  std::vector<double> w(n, 0.0);
  for (int iteration = 0; iteration < 30; ++iteration) {
    std::vector<double> gradient(n, 0.0);
    std::vector<std::vector<double>> hessian(n, std::vector<double>(n, 0.0));
    for (std::size_t i = 0; i < n; ++i) {
      const double decay = i < dims * classes ? weight_decay : 1e-9;
      gradient[i] = decay * w[i];
      hessian[i][i] = decay;
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const auto x = [&](std::size_t d) { return d < dims ? z[row][d] : 1.0; };
      std::vector<double> p(classes, 0.0);
      double total = 0;
      for (std::size_t c = 0; c < classes; ++c) {
        for (std::size_t d = 0; d <= dims; ++d) p[c] += x(d) * w[d * classes + c];
        p[c] = std::exp(p[c]);
        total += p[c];
      }
      for (double& value : p) value /= total;
      const double share = 1.0 / static_cast<double>(rows);
      for (std::size_t c = 0; c < classes; ++c)
        for (std::size_t d = 0; d <= dims; ++d) {
          gradient[d * classes + c] += share * (p[c] - (labels[row] == c ? 1 : 0)) * x(d);
          for (std::size_t c2 = 0; c2 < classes; ++c2)
            for (std::size_t d2 = 0; d2 <= dims; ++d2)
              hessian[d * classes + c][d2 * classes + c2] +=
                  share * p[c] * ((c == c2 ? 1 : 0) - p[c2]) * x(d) * x(d2);
        }
    }
    const auto step = solve_dense(hessian, gradient);
    for (std::size_t i = 0; i < n; ++i) w[i] -= step[i];
  }
  return w;
}

/// An encoder of one batch norm over the pixels' channels.
struct TinyEncoder final : Encoder {
  BatchNorm norm{{.channels = 3}};
  Tensor operator()(const Tensor& images) override { return mean(norm(images), {1, 2}); }
  std::int64_t feature_size() const override { return 3; }
  void visit(Visitor& v) override { v.child("norm", norm); }
};

std::vector<double> values(const Tensor& x) {
  const Tensor dense = contiguous(x.detach().to(float64));
  return {dense.data<double>(), dense.data<double>() + dense.numel()};
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("kNN classifies as the plain loop does, ties included") {
  Generator generator(7);
  const Tensor bank = unit_features(coarse_rows(90, 3, generator));
  const Tensor queries = unit_features(coarse_rows(41, 3, generator));
  const Tensor labels = random_labels(90, 5, generator);
  const Neighbours found = nearest_neighbours(queries, bank, 60);
  for (const std::int64_t k : {1, 2, 7, 60})
    for (const double temperature : {0.05, 0.5, static_cast<double>(INFINITY)}) {
      CAPTURE(k);
      CAPTURE(temperature);
      const Tensor predicted = knn_classify(found, labels, 5, k, temperature);
      const auto expected = plain_knn(queries, bank, labels, 5, k, temperature);
      const std::int64_t* p = predicted.data<std::int64_t>();
      CHECK(std::vector<std::int64_t>(p, p + predicted.numel()) == expected);
    }
}

TEST_CASE("kNN works through more queries than fit into one block") {
  Generator generator(8);
  const Tensor bank = unit_features(normal({600'000, 2}, generator));
  const Tensor queries = slice(bank, 0, 0, 60, 1);
  const Neighbours found = nearest_neighbours(queries, bank, 3);
  for (std::int64_t q = 0; q < 60; ++q) {
    const float* s = found.similarity.data<float>() + 3 * q;
    CHECK(s[0] == doctest::Approx(1).epsilon(1e-6));
    CHECK(s[0] >= s[1]);
    CHECK(s[1] >= s[2]);
    const Tensor nearest = select(bank, 0, found.index.data<std::int64_t>()[3 * q]);
    CHECK(sum(nearest * select(queries, 0, q)).item() == doctest::Approx(s[0]).epsilon(1e-6));
  }
}

TEST_CASE("kNN's grid agrees with classifying one setting at a time") {
  const EvalData data = clustered_data();
  const Neighbours found =
      nearest_neighbours(unit_features(data.test.features), unit_features(data.train.features), 20);
  const std::vector<std::int64_t> ks{1, 5, 20};
  const std::vector<double> temperatures{0.05, INFINITY};
  const auto grid = knn_accuracies(found, data.train.labels, 4, data.test.labels, ks, temperatures);
  for (std::size_t i = 0; i < ks.size(); ++i)
    for (std::size_t t = 0; t < temperatures.size(); ++t)
      CHECK(grid[i][t] ==
            doctest::Approx(accuracy(knn_classify(found, data.train.labels, 4, ks[i], temperatures[t]),
                                     data.test.labels)));
  CHECK_THROWS_AS(knn_classify(found, data.train.labels, 4, 21, 0.1), Error);
  CHECK_THROWS_AS(nearest_neighbours(data.test.features, data.train.features, 601), Error);
}

TEST_CASE("The inverse inverts across blocks, and refuses what is not positive definite") {
  Generator generator(3);
  const std::int64_t n = 150;
  const Tensor root = normal({n, n}, generator, 0, 1, float64);
  const Tensor matrix = matmul(root, transpose(root));
  for (std::int64_t i = 0; i < n; ++i) matrix.data<double>()[i * n + i] += 1;
  const Tensor inverse = spd_inverse(matrix), product = matmul(inverse, matrix);
  for (std::int64_t i = 0; i < n * n; ++i)
    CHECK(product.data<double>()[i] == doctest::Approx(i % (n + 1) == 0 ? 1 : 0).epsilon(1e-9));

  // Ill-conditioned: a spectrum from 1 to 1e-8.
  const Tensor hilbert = empty({n, n}, float64);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      hilbert.data<double>()[i * n + j] = 1.0 / static_cast<double>(i + j + 1) + (i == j ? 1e-8 : 0);
  const Tensor nearly = matmul(spd_inverse(hilbert), hilbert);
  for (std::int64_t i = 0; i < n * n; ++i)
    CHECK(std::abs(nearly.data<double>()[i] - (i % (n + 1) == 0 ? 1 : 0)) < 1e-4);

  matrix.data<double>()[140 * n + 140] = -1;
  CHECK_THROWS_AS(spd_inverse(matrix), Error);
}

TEST_CASE("L-BFGS minimises an ill-conditioned quadratic") {
  // f = Σ i²·(x_i - i)²/2 for i = 1 … 30: condition number 900.
  const auto f = [](const std::vector<double>& x, std::vector<double>& gradient) {
    double value = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double curvature = static_cast<double>((i + 1) * (i + 1)),
                   off = x[i] - static_cast<double>(i + 1);
      gradient[i] = curvature * off;
      value += curvature * off * off / 2;
    }
    return value;
  };
  const LbfgsResult result = lbfgs(f, std::vector<double>(30, 0.0), {.gradient_tolerance = 1e-7});
  CHECK(result.converged);
  CHECK(result.iterations < 200);  // steepest descent needs thousands
  for (std::size_t i = 0; i < 30; ++i)
    CHECK(result.x[i] == doctest::Approx(static_cast<double>(i + 1)).epsilon(1e-6));

  const LbfgsResult exact =
      lbfgs(f, std::vector<double>(30, 0.0), {.precondition = [](std::vector<double>& v) {
              for (std::size_t i = 0; i < v.size(); ++i) v[i] /= static_cast<double>((i + 1) * (i + 1));
            }});
  CHECK(exact.iterations == 1);
}

TEST_CASE("The probe reaches the optimum that Newton's method finds") {
  Generator generator(11);
  const std::int64_t rows = 80, dims = 4, classes = 3;
  // Dimensions of very different scale and mean, so that the scaling matters.
  const Tensor features = normal({rows, dims}, generator, 0, 1, float64) *
                              from_values(std::vector<double>{1, 10, 0.1, 3}, {dims}) +
                          5.0;
  const Tensor labels = random_labels(rows, classes, generator);
  std::vector<std::size_t> plain_labels;
  for (std::int64_t i = 0; i < rows; ++i)
    plain_labels.push_back(static_cast<std::size_t>(labels.data<std::int64_t>()[i]));

  for (const ProbeScaling scaling : {ProbeScaling::common, ProbeScaling::per_dimension}) {
    CAPTURE(name_of(scaling));
    std::vector<double> centre(dims, 0.0), variance(dims, 0.0);
    const double* x = features.data<double>();
    for (std::int64_t i = 0; i < rows * dims; ++i) centre[i % dims] += x[i] / rows;
    for (std::int64_t i = 0; i < rows * dims; ++i)
      variance[i % dims] += (x[i] - centre[i % dims]) * (x[i] - centre[i % dims]) / rows;
    const double average = std::accumulate(variance.begin(), variance.end(), 0.0) / dims;
    std::vector<std::vector<double>> scaled(rows, std::vector<double>(dims));
    std::vector<double> factor(dims);
    for (std::int64_t d = 0; d < dims; ++d)
      factor[d] = 1 / std::sqrt(scaling == ProbeScaling::common ? average : variance[d]);
    for (std::int64_t i = 0; i < rows * dims; ++i)
      scaled[i / dims][i % dims] = (x[i] - centre[i % dims]) * factor[i % dims];
    ProbeFitter fitter(features, labels, classes, scaling);
    for (const double decay : {0.1, 0.001}) {
      CAPTURE(decay);
      auto expected = newton_logistic(scaled, plain_labels, classes, decay);
      for (std::int64_t d = 0; d < dims; ++d)
        for (std::int64_t c = 0; c < classes; ++c) {
          expected[d * classes + c] *= factor[d];
          expected[dims * classes + c] -= centre[d] * expected[d * classes + c];
        }
      const LinearProbe probe = fitter.fit(decay, 500, 1e-10);
      CHECK(probe.converged);
      auto fitted = values(probe.weight);
      for (double value : values(probe.bias)) fitted.push_back(value);
      CHECK(largest_difference(fitted, expected) < 1e-6);
    }
  }
}

TEST_CASE("The probe in float32 converges and copes with constant dimensions") {
  EvalData data = clustered_data();
  const Tensor constant = full({600, 2}, 0.7);
  ProbeFitter fitter(concat({data.train.features, constant}, 1), data.train.labels, 4,
                     ProbeScaling::per_dimension);
  const LinearProbe probe = fitter.fit(1e-3);
  CHECK(probe.converged);
  CHECK(probe.iterations < 60);
  for (double value : values(slice(probe.weight, 0, 12, 14))) CHECK(value == 0);
  CHECK(accuracy(probe(concat({data.train.features, constant}, 1)), data.train.labels) > 0.8);
}

TEST_CASE("Draws are fixed, balanced and nested; the holdout is a partition") {
  const Tensor labels = clustered_data().train.labels;
  std::vector<std::int64_t> first;
  for (std::int64_t draw = 0; draw < 3; ++draw) {
    const Tensor rows = draw_labels(labels, 4, 20, 0, draw), again = draw_labels(labels, 4, 20, 0, draw);
    const Tensor fewer = draw_labels(labels, 4, 5, 0, draw);
    const std::vector<std::int64_t> list(rows.data<std::int64_t>(), rows.data<std::int64_t>() + rows.numel());
    CHECK(list == std::vector<std::int64_t>(again.data<std::int64_t>(), again.data<std::int64_t>() + 80));
    CHECK(std::is_sorted(list.begin(), list.end()));
    CHECK(std::adjacent_find(list.begin(), list.end()) == list.end());
    CHECK(
        std::includes(list.begin(), list.end(), fewer.data<std::int64_t>(), fewer.data<std::int64_t>() + 20));
    std::vector<int> of_class(4, 0);
    for (const std::int64_t row : list)
      ++of_class[static_cast<std::size_t>(labels.data<std::int64_t>()[row])];
    CHECK(of_class == std::vector<int>(4, 20));
    if (draw > 0) CHECK(list != first);
    first = list;
  }
  CHECK_THROWS_AS(draw_labels(labels, 4, 400, 0, 0), InputError);

  const Holdout split = draw_holdout(100, 30, 9);
  std::vector<std::int64_t> joined = split.train;
  joined.insert(joined.end(), split.held_out.begin(), split.held_out.end());
  std::sort(joined.begin(), joined.end());
  std::vector<std::int64_t> everything(100);
  std::iota(everything.begin(), everything.end(), std::int64_t{0});
  CHECK(split.held_out.size() == 30);
  CHECK(joined == everything);
  CHECK(draw_holdout(100, 30, 9).held_out == split.held_out);
  CHECK(draw_holdout(100, 30, 10).held_out != split.held_out);
}

TEST_CASE("The protocol learns the clusters, the same at any thread count") {
  const EvalData data = clustered_data();
  const int threads = thread_count();
  std::vector<std::vector<double>> results;
  for (const int count : {1, 2}) {
    set_thread_count(count);
    auto& result = results.emplace_back();
    for (const std::int64_t per_class : {0, 20}) {
      const auto knn = judge_knn(data, per_class);
      const auto linear = judge_linear(data, per_class);
      CHECK(knn.test.mean > 0.7);
      CHECK(linear.test.mean > 0.7);
      CHECK((linear.test.std > 0) == (per_class > 0));
      for (const double value : {knn.held_out, knn.test.mean, knn.test.std, knn.setting.temperature,
                                 linear.held_out, linear.test.mean, linear.test.std,
                                 linear.setting.weight_decay, static_cast<double>(knn.setting.k)})
        result.push_back(value);
    }
  }
  set_thread_count(threads);
  CHECK(results[0] == results[1]);
}

TEST_CASE("Settings are chosen on the held-out images, never on the test images") {
  EvalData data = clustered_data();
  // A test set that would choose otherwise: its labels are nonsense.
  Generator generator(21);
  EvalData nonsense = data;
  nonsense.test.labels = random_labels(300, 4, generator);
  const auto a = judge_knn(data, 20), b = judge_knn(nonsense, 20);
  CHECK(a.setting.k == b.setting.k);
  CHECK(a.setting.temperature == b.setting.temperature);
  CHECK(a.held_out == b.held_out);
  CHECK(b.test.mean < 0.5);
  CHECK(judge_linear(data, 20).held_out == judge_linear(nonsense, 20).held_out);

  // A mean far from the origin hides every direction: only centred kNN can see the clusters.
  for (LabelledFeatures* part : {&data.train, &data.held_out, &data.test})
    part->features = part->features + 1000.0;
  CHECK(judge_knn(data, 0).setting.centred);
}

TEST_CASE("The standard deviation is the sample's") {
  const Score score = score_of({1, 2, 3, 4});
  CHECK(score.mean == doctest::Approx(2.5));
  CHECK(score.std == doctest::Approx(std::sqrt(5.0 / 3)));
  CHECK(score_of({0.5}).std == 0);
}

TEST_CASE("Extraction leaves batch norm and the mode alone, and the batch size doesn't matter") {
  Generator generator(4);
  const Tensor images = normal({10, 4, 4, 3}, generator, 2, 3);
  const ImageSource source = [&](std::int64_t begin, std::int64_t end) {
    return slice(images, 0, begin, end);
  };
  TinyEncoder encoder;
  encoder(images);
  const auto before = values(encoder.norm.running_mean), variance = values(encoder.norm.running_var);
  const Tensor features = extract_features(encoder, source, 10, 3);
  CHECK(values(encoder.norm.running_mean) == before);
  CHECK(values(encoder.norm.running_var) == variance);
  CHECK(encoder.training());
  CHECK(encoder.norm.training());
  CHECK(values(features) == values(extract_features(encoder, source, 10, 10)));
  CHECK_FALSE(features.requires_grad());
}

TEST_CASE("Batch-norm statistics are plain averages over the batches") {
  Generator generator(4);
  const Tensor images = normal({11, 4, 4, 3}, generator, 2, 3, float32);
  const ImageSource source = [&](std::int64_t begin, std::int64_t end) {
    return slice(images, 0, begin, end);
  };
  TinyEncoder encoder;
  encoder.eval();
  estimate_batch_norm(encoder, source, 11, 4);
  Tensor mean_sum = zeros({3}), var_sum = zeros({3});
  for (const std::int64_t begin : {0, 4}) {
    const Tensor pixels = reshape(slice(images, 0, begin, begin + 4), {64, 3});
    mean_sum = mean_sum + mean(pixels, {0});
    var_sum = var_sum + var(pixels, {0});
  }
  CHECK(largest_difference(values(encoder.norm.running_mean), values(mean_sum / 2.0)) < 1e-5);
  CHECK(largest_difference(values(encoder.norm.running_var), values(var_sum / 2.0)) < 1e-4);
  CHECK(encoder.norm.options.momentum == 0.1);
  CHECK_FALSE(encoder.training());
}
