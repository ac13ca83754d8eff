#include "ssl/eval/protocol.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/ops.h"
#include "tensor/random.h"

namespace tsr {
namespace {

enum Stream : std::uint64_t { holdout_stream, label_stream };

/// What the classifiers of each draw learn from.
std::vector<LabelledFeatures> training_draws(const EvalData& data, std::int64_t per_class,
                                             const ProtocolOptions& options) {
  if (per_class == 0) return {data.train};
  std::vector<LabelledFeatures> draws;
  for (std::int64_t draw = 0; draw < options.draws; ++draw) {
    const Tensor rows = draw_labels(data.train.labels, data.classes, per_class, options.seed, draw);
    draws.push_back({index_select(data.train.features, 0, rows), index_select(data.train.labels, 0, rows)});
  }
  return draws;
}

/// Bank and queries as unit vectors, both centred by the bank's mean or not at all.
Neighbours search(const LabelledFeatures& bank, const LabelledFeatures& queries, std::int64_t k,
                  bool centred) {
  const Tensor centre = centred ? feature_mean(bank.features) : Tensor();
  return nearest_neighbours(unit_features(queries.features, centre), unit_features(bank.features, centre), k);
}

/// The ks that a bank of `rows` allows; its size when it is smaller than all of them.
std::vector<std::int64_t> possible_ks(const std::vector<std::int64_t>& ks, std::int64_t rows) {
  std::vector<std::int64_t> possible;
  for (std::int64_t k : ks)
    if (k <= rows) possible.push_back(k);
  if (possible.empty()) possible.push_back(rows);
  return possible;
}

/// Keeps the first of the best.
template <class Setting>
struct Best {
  std::optional<Judged<Setting>> judged;

  void offer(const Setting& setting, double held_out) {
    if (!judged || held_out > judged->held_out) judged = Judged<Setting>{setting, held_out, {}};
  }
};

void check_options(const EvalData& data, const ProtocolOptions& o) {
  TSR_CHECK(data.classes >= 2, "evaluation: ", data.classes, " classes; at least 2 are needed");
  TSR_CHECK(o.draws >= 1 && !o.ks.empty() && !o.temperatures.empty() && !o.centred.empty() &&
                !o.weight_decays.empty() && !o.scalings.empty(),
            "evaluation: no draws, or an empty grid");
  TSR_CHECK(std::is_sorted(o.ks.begin(), o.ks.end()) && o.ks.front() >= 1,
            "evaluation: the ks must rise from at least 1");
}

}  // namespace

Holdout draw_holdout(std::int64_t count, std::int64_t held_out, std::uint64_t seed) {
  TSR_CHECK(held_out > 0 && held_out < count, "draw_holdout: ", held_out, " of ", count,
            " images; some must be held out and some remain");
  Generator generator = Generator(seed).fork(holdout_stream);
  const Tensor order = permutation(count, generator);
  const std::int64_t* first = order.data<std::int64_t>();
  Holdout result{{first + held_out, first + count}, {first, first + held_out}};
  std::sort(result.train.begin(), result.train.end());
  std::sort(result.held_out.begin(), result.held_out.end());
  return result;
}

Tensor draw_labels(const Tensor& labels, std::int64_t classes, std::int64_t per_class, std::uint64_t seed,
                   std::int64_t draw) {
  Generator generator = Generator(seed).fork(label_stream).fork(static_cast<std::uint64_t>(draw));
  const Tensor order = permutation(labels.numel(), generator);
  std::vector<std::int64_t> taken(static_cast<std::size_t>(classes), 0), rows;
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    const std::int64_t row = order.data<std::int64_t>()[i];
    std::int64_t& count = taken[static_cast<std::size_t>(labels.data<std::int64_t>()[row])];
    if (count == per_class) continue;
    ++count;
    rows.push_back(row);
  }
  for (std::int64_t c = 0; c < classes; ++c)
    TSR_CHECK_INPUT(taken[static_cast<std::size_t>(c)] == per_class, per_class, " labels per class: class ",
                    c, " has only ", taken[static_cast<std::size_t>(c)], " training images");
  std::sort(rows.begin(), rows.end());
  return from_values(rows, {static_cast<std::int64_t>(rows.size())});
}

Score score_of(const std::vector<double>& accuracies) {
  Score score;
  const auto count = static_cast<double>(accuracies.size());
  for (double value : accuracies) score.mean += value / count;
  for (double value : accuracies) score.std += (value - score.mean) * (value - score.mean);
  score.std = accuracies.size() > 1 ? std::sqrt(score.std / (count - 1)) : 0;
  return score;
}

Judged<KnnSetting> judge_knn(const EvalData& data, std::int64_t per_class, const ProtocolOptions& options) {
  check_options(data, options);
  NoGrad guard;
  const auto draws = training_draws(data, per_class, options);
  const auto ks = possible_ks(options.ks, draws.front().labels.numel());
  Best<KnnSetting> best;
  for (const bool centred : options.centred) {
    std::vector<std::vector<double>> mean(ks.size(), std::vector<double>(options.temperatures.size()));
    for (const LabelledFeatures& bank : draws) {
      const auto accuracies = knn_accuracies(search(bank, data.held_out, ks.back(), centred), bank.labels,
                                             data.classes, data.held_out.labels, ks, options.temperatures);
      for (std::size_t i = 0; i < ks.size(); ++i)
        for (std::size_t t = 0; t < options.temperatures.size(); ++t)
          mean[i][t] += accuracies[i][t] / static_cast<double>(draws.size());
    }
    for (std::size_t i = 0; i < ks.size(); ++i)
      for (std::size_t t = 0; t < options.temperatures.size(); ++t)
        best.offer({ks[i], options.temperatures[t], centred}, mean[i][t]);
  }
  const KnnSetting& chosen = best.judged->setting;
  std::vector<double> test;
  test.reserve(draws.size());
  for (const LabelledFeatures& bank : draws)
    test.push_back(accuracy(knn_classify(search(bank, data.test, chosen.k, chosen.centred), bank.labels,
                                         data.classes, chosen.k, chosen.temperature),
                            data.test.labels));
  best.judged->test = score_of(test);
  return *best.judged;
}

Judged<ProbeSetting> judge_linear(const EvalData& data, std::int64_t per_class,
                                  const ProtocolOptions& options) {
  check_options(data, options);
  const auto draws = training_draws(data, per_class, options);
  Best<ProbeSetting> best;
  std::vector<LinearProbe> kept;
  for (const ProbeScaling scaling : options.scalings) {
    std::vector<ProbeFitter> fitters;
    fitters.reserve(draws.size());
    for (const LabelledFeatures& train : draws)
      fitters.emplace_back(train.features, train.labels, data.classes, scaling);
    for (const double decay : options.weight_decays) {
      std::vector<LinearProbe> probes;
      std::vector<double> held_out;
      for (ProbeFitter& fitter : fitters) {
        probes.push_back(fitter.fit(decay));
        held_out.push_back(accuracy(probes.back()(data.held_out.features), data.held_out.labels));
      }
      const double before = best.judged ? best.judged->held_out : -1;
      best.offer({decay, scaling}, score_of(held_out).mean);
      if (best.judged->held_out > before) kept = std::move(probes);
    }
  }
  std::vector<double> test;
  test.reserve(kept.size());
  for (const LinearProbe& probe : kept) test.push_back(accuracy(probe(data.test.features), data.test.labels));
  best.judged->test = score_of(test);
  return *best.judged;
}

}  // namespace tsr
