#include "apps/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "apps/features.h"
#include "autograd/ops.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

constexpr std::int64_t kMostHeldOut = 10'000;

Tensor pixel_features(const Dataset& dataset) {
  const Image first = dataset.image(0);
  const auto size = static_cast<std::int64_t>(first.pixels.size());
  Tensor features = empty({dataset.size(), size});
  parallel_for(dataset.size(), 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Image image = dataset.image(i);
      TSR_CHECK_INPUT(image.height == first.height && image.width == first.width, dataset.name(),
                      ": raw pixels need images of one size, but the first is ", first.width, " × ",
                      first.height, " and number ", i, " is ", image.width, " × ", image.height);
      std::transform(image.pixels.begin(), image.pixels.end(), features.data<float>() + i * size,
                     [](std::uint8_t value) { return static_cast<float>(value) / 255; });
    }
  });
  return features;
}

LabelledFeatures take(const LabelledFeatures& from, const std::vector<std::int64_t>& rows) {
  const Tensor index = from_values(rows, {static_cast<std::int64_t>(rows.size())});
  return {index_select(from.features, 0, index), index_select(from.labels, 0, index)};
}

EvalData assemble(const EvalSplits& splits, const Tensor& train, const Tensor& test) {
  const LabelledFeatures all{train, labels_of(*splits.all_train)};
  return {take(all, splits.rows.train),
          take(all, splits.rows.held_out),
          {test, labels_of(*splits.test)},
          static_cast<std::int64_t>(splits.all_train->class_names().size())};
}

std::string fixed(double value, int digits) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

}  // namespace

EvalSplits split_for_evaluation(DatasetPtr train, DatasetPtr test, const EvalSplitOptions& options) {
  TSR_CHECK_INPUT(train->labelled(), train->name(), ": has no labels, and evaluation needs them; make a ",
                  "folder for each class");
  TSR_CHECK_INPUT(test->size() > 0, test->name(), ": has no test images");
  const std::int64_t count = train->size();
  const std::int64_t held_out = options.held_out > 0 ? options.held_out : std::min(kMostHeldOut, count / 6);
  TSR_CHECK_INPUT(held_out > 0 && held_out < count, train->name(), ": holding out ", held_out, " of ", count,
                  " training images leaves nothing to choose by or to learn from");
  return {std::move(train), std::move(test), draw_holdout(count, held_out, options.seed)};
}

EvalData pixel_data(const EvalSplits& splits) {
  return assemble(splits, pixel_features(*splits.all_train), pixel_features(*splits.test));
}

EvalData encoder_data(EncoderModel& model, const EvalSplits& splits) {
  return assemble(splits, extract_features(model, *splits.all_train), extract_features(model, *splits.test));
}

std::string describe(const KnnSetting& setting) {
  const std::string votes =
      std::isinf(setting.temperature) ? "equal votes" : text("temperature ", setting.temperature);
  return text("k ", setting.k, ", ", votes, setting.centred ? ", centred" : "");
}

std::string describe(const ProbeSetting& setting) {
  return text("weight decay ", setting.weight_decay, ", scale ", name_of(setting.scaling));
}

std::string percent(double share) { return fixed(100 * share, 2); }

std::string percent(const Score& score, bool several) {
  return percent(score.mean) + (several ? " ± " + percent(score.std) : "");
}

}  // namespace tsr
