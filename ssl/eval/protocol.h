#pragma once
// How frozen features are judged: what is drawn, what is chosen on held-out images, what is reported.
//
//   split     some of the training images are held out; the classifiers learn from the rest
//   budgets   all labels of the rest, or so many of each class, in several draws
//   choice    for each representation, classifier and budget alike: every setting of the grid is scored on
//   the
//             held-out images (mean over the draws) and the best, the first of equals, is kept
//   test      the kept setting's classifiers, fitted on the rest's labels as before and never refitted with
//             the held-out images, are scored on the test images, once
//
// Draws depend on the seed and the labels alone, so that every representation meets the same ones.

#include <cstdint>
#include <limits>
#include <vector>

#include "ssl/eval/knn.h"
#include "ssl/eval/linear_probe.h"

namespace tsr {

/// Two parts of 0 … count-1, each in rising order.
struct Holdout {
  std::vector<std::int64_t> train, held_out;
};

/// Draws `held_out` of `count` images. Throws Error unless 0 < held_out < count.
Holdout draw_holdout(std::int64_t count, std::int64_t held_out, std::uint64_t seed);

/// Draw number `draw` of `per_class` images of each class: rows, int64 [classes · per_class], rising. The
/// same draw of a smaller budget is a part of that of a larger one. Throws InputError when a class has fewer.
Tensor draw_labels(const Tensor& labels, std::int64_t classes, std::int64_t per_class, std::uint64_t seed,
                   std::int64_t draw);

/// Features [N, D] with their labels, int64 [N].
struct LabelledFeatures {
  Tensor features, labels;
};

/// One representation of a data set.
struct EvalData {
  LabelledFeatures train, held_out, test;
  std::int64_t classes = 0;
};

struct ProtocolOptions {
  std::uint64_t seed = 0;
  std::int64_t draws = 5;  ///< of budgets short of all labels
  std::vector<std::int64_t> ks{1,  3,  5,   10,
                               20, 50, 100, 200};  ///< rising; those beyond the images are passed over
  std::vector<double> temperatures{0.02, 0.05, 0.1, 0.2, std::numeric_limits<double>::infinity()};
  std::vector<bool> centred{false, true};
  std::vector<double> weight_decays{1,    1e-1, 1e-2,
                                    1e-3, 1e-4, 1e-5};  ///< falling: each fit starts from the last
  std::vector<ProbeScaling> scalings{ProbeScaling::common, ProbeScaling::per_dimension};
};

/// Accuracies of the draws, 0 … 1.
struct Score {
  double mean = 0;
  double std = 0;  ///< of the sample (n - 1); 0 when there is but one
};
Score score_of(const std::vector<double>& accuracies);

template <class Setting>
struct Judged {
  Setting setting;      ///< the one chosen
  double held_out = 0;  ///< its mean accuracy there
  Score test;
};

struct ProbeSetting {
  double weight_decay = 1e-3;
  ProbeScaling scaling = ProbeScaling::common;
};

/// per_class 0: all labels, one fit.
Judged<KnnSetting> judge_knn(const EvalData& data, std::int64_t per_class,
                             const ProtocolOptions& options = {});
Judged<ProbeSetting> judge_linear(const EvalData& data, std::int64_t per_class,
                                  const ProtocolOptions& options = {});

}  // namespace tsr
