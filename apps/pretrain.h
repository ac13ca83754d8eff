#pragma once
// Pre-training as a function: the command, the demo and tests call it.

#include <filesystem>
#include <optional>

#include "apps/run_config.h"
#include "data/dataset.h"
#include "ssl/collapse.h"

namespace tsr {

struct PretrainOptions {
  RunConfig config;
  std::filesystem::path out;          ///< the run's folder (apps/run_folder.h)
  bool resume = false;                ///< go on with the run in it, if there is one
  int workers = 1;                    ///< loader threads; 0 makes batches between the steps
  std::int64_t checkpoint_every = 0;  ///< steps; 0 stands for every two minutes. There is one at the end too
  bool quiet = false;                 ///< show no progress
  DatasetPtr dataset;                 ///< instead of opening config.data
};

struct PretrainSummary {
  std::int64_t steps = 0;     ///< of the whole run
  std::int64_t images = 0;    ///< that this call has seen, each sample counted once a step
  double seconds = 0;         ///< that this call has trained
  double loss = 0;            ///< of the last step; 0 when nothing was left to do
  double collapsed_loss = 0;  ///< what a collapsed run would show
  std::optional<CollapseMeter> collapse;
  std::filesystem::path model;  ///< the encoder's file
};

/// Trains config.method on config.data and leaves the encoder in out/model.safetensors. The same config gives
/// the same bytes there, whatever the threads, the workers and the interruptions. Throws InputError before
/// anything is made when the configuration makes no sense; Error when the loss is not finite, the disk
/// refuses, or SIGINT or SIGTERM asked for a stop (then after a checkpoint).
PretrainSummary pretrain(PretrainOptions options);

}  // namespace tsr
