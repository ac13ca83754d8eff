// tessera pretrain: the command line of a run.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/common_options.h"
#include "apps/pretrain.h"
#include "apps/progress.h"
#include "ssl/encoders.h"
#include "ssl/method.h"

namespace tsr {
namespace {

template <class T>
void add(CLI::App& command, nlohmann::json& layer, const char* name, const char* field, const char* type,
         const std::string& help) {
  command
      .add_option_function<T>(
          name, [&layer, field](const T& value) { layer[field] = value; }, help)
      ->type_name(type);
}

/// The options that are fields of the configuration; each one given lands in `layer`.
void add_config_options(CLI::App& command, nlohmann::json& layer) {
  add<std::string>(command, layer, "--data", "data", "SPEC",
                   joined(dataset_specs()) + "; a folder is flat or has one for each class");
  add<std::string>(command, layer, "--arch", "arch", "A", joined(encoder_names()) + " (default resnet18)");
  add<std::int64_t>(command, layer, "--epochs", "epochs", "N", "passes over the data (default 100)");
  add<std::int64_t>(command, layer, "--steps", "steps", "N", "optimiser steps, instead of epochs");
  add<std::int64_t>(command, layer, "--batch-size", "batch_size", "B", "samples a step (default 256)");
  add<std::int64_t>(command, layer, "--seed", "seed", "S", "of weights, order and views (default 0)");
  add<std::string>(command, layer, "--device", "device", "D",
                   "cpu (default); emu, CUDA kernels on the CPU; cuda, a GPU");
  add<std::string>(command, layer, "--precision", "precision", "P",
                   "fp32 (default), fp64; bf16, fp16: float32 weights, forward in 16 bits");
  add<std::string>(command, layer, "--from", "from", "FILE",
                   "start from these encoder weights: a run's folder, or a file with torchvision's names");
}

struct Options {
  nlohmann::json layer = nlohmann::json::object();
  std::string method, preset, config, out;
  std::vector<std::string> settings;
  PretrainOptions run;
};

RunConfig resolve(const Options& o) {
  RunConfig config;
  if (!o.preset.empty()) apply_layer(config, find_preset(o.preset), "--preset " + o.preset);
  if (!o.config.empty()) apply_layer(config, read_layer(o.config), o.config);
  TSR_CHECK_INPUT(o.method.empty() || config.method.empty() || config.method == o.method,
                  o.config.empty() ? "--preset " + o.preset : o.config, ": method is '", config.method,
                  "' but the command says '", o.method, "'");
  if (!o.method.empty()) config.method = o.method;
  apply_layer(config, o.layer, "");
  for (const std::string& assignment : o.settings) config.settings.assign(assignment);
  if (config.method.empty()) throw CLI::RequiredError("METHOD");
  if (config.data.empty()) throw CLI::RequiredError("--data");
  return config;
}

/// runs/simclr-shapes; a folder's own name stands for its path.
std::filesystem::path default_folder(const RunConfig& config) {
  std::string data = config.data;
  if (data.starts_with("folder:")) {
    std::filesystem::path path = data.substr(7);
    if (!path.has_filename()) path = path.parent_path();
    data = path.filename().string();
  }
  return std::filesystem::path("runs") / (config.method + '-' + data);
}

void run(Options o) {
  o.run.config = resolve(o);
  o.run.out = o.out.empty() ? default_folder(o.run.config) : std::filesystem::path(o.out);
  const PretrainSummary summary = pretrain(o.run);
  std::cout << "trained " << summary.steps << " steps";
  if (summary.images > 0)
    std::cout << " (" << summary.images << " images in " << clock_text(summary.seconds) << " here); loss "
              << summary.loss << ", collapsed it would be " << summary.collapsed_loss;
  std::cout << "\nencoder: " << summary.model.string() << '\n';
}

}  // namespace

void add_pretrain_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("pretrain", "Train an encoder without labels");
  const auto o = std::make_shared<Options>();
  command->add_option("METHOD", o->method, joined(method_names()))->type_name("");
  add_config_options(*command, o->layer);
  command->add_option("--preset", o->preset, joined(preset_names()))->type_name("P");
  command->add_option("--config", o->config, "a JSON file of options; a run's config.json repeats the run")
      ->type_name("F.json");
  command->add_option("--set", o->settings, "a setting of the method, its training or augmentation")
      ->type_name("key=value")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--out", o->out, "the run's folder (default runs/METHOD-DATA)")->type_name("DIR");
  command->add_flag("--resume", o->run.resume, "go on with the run in that folder, if there is one");
  command->add_option("--checkpoint-every", o->run.checkpoint_every, "steps (default: every two minutes)")
      ->type_name("N");
  command->add_option("--workers", o->run.workers, "threads that prepare batches (default 1)")
      ->type_name("N");
  add_threads_option(*command);
  command->footer("Later ones win: preset, config file, options.");
  command->callback([o] { run(*o); });
}

}  // namespace tsr
