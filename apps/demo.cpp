// tessera demo: SimCLR from nothing, and an honest look at what it has learnt.
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/command.h"
#include "apps/commands.h"
#include "apps/demo_picture.h"
#include "apps/demo_results.h"
#include "apps/features.h"
#include "apps/pretrain.h"
#include "apps/progress.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

constexpr const char* kPreset = "quick";
constexpr std::int64_t kSteps = 600;  // four minutes on two cores with AVX2
constexpr std::int64_t kBatchNormImages = 10'240;

struct DemoCommand {
  std::string data, out = "runs/demo";
  std::int64_t steps = kSteps, train_images = 0, test_images = 0;
  std::uint64_t seed = 0;
  bool resume = false;
};

using Clock = std::chrono::steady_clock;

DatasetPtr first_images(const DatasetPtr& dataset, std::int64_t count) {
  if (count == 0 || count >= dataset->size()) return dataset;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  return subset(dataset, std::move(rows));
}

/// Fashion-MNIST, or with a word about why not, shapes.
std::string default_data() {
  try {
    open_dataset("fashion-mnist", Split::train);
    return "fashion-mnist";
  } catch (const InputError& error) {
    std::cout << error.what() << "\nFashion-MNIST can't be had here, so this demo uses 'shapes', which are "
              << "drawn by a program: its figures say little about real images.\n\n";
    return "shapes";
  }
}

EvalSplits open_splits(const DemoCommand& o, const std::string& data) {
  EvalSplits splits =
      split_for_evaluation(first_images(open_dataset(data, Split::train), o.train_images),
                           first_images(open_dataset(data, Split::test), o.test_images), {.seed = o.seed});
  // Too few labels should be known before the training, not after it.
  const Tensor rows = from_values(splits.rows.train, {static_cast<std::int64_t>(splits.rows.train.size())});
  const Tensor labels = index_select(labels_of(*splits.all_train), 0, rows);
  const auto classes = static_cast<std::int64_t>(splits.all_train->class_names().size());
  for (const std::int64_t per_class : kDemoBudgets)
    if (per_class > 0) draw_labels(labels, classes, per_class, o.seed, 0);
  return splits;
}

/// Takes away what an earlier demo left, so that a new one can begin.
void clear_folder(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / "config.json")) return;
  for (const char* name : {"summary.json", "neighbours.png", "model.safetensors", "checkpoint.safetensors",
                           "timings.jsonl", "metrics.jsonl", "config.json"})
    std::filesystem::remove(folder / name);
}

PretrainOptions training(const DemoCommand& o, const EvalSplits& splits, const std::string& data) {
  PretrainOptions options;
  apply_layer(options.config, find_preset(kPreset), kPreset);
  options.config.method = "simclr";
  options.config.data = data;
  options.config.steps = o.steps;
  options.config.seed = o.seed;
  options.out = o.out;
  options.resume = o.resume;
  options.dataset = splits.all_train;
  return options;
}

/// Seconds of training in a run's folder: the clock starts anew with every resumption.
double training_seconds(const std::filesystem::path& folder) {
  std::ifstream in(folder / "timings.jsonl");
  double total = 0, last = 0;
  for (std::string line; std::getline(in, line);) {
    const double seconds = nlohmann::json::parse(line).at("seconds").get<double>();
    if (seconds < last) total += last;
    last = seconds;
  }
  return total + last;
}

/// Trains; returns the trained encoder and how long it took.
std::pair<EncoderModel, double> train(const DemoCommand& o, const EvalSplits& splits,
                                      const std::string& data) {
  const DatasetPtr& set = splits.all_train;
  std::cout << "1. SimCLR on " << data << ": " << set->size() << " images without their labels, " << o.steps
            << " steps, into " << o.out << std::endl;
  const PretrainSummary summary = pretrain(training(o, splits, data));
  const double seconds = training_seconds(o.out);
  std::cout << "   trained " << clock_text(seconds);
  if (summary.images > 0)
    std::cout << "; loss " << summary.loss << " (collapsed: " << summary.collapsed_loss << ")";
  std::cout << std::endl;
  return {load_encoder(summary.model), seconds};
}

/// The weights that training began with, and batch-norm statistics of real images.
EncoderModel untrained_encoder(const ModelInfo& info, std::uint64_t seed, const Dataset& images) {
  seed_init(seed);
  EncoderModel model = new_encoder(info);
  estimate_batch_norm(*model.encoder, central_views(info, images), std::min(images.size(), kBatchNormImages));
  return model;
}

void judge(DemoResults& results, const std::string& name, const EvalData& data,
           const ProtocolOptions& options) {
  const auto start = Clock::now();
  std::cout << "   " << name << ", " << data.train.features.size(1) << " features: " << std::flush;
  results.judge(name, data, options);
  std::cout << "judged in " << clock_text(seconds_since(start)) << std::endl;
}

void run(const DemoCommand& o) {
  TSR_CHECK_INPUT(o.steps >= 1, "--steps: ", o.steps, ": must be at least 1");
  TSR_CHECK_INPUT(o.train_images >= 0 && o.test_images >= 0,
                  "--train-images, --test-images: must not be negative");
  const std::string data = o.data.empty() ? default_data() : o.data;
  const EvalSplits splits = open_splits(o, data);
  if (!o.resume) clear_folder(o.out);
  auto [trained, seconds] = train(o, splits, data);

  const ProtocolOptions protocol{.seed = o.seed};
  DemoResults results;
  results.train_seconds = seconds;
  std::cout << "2. Judging frozen features: settings chosen on " << splits.rows.held_out.size()
            << " held-out training images, classifiers learnt from the other " << splits.rows.train.size()
            << ", " << splits.test->size() << " test images read once" << std::endl;
  judge(results, "raw", pixel_data(splits), protocol);
  EncoderModel untrained = untrained_encoder(trained.info, o.seed, *splits.all_train);
  judge(results, "untrained", encoder_data(untrained, splits), protocol);
  const EvalData features = encoder_data(trained, splits);
  judge(results, "trained", features, protocol);

  const std::filesystem::path out = o.out;
  write_summary(out / "summary.json", results);
  write_neighbours(out / "neighbours.png", splits, features);
  std::cout << "3. Test accuracy in per cent; with few labels mean ± standard deviation over "
            << protocol.draws << " draws\n\n"
            << table_of(results) << "\nsettings, chosen on held-out images:\n"
            << settings_of(results) << "\nnumbers: " << (out / "summary.json").string()
            << "\npicture: " << (out / "neighbours.png").string() << '\n';
}

}  // namespace

void add_demo_command(Command& tessera) {
  Command command = tessera.subcommand(
      "demo", "Train SimCLR on Fashion-MNIST for minutes; show what its features are worth");
  const auto o = std::make_shared<DemoCommand>();
  command.option("--data", &o->data, "SPEC", "another labelled data set (as for pretrain)");
  command.option("--out", &o->out, "DIR", "the run's folder (default runs/demo); an earlier demo in it goes");
  command.option("--steps", &o->steps, "N", text("optimiser steps (default ", kSteps, ")"));
  command.option("--seed", &o->seed, "S", "of weights, views and draws (default 0)");
  command.option("--train-images", &o->train_images, "N", "use only the first N (default: all)");
  command.option("--test-images", &o->test_images, "N", "use only the first N (default: all)");
  command.flag("--resume", o->resume, "go on with an interrupted demo");
  command.threads_option();
  command.action([o] { run(*o); });
}

}  // namespace tsr
