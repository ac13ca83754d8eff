#include "apps/replay.h"

#include <algorithm>
#include <iostream>
#include <set>

#include "apps/run_config.h"
#include "autograd/checkpoint.h"
#include "autograd/ops.h"
#include "nn/dropout.h"
#include "ssl/encoders.h"
#include "tensor/suggest.h"

namespace tsr {
namespace {

std::string view_name(int view) { return "view" + std::to_string(view); }

const Tensor& need(const TensorMap& tensors, const std::string& file, const std::string& name) {
  const auto found = tensors.find(name);
  TSR_CHECK_INPUT(found != tensors.end(), file, ": tensor '", name, "' is missing");
  return found->second;
}

/// The names that the file of views may hold, and of repeated draws those that it holds.
std::set<std::string> view_file_names(const std::vector<DrawInfo>& draws, int views,
                                      const TensorMap& tensors) {
  std::set<std::string> names{"index", "labels"};
  for (int view = 0; view < views; ++view) names.insert(view_name(view));
  for (const DrawInfo& draw : draws) {
    names.insert(draw.tensor_name());
    for (int call = 0; draw.repeated && tensors.contains(draw.tensor_name(call)); ++call)
      names.insert(draw.tensor_name(call));
  }
  return names;
}

/// Checks views, index and labels against each other; returns the shape of the first view. Views may differ
/// in height and width.
Shape check_views(int views, const TensorMap& tensors, const std::string& file) {
  const Shape first = need(tensors, file, view_name(0)).shape();
  TSR_CHECK_INPUT(first.rank() == 5 && first.numel() > 0, file, ": tensor 'view0' is ", first,
                  " but should be [steps, N, C, H, W], none of them 0");
  for (int view = 0; view < views; ++view) {
    const Tensor& tensor = need(tensors, file, view_name(view));
    const Shape& shape = tensor.shape();
    TSR_CHECK_INPUT(is_floating(tensor.dtype()) && shape.rank() == 5 && shape.numel() > 0 &&
                        std::equal(shape.begin(), shape.begin() + 3, first.begin()),
                    file, ": tensor '", view_name(view), "' is ", describe(tensor), " but should be float32[",
                    first[0], ", ", first[1], ", ", first[2], ", H, W] as view0");
  }
  for (const char* name : {"index", "labels"}) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) continue;
    TSR_CHECK_INPUT(found->second.dtype() == int64 && found->second.shape() == Shape({first[0], first[1]}),
                    file, ": tensor '", name, "' is ", describe(found->second), " but should be int64[",
                    first[0], ", ", first[1], "]");
  }
  return first;
}

/// Checks what the file holds for draws, and that it holds nothing unknown. `first` is the shape of the first
/// view.
void check_draws(const std::vector<DrawInfo>& draws, const std::string& method, int views, const Shape& first,
                 const TensorMap& tensors, const std::string& file) {
  const std::set<std::string> known = view_file_names(draws, views, tensors);
  for (const auto& [name, tensor] : tensors)
    TSR_CHECK_INPUT(known.contains(name), file, ": tensor '", name, "' is unknown to ", method, "; ",
                    did_you_mean(name, std::vector<std::string>(known.begin(), known.end())));
  for (const DrawInfo& draw : draws) {
    const Tensor& tensor = need(tensors, file, draw.tensor_name());
    TSR_CHECK_INPUT(tensor.rank() > 0 && tensor.size(0) == first[0], file, ": tensor '", draw.tensor_name(),
                    "' is ", describe(tensor), " but should be ", draw.dtype, '[', first[0], ", ", draw.shape,
                    ']');
  }
}

int view_count(const MethodInfo& info, Settings& settings) {
  const ViewPlan plan = view_plan(info, settings);
  return plan.global + plan.local;
}

/// Lets layers that drop paths draw under their names, and refuses those that drop elements.
class NameDrawsOfLayers final : public Visitor {
 public:
  explicit NameDrawsOfLayers(Draws& draws) : draws_(draws) {}

