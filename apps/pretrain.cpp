#include "apps/pretrain.h"

#include <chrono>

#include "apps/augmentations.h"
#include "apps/interrupt.h"
#include "apps/model_io.h"
#include "apps/progress.h"
#include "apps/run_folder.h"
#include "data/loader.h"
#include "nn/state.h"
#include "ssl/trainer.h"
#include "tensor/kernel.h"

namespace tsr {
namespace {

constexpr std::int64_t kStatisticsSample = 1024;  // images that the pixel statistics are taken from
constexpr std::int64_t kCollapseEvery = 50;       // steps between two looks at the embeddings
constexpr double kCheckpointSeconds = 120, kTimingSeconds = 5;

using Clock = std::chrono::steady_clock;
/// Setting read: doors, which matrix products and convolutions a CUDA device calls: the library's (default on
/// cuda) or our own (default on emu, where plain kernels stand in for a library). The CPU has its own
/// whatever it says, so that a run of another device can be repeated there.
void choose_doors(Device device, Settings& settings) {
  if (device == Device::cpu && !settings.has("doors")) return;
  const std::string variant = settings.choice("doors", device == Device::cuda ? "library" : "handwritten",
                                              {"library", "handwritten"});
  if (device != Device::cpu) choose_variant(device, variant);
}

/// Setting read: views_on, whether the host makes a batch's views (default), or the device by what the host
/// has drawn. It leaves the draws as they are; the views differ by rounding, and on the CPU not at all.
bool makes_views_on_device(Device device, Settings& settings) {
  if (device == Device::cpu && !settings.has("views_on")) return false;
  return settings.choice("views_on", "host", {"host", "device"}) == "device";
}

/// A run in progress: what it is made of, and one step after another.
class Run {
 public:
  explicit Run(PretrainOptions options);
  PretrainSummary train();
  void state(State& s);

 private:
  void make_method();
  void make_loader();
  void check_view_sizes(const std::vector<AugmentationPtr>& views);
  nlohmann::json describe_run() const;
  void restore();
  void step();
  void log(const StepReport& report, const Batch& batch);
  void show(const StepReport& report, bool last);
  void checkpoint();
  bool checkpoint_due() const;
  bool done() const { return trainer_->steps_done() == total_steps_; }

