#pragma once
// Method: a self-supervised method as the rest of the program sees it, and the list of them.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/draws.h"
#include "nn/encoder.h"
#include "nn/module.h"
#include "ssl/settings.h"
#include "tensor/batch.h"

namespace tsr {

/// Where a run stands; a method's schedules are functions of it.
struct Clock {
  std::int64_t step = 0;  ///< optimiser steps done
  std::int64_t steps_per_epoch = 1, total_steps = 1;

  std::int64_t epoch() const { return step / steps_per_epoch; }
  /// Half a cosine over the run, from `from` at its first step towards `to` at its end.
  double cosine(double from, double to) const;
};

/// A number of the last loss to watch beside it.
struct Meter {
  std::string name;  ///< as in metrics.jsonl: "teacher_entropy"
  double value = 0;
  std::string marks = {};  ///< what to hold it against, in words: "one-hot 0, uniform 8.32"
};

/// A method is the module of all its networks: visit() lists them as encoder, projector, … with whatever
/// buffers must survive a restart.
struct Method : Module {
  /// Reads the settings whose defaults depend on the run's length, which `clock` has by now.
  virtual void plan(Settings&) {}
  /// What happens before a step's first loss. A step has several losses when gradients are accumulated.
  virtual void before_step() {}
  /// The scalar to minimise.
  virtual Tensor loss(const Batch& batch) = 0;
  /// What happens to the gradients, clipped already, before the optimiser takes them.
  virtual void before_update() {}
  /// What happens after the optimiser's step: moving averages, queues.
  virtual void after_step() {}
  /// What pre-training leaves behind.
  virtual Encoder& encoder() = 0;
  /// The loss of a batch of N samples when every feature is the same: what a collapsed run shows.
  virtual double collapsed_loss(std::int64_t samples) const = 0;
  /// The last loss's embeddings, for the collapse meter; [rows, D], unknown to autograd.
  Tensor embeddings;
  std::vector<Meter> meters;  ///< of the last loss
  Clock clock;                ///< kept by the trainer
  /// Where loss takes its random numbers: those that MethodInfo declares.
  Draws draws;
};

/// The views of each sample that a batch carries: first the global ones, then smaller local ones.
struct ViewPlan {
  int global = 2, local = 0;
};

using SettingDefaults = std::vector<std::pair<std::string, std::string>>;

/// An entry of the list of methods.
struct MethodInfo {
  std::string name;
  std::string paper;
  int views = 2;                        ///< views of each sample that a batch carries
  bool multi_crop = false;              ///< and local ones, as many as the setting local_crops says
  std::string augmentation = "simclr";  ///< that makes them, unless the setting says otherwise
  std::vector<DrawInfo> draws = {};     ///< every random draw of loss
  std::unique_ptr<Method> (*make)(std::unique_ptr<Encoder> encoder, Settings& settings) = nullptr;
  /// The paper's defaults for settings that others read (optimiser, encoder, augmentation), by encoder.
  SettingDefaults (*defaults)(std::string_view arch) = nullptr;
};

/// `const RegisterMethod simclr({.name = "simclr", …});` at namespace scope enters a method.
struct RegisterMethod {
  explicit RegisterMethod(MethodInfo info);
};

/// Throws InputError naming the nearest method when there is none of that name.
const MethodInfo& find_method(std::string_view name);
std::vector<std::string> method_names();

/// Makes the method's defaults those of `settings`; to be called before anything reads them.
void apply_defaults(const MethodInfo& info, std::string_view arch, Settings& settings);
/// Setting read, where the method has local views: local_crops (8).
ViewPlan view_plan(const MethodInfo& info, Settings& settings);

/// Builds a method around an encoder; its draws are a stream of `seed`.
std::unique_ptr<Method> make_method(const MethodInfo& info, std::unique_ptr<Encoder> encoder,
                                    Settings& settings, std::uint64_t seed = 0);

}  // namespace tsr