 protected:
  void on_param(const std::string&, Parameter&, ParamKind) override {}
  void on_buffer(const std::string&, Tensor&) override {}
  void on_module(const std::string& name, Module& module) override {
    const auto* dropout = dynamic_cast<Dropout*>(&module);
    TSR_CHECK_INPUT(dropout == nullptr || dropout->options.p == 0, "replay: ", name,
                    " drops at random, which no file can hold");
    auto* path = dynamic_cast<DropPath*>(&module);
    if (path == nullptr || path->options.p == 0) return;
    draws_.declare({.name = name, .shape = "samples", .repeated = true});
    path->draw = [&draws = draws_, name](std::int64_t samples, DType dtype) {
      TSR_CHECK_INPUT(!recomputing(), "replay: ", name,
                      " would draw for a second time; add --set grad_checkpointing=false");
      return draws.uniform(name, {samples}, dtype);
    };
  }

 private:
  Draws& draws_;
};

std::unique_ptr<Method> build(ReplayOptions& o, std::int64_t channels, std::int64_t image_size) {
  auto encoder = make_encoder(o.arch, channels, image_size, o.settings);
  return make_method(find_method(o.method), std::move(encoder), o.settings);
}

}  // namespace

Replay::Replay(ReplayOptions o, const TensorMap& init, const std::string& init_name, TensorMap views,
               const std::string& views_name)
    : views_(std::move(views)), dtype_(precision_from_name(o.precision).parameters) {
  const MethodInfo& info = find_method(o.method);
  apply_defaults(info, o.arch, o.settings);
  const int count = view_count(info, o.settings);
  const Shape shape = check_views(count, views_, views_name);
  steps_ = shape[0];
  method_ = build(o, shape[2], shape[3]);
  steps_per_epoch_ = o.settings.integer("steps_per_epoch", steps_, 1);
  trainer_ =
      std::make_unique<Trainer>(*method_,
                                TrainerOptions{.batch_size = shape[1],
                                               .steps_per_epoch = steps_per_epoch_,
                                               .total_steps = o.settings.integer("total_steps", steps_, 1),
                                               .compute = precision_from_name(o.precision).compute},
                                o.settings);
  o.settings.check_all_read();
  NameDrawsOfLayers name_draws(method_->draws);
  method_->visit(name_draws);
  check_draws(method_->draws.declared(), info.name, count, shape, views_, views_name);
  method_->to(dtype_);
  load_torch_state_dict(*method_, init, init_name);
  method_->draws.replay(views_);
  method_->train();
}

StepReport Replay::step() {
  StepReport report = trainer_->step(batch(trainer_->steps_done()));
  for (const DrawInfo& draw : method_->draws.declared()) {
    const int made = method_->draws.made(draw.name);
    TSR_CHECK_INPUT(!draw.repeated || !views_.contains(draw.tensor_name(made)), "tensor '",
                    draw.tensor_name(made), "' is not drawn: a step makes ", made, " draws of this name");
  }
  return report;
}

Batch Replay::batch(std::int64_t step) const {
  const NoGrad guard;
  Batch batch;
  batch.epoch = step / steps_per_epoch_;
  for (int view = 0; views_.contains(view_name(view)); ++view) {
    const Tensor images = select(views_.at(view_name(view)), 0, step);
    batch.views.push_back(contiguous(permute(images, {0, 2, 3, 1})).to(dtype_));
  }
  if (views_.contains("labels")) batch.labels = contiguous(select(views_.at("labels"), 0, step));
  batch.ids = views_.contains("index") ? contiguous(select(views_.at("index"), 0, step))
                                       : arange(batch.views.front().size(0));
  return batch;
}

void list_replay_state(ReplayOptions o, std::ostream& out) {
  constexpr std::int64_t kChannels = 3, kSmallSide = 32;
  const MethodInfo& info = find_method(o.method);
  apply_defaults(info, o.arch, o.settings);
  const int views = view_count(info, o.settings);
  const auto method = build(o, kChannels, kSmallSide);
  NameDrawsOfLayers name_draws(method->draws);
  method->visit(name_draws);
  const Trainer reads_its_settings(*method, {}, o.settings);
  o.settings.check_all_read();
  for (const auto& [name, tensor] : torch_state_dict(*method))
    out << "--init   " << name << "  " << describe(tensor) << '\n';
  for (int view = 0; view < views; ++view)
    out << "--views  " << view_name(view) << "  float32[steps, N, C, H, W]\n";
  out << "--views  index  int64[steps, N]\n";
  for (const DrawInfo& draw : method->draws.declared())
    out << "--views  " << draw.tensor_name() << (draw.repeated ? ", 1, …  " : "  ") << draw.dtype
        << "[steps, " << draw.shape << "]\n";
}

}  // namespace tsr
