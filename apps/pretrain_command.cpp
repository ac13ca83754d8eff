// tessera pretrain: the command line of a run.
#include <functional>
#include <iostream>
#include <memory>
#include <optional>

#include "apps/command.h"
#include "apps/commands.h"
#include "apps/pretrain.h"
#include "apps/progress.h"
#include "ssl/encoders.h"
#include "ssl/method.h"

namespace tsr {
namespace {

/// An option that is a field of the configuration: when given, it lands in `layer`.
template <class T>
void add(Command& command, nlohmann::json& layer, const char* name, const char* field, const char* type,
         const std::string& help) {
  const std::function<void(T)> set = [&layer, field](T value) { layer[field] = value; };
  command.option(name, set, type, help);
}

void add_config_options(Command& command, nlohmann::json& layer) {
  using Word = const std::string&;
  using Count = std::int64_t;
  add<Word>(command, layer, "--data", "data", "SPEC",
            joined(dataset_specs()) + "; a folder is flat or has one for each class");
  add<Word>(command, layer, "--arch", "arch", "A", joined(encoder_names()) + " (default resnet18)");
  add<Count>(command, layer, "--epochs", "epochs", "N", "passes over the data (default 100)");
  add<Count>(command, layer, "--steps", "steps", "N", "optimiser steps, instead of epochs");
  add<Count>(command, layer, "--batch-size", "batch_size", "B", "samples a step (default 256)");
  add<Count>(command, layer, "--seed", "seed", "S", "of weights, order and views (default 0)");
  add<Word>(command, layer, "--device", "device", "D",
            "cpu (default); emu, CUDA kernels on the CPU; cuda, a GPU");
  add<Word>(command, layer, "--precision", "precision", "P",
            "fp32 (default), fp64; bf16, fp16: float32 weights, forward in 16 bits");
  add<Word>(command, layer, "--from", "from", "FILE",
            "start from these encoder weights: a run's folder, or a file with torchvision's names");
}

struct PretrainCommand {
  nlohmann::json layer = nlohmann::json::object();
  std::string method, preset, config, out;
  std::vector<std::string> settings;
  PretrainOptions run;
};

RunConfig resolve(const PretrainCommand& o) {
  RunConfig config;
  if (!o.preset.empty()) apply_layer(config, find_preset(o.preset), "--preset " + o.preset);
  if (!o.config.empty()) apply_layer(config, read_layer(o.config), o.config);
  TSR_CHECK_INPUT(o.method.empty() || config.method.empty() || config.method == o.method,
                  o.config.empty() ? "--preset " + o.preset : o.config, ": method is '", config.method,
                  "' but the command says '", o.method, "'");
  if (!o.method.empty()) config.method = o.method;
  apply_layer(config, o.layer, "");
  for (const std::string& assignment : o.settings) config.settings.assign(assignment);
  if (config.method.empty()) throw MissingOption{"METHOD"};
  if (config.data.empty()) throw MissingOption{"--data"};
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

void run(PretrainCommand o) {
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

void add_pretrain_command(Command& tessera) {
  Command command = tessera.subcommand("pretrain", "Train an encoder without labels");
  const auto o = std::make_shared<PretrainCommand>();
  command.option("METHOD", &o->method, "", joined(method_names()));
  add_config_options(command, o->layer);
  command.option("--preset", &o->preset, "P", joined(preset_names()));
  command.option("--config", &o->config, "F.json",
                 "a JSON file of options; a run's config.json repeats the run");
  command.option("--set", &o->settings, "key=value", "a setting of the method, its training or augmentation");
  command.option("--out", &o->out, "DIR", "the run's folder (default runs/METHOD-DATA)");
  command.flag("--resume", o->run.resume, "go on with the run in that folder, if there is one");
  command.option("--checkpoint-every", &o->run.checkpoint_every, "N", "steps (default: every two minutes)");
  command.option("--workers", &o->run.workers, "N", "threads that prepare batches (default 1)");
  command.threads_option();
  command.footer("Later ones win: preset, config file, options.");
  command.action([o] { run(*o); });
}

}  // namespace tsr
