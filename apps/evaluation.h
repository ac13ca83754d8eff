#pragma once
// From data sets to what the evaluation protocol judges.

#include <string>

#include "apps/model_io.h"
#include "data/dataset.h"
#include "ssl/eval/protocol.h"

namespace tsr {

struct EvalSplitOptions {
  std::int64_t held_out = 0;  ///< training images set aside for choosing; 0: a sixth, at most 10,000
  std::uint64_t seed = 0;     ///< of which ones
};

/// A labelled data set cut up for evaluation.
struct EvalSplits {
  DatasetPtr all_train;  ///< the whole training split
  DatasetPtr test;
  Holdout rows;  ///< of all_train
};

/// Throws InputError for an unlabelled set, or one too small to hold anything out.
EvalSplits split_for_evaluation(DatasetPtr train, DatasetPtr test, const EvalSplitOptions& options = {});

/// Pixels in 0 … 1 as features, [N, height · width · channels]. Throws InputError when images differ in size.
EvalData pixel_data(const EvalSplits& splits);
/// Features of an encoder.
EvalData encoder_data(EncoderModel& model, const EvalSplits& splits);

/// "k 20, temperature 0.05, centred", "weight decay 0.001, common scale".
std::string describe(const KnnSetting& setting);
std::string describe(const ProbeSetting& setting);
/// "81.23", or with several draws "81.23 ± 0.45": per cent.
std::string percent(double share);
std::string percent(const Score& score, bool several);

}  // namespace tsr
