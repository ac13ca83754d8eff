#include "apps/replay.h"

#include <iostream>

#include "apps/run_config.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

std::string view_name(int view) { return "view" + std::to_string(view); }

const Tensor& need(const TensorMap& tensors, const std::string& file, const std::string& name) {
  const auto found = tensors.find(name);
  TSR_CHECK_INPUT(found != tensors.end(), file, ": tensor '", name, "' is missing");
  return found->second;
}

/// Checks views, index and labels against each other; returns the shape of a view.
Shape check_views(const MethodInfo& info, const TensorMap& tensors, const std::string& file) {
  const Shape shape = need(tensors, file, view_name(0)).shape();
  TSR_CHECK_INPUT(shape.rank() == 5 && shape.numel() > 0, file, ": tensor 'view0' is ", shape,
                  " but should be [steps, N, C, H, W], none of them 0");
  for (int view = 0; view < info.views; ++view) {
    const Tensor& tensor = need(tensors, file, view_name(view));
    TSR_CHECK_INPUT(tensor.shape() == shape && is_floating(tensor.dtype()), file, ": tensor '",
                    view_name(view), "' is ", describe(tensor), " but should be float32", shape, " as view0");
  }
  for (const auto& [name, tensor] : tensors) {
    const bool is_view = name.starts_with("view");
    TSR_CHECK_INPUT(name == "index" || name == "labels" || is_view, file, ": tensor '", name,
                    "' is unknown to ", info.name);
    TSR_CHECK_INPUT(!is_view || name < view_name(info.views), file, ": tensor '", name, "': ", info.name,
                    " takes ", info.views, " views");
    TSR_CHECK_INPUT(is_view || (tensor.dtype() == int64 && tensor.shape() == Shape({shape[0], shape[1]})),
                    file, ": tensor '", name, "' is ", describe(tensor), " but should be int64[", shape[0],
                    ", ", shape[1], "]");
  }
  return shape;
}

std::unique_ptr<Method> make_method(ReplayOptions& o, std::int64_t channels, std::int64_t image_size) {
  auto encoder = make_encoder(o.arch, channels, image_size, o.settings);
  return find_method(o.method).make(std::move(encoder), o.settings);
}

}  // namespace

Replay::Replay(ReplayOptions o, const TensorMap& init, const std::string& init_name, TensorMap views,
               const std::string& views_name)
    : views_(std::move(views)), dtype_(precision_from_name(o.precision).parameters) {
  const Shape shape = check_views(find_method(o.method), views_, views_name);
  steps_ = shape[0];
  method_ = make_method(o, shape[2], shape[3]);
  steps_per_epoch_ = o.settings.integer("steps_per_epoch", steps_, 1);
  trainer_ =
      std::make_unique<Trainer>(*method_,
                                TrainerOptions{.batch_size = shape[1],
                                               .steps_per_epoch = steps_per_epoch_,
                                               .total_steps = o.settings.integer("total_steps", steps_, 1),
                                               .compute = precision_from_name(o.precision).compute},
                                o.settings);
  o.settings.check_all_read();
  method_->to(dtype_);
  load_torch_state_dict(*method_, init, init_name);
  method_->train();
}

StepReport Replay::step() { return trainer_->step(batch(trainer_->steps_done())); }

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
  const auto method = make_method(o, kChannels, kSmallSide);
  const Trainer reads_its_settings(*method, {}, o.settings);
  o.settings.check_all_read();
  for (const auto& [name, tensor] : torch_state_dict(*method))
    out << "--init   " << name << "  " << describe(tensor) << '\n';
  for (int view = 0; view < info.views; ++view)
    out << "--views  " << view_name(view) << "  float32[steps, N, C, H, W]\n";
  out << "--views  index  int64[steps, N]\n";
}

}  // namespace tsr