  PretrainOptions options_;
  Precision precision_;
  Device device_;
  const MethodInfo& method_info_;
  DatasetPtr dataset_;
  ModelInfo model_info_;
  std::unique_ptr<Method> method_;
  std::unique_ptr<Loader> loader_;
  std::vector<AugmentationPtr> device_views_;  ///< that the device makes; else none
  std::int64_t total_steps_ = 0;
  std::unique_ptr<Trainer> trainer_;
  std::optional<RunFolder> folder_;
  std::optional<JsonLines> metrics_, timings_;
  Progress progress_;
  PretrainSummary summary_;
  Clock::time_point start_, saved_, timed_;
};

Run::Run(PretrainOptions options)
    : options_(std::move(options)),
      precision_(precision_from_name(options_.config.precision)),
      device_(device_from_name(options_.config.device)),
      method_info_(find_method(options_.config.method)),
      progress_(options_.quiet) {
  RunConfig& config = options_.config;
  apply_defaults(method_info_, config.arch, config.settings);
  choose_doors(device_, config.settings);
  dataset_ = options_.dataset ? options_.dataset : open_dataset(config.data, Split::train);
  make_method();
  make_loader();
  total_steps_ = config.steps > 0 ? config.steps : config.epochs * loader_->batches_per_epoch();
  trainer_ = std::make_unique<Trainer>(*method_,
                                       TrainerOptions{.batch_size = config.batch_size,
                                                      .steps_per_epoch = loader_->batches_per_epoch(),
                                                      .total_steps = total_steps_,
                                                      .compute = precision_.compute},
                                       config.settings);
  config.settings.check_all_read();
  folder_.emplace(options_.out, options_.resume, describe_run());
  restore();
}

void Run::make_method() {
  RunConfig& config = options_.config;
  ModelInfo info{.arch = config.arch,
                 .settings = {},
                 .channels = dataset_->channels(),
                 .image_size = view_size(*dataset_, config.settings),
                 .normalization = pixel_statistics(*dataset_, kStatisticsSample),
                 .method = config.method,
                 .data = dataset_->name()};
  seed_init(config.seed);
  seed_layers(config.seed);
  EncoderModel model = new_encoder(std::move(info), config.settings);
  if (!config.from.empty()) load_encoder_weights(*model.encoder, config.from);
  model_info_ = std::move(model.info);
  method_ = tsr::make_method(method_info_, std::move(model.encoder), config.settings, config.seed);
  method_->to(precision_.parameters);
  method_->to(device_);
}

void Run::make_loader() {
  RunConfig& config = options_.config;
  LoaderConfig loader{
      .batch_size = config.batch_size,
      .views = make_augmentations(method_info_.augmentation, view_plan(method_info_, config.settings),
                                  model_info_.image_size, model_info_.normalization, config.settings),
      .seed = config.seed,
      .workers = options_.workers,
      .raw = makes_views_on_device(device_, config.settings)};
  check_view_sizes(loader.views);
  if (loader.raw) device_views_ = loader.views;
  loader_ = std::make_unique<Loader>(dataset_, std::move(loader));
}

void Run::check_view_sizes(const std::vector<AugmentationPtr>& views) {
  const std::int64_t multiple = method_->encoder().size_multiple();
  for (const AugmentationPtr& view : views)
    TSR_CHECK_INPUT(view->size() % multiple == 0, "views of ", view->size(),
                    " pixels: ", options_.config.arch, " takes multiples of ", multiple,
                    "; see the settings image_size, local_size and patch");
}

nlohmann::json Run::describe_run() const {
  nlohmann::json json = to_json(options_.config);
  json["derived"] = {{"samples", dataset_->size()},
                     {"channels", model_info_.channels},
                     {"mean", model_info_.normalization.mean},
                     {"std", model_info_.normalization.std},
                     {"steps_per_epoch", loader_->batches_per_epoch()},
                     {"total_steps", total_steps_},
                     {"parameters", parameter_count(*method_)}};
  return json;
}

void Run::restore() {
  if (folder_->has_checkpoint()) {
    folder_->keep();
    load_state(folder_->checkpoint(), *this);
    TSR_CHECK_INPUT(trainer_->steps_done() <= total_steps_, folder_->checkpoint().string(), ": is of step ",
                    trainer_->steps_done(), " but the run has only ", total_steps_);
  }
  metrics_.emplace(folder_->metrics());
  metrics_->open_after(trainer_->steps_done());
  timings_.emplace(folder_->timings());
  timings_->open_at_end();
}

void Run::state(State& s) {
  s.child("trainer", *trainer_);
  s.generator("init", init_generator());
  LoaderPosition position = loader_->position();
  s.integer("loader.epoch", position.epoch);
  s.integer("loader.batch", position.batch);
  if (s.reading()) loader_->seek(position);
}

PretrainSummary Run::train() {
  const InterruptGuard interrupt;
  method_->train();
  start_ = saved_ = timed_ = Clock::now();
  while (!done()) {
    step();
    if (done() || checkpoint_due() || interrupt.requested()) checkpoint();
    TSR_CHECK(!interrupt.requested() || done(), "pretrain: stopped at step ", trainer_->steps_done(), " of ",
              total_steps_, "; the same command with --resume goes on from there");
  }
  summary_.steps = total_steps_;
  summary_.seconds = seconds_since(start_);
  summary_.model = folder_->model();
  save_encoder(summary_.model, method_->encoder(), model_info_);
  return summary_;
}

void Run::step() {
  Batch batch = loader_->next();
  if (!device_views_.empty()) batch.views = views_on(device_, batch.raw, device_views_, dataset_->channels());
  for (Tensor& view : batch.views) view = view.to(precision_.parameters).to(device_);
  const StepReport report = trainer_->step(batch);
  summary_.images += batch.ids.numel();
  summary_.loss = report.loss;
  summary_.collapsed_loss = method_->collapsed_loss(report.samples_per_loss);
  log(report, batch);
  show(report, done());
}

void Run::log(const StepReport& report, const Batch& batch) {
  const std::int64_t step = trainer_->steps_done();
  nlohmann::ordered_json line{{"step", step - 1},
                              {"epoch", batch.epoch},
                              {"loss", report.loss},
                              {"collapsed_loss", summary_.collapsed_loss},
                              {"learning_rate", report.learning_rate},
                              {"gradient_norm", report.gradient_norm}};
  for (const Meter& meter : method_->meters) line[meter.name] = meter.value;
  if (report.loss_scale) {
    line["loss_scale"] = *report.loss_scale;
    line["skipped"] = report.skipped;
  }
  if ((step - 1) % kCollapseEvery == 0 || done()) {
    summary_.collapse = measure_collapse(method_->embeddings);
    line["embedding_std"] = summary_.collapse->std;
    line["effective_rank"] = summary_.collapse->effective_rank;
  }
  metrics_->write(line);
}

void Run::show(const StepReport& report, bool last) {
  const double seconds = seconds_since(start_);
  const std::int64_t step = trainer_->steps_done(), per_epoch = loader_->batches_per_epoch();
  const double rate = static_cast<double>(summary_.images) / seconds;
  const double wait = loader_->seconds_waited() / seconds;
  if (last || seconds_since(timed_) >= kTimingSeconds) {
    timings_->write(
        {{"step", step - 1}, {"seconds", seconds}, {"images_per_second", rate}, {"wait_share", wait}});
    timed_ = Clock::now();
  }
  if (!progress_.due(last)) return;
  const auto left = static_cast<double>((total_steps_ - step) * options_.config.batch_size);
  progress_.show({.step = step,
                  .total_steps = total_steps_,
                  .epoch = (step - 1) / per_epoch + 1,
                  .epochs = (total_steps_ - 1) / per_epoch + 1,
                  .loss = report.loss,
                  .collapsed_loss = summary_.collapsed_loss,
                  .learning_rate = report.learning_rate,
                  .images_per_second = rate,
                  .wait_share = wait,
                  .seconds_left = left / rate,
                  .collapse = summary_.collapse,
                  .meters = method_->meters});
}

bool Run::checkpoint_due() const {
  if (options_.checkpoint_every > 0) return trainer_->steps_done() % options_.checkpoint_every == 0;
  return seconds_since(saved_) >= kCheckpointSeconds;
}

void Run::checkpoint() {
  metrics_->sync();  // the checkpoint must never be ahead of its metrics
  save_state(folder_->checkpoint(), *this);
  folder_->keep();
  saved_ = Clock::now();
}

}  // namespace

PretrainSummary pretrain(PretrainOptions options) {
  TSR_CHECK_INPUT(options.checkpoint_every >= 0, "--checkpoint-every: ", options.checkpoint_every,
                  ": must not be negative");
  Run run(std::move(options));
  return run.train();
}

}  // namespace tsr
