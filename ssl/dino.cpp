// DINO (Caron, Touvron, Misra, Jégou, Mairal, Bojanowski and Joulin, "Emerging Properties in Self-Supervised
// Vision Transformers", ICCV 2021).
//
//   views     two global crops, and local ones of a smaller size that the student alone sees
//   networks  encoder f and head g, as student and as teacher; the teacher follows the student
//   loss      the teacher's softmax, centred and sharpened, as the target of the student's: cross-entropy
//             over all pairs of a global view for the teacher and another view for the student
//   step      AdamW; each parameter's gradient clipped; the last layer rests in the first epoch
//   after it  centre ← moving average of the teacher's outputs; teacher ← moving average of the student
//
// Paper's defaults: out_dim 65536, temperatures 0.1 (student) and 0.04 rising to 0.07 over 30 epochs
// (teacher), momentum 0.996 by a cosine to 1 (authors: 0.9995 at batch 256), centre 0.9, learning rate
// 5e-4·batch/256 by a cosine to 1e-6, decay 0.04 by a cosine to 0.4, dropped paths 0.1. The authors' code
// clips at 3, rests the last layer for one epoch and keeps its rows at length 1; so does this page. Its
// differences: the learning rate warms up from base/steps instead of 0, at most over a tenth of the run; the
// temperature over at most three tenths; crops are resized bilinearly; positions with antialiasing; class
// token and positions start as timm's. The teacher's encoder is what is kept, as in the authors' evaluation.
//
// Switches for study: center, same_view, weight_norm, bottleneck_norm; teacher_temperature equal to
// student_temperature is no sharpening, ema_momentum_end equal to ema_momentum no schedule.
#include <algorithm>
#include <cmath>

#include "ssl/heads.h"
#include "ssl/method.h"
#include "ssl/momentum_encoder.h"
#include "ssl/multi_crop.h"
#include "tensor/group.h"

namespace tsr {
namespace {

constexpr std::int64_t kGlobal = 2;

DinoHead make_head(std::int64_t features, Settings& s) {
  return DinoHead({.in = features,
                   .hidden = s.integer("projector_hidden", 2048, 1, 1 << 20),
                   .bottleneck = s.integer("bottleneck", 256, 1, 1 << 20),
                   .out = s.integer("out_dim", 65'536, 2, 1 << 24),
                   .layers = static_cast<int>(s.integer("projector_layers", 3, 1, 16)),
                   .batch_norm = s.flag("projector_bn", false),
                   .bottleneck_norm = s.flag("bottleneck_norm", true),
                   .weight_norm = s.flag("weight_norm", true),
                   .train_magnitude = !s.flag("norm_last_layer", true)});
}

struct Dino final : Method {
  Branch<DinoHead> student, teacher;
  Tensor center, output_sum;  ///< [1, out_dim]; the sum of this step's teacher outputs
  std::int64_t output_rows = 0;
  EmaMomentum momentum;
  double student_temperature, teacher_temperature, start_temperature, center_momentum;
  std::int64_t warm_epochs = 0, rest_epochs;
  bool centred, same_view;

  Dino(std::unique_ptr<Encoder> encoder, Settings& s)
      : student([&] {
          const std::int64_t features = encoder->feature_size();
          return Branch<DinoHead>(std::move(encoder), make_head(features, s));
        }()),
        teacher(momentum_copy(student)),
        center(zeros({1, student.projector.options.out})),
        momentum(read_ema_momentum(s, 0.996)),
        student_temperature(s.real("student_temperature", 0.1, 1e-4, 1e4)),
        teacher_temperature(s.real("teacher_temperature", 0.07, 1e-4, 1e4)),
        start_temperature(
            s.real("teacher_temperature_start", std::min(0.04, teacher_temperature), 1e-4, 1e4)),
        center_momentum(s.real("center_momentum", 0.9, 0, 1)),
        rest_epochs(s.integer("freeze_last_layer", 1, 0)),
        centred(s.flag("center", true)),
        same_view(s.flag("same_view", false)) {}

  void plan(Settings& s) override {
    const auto epochs = clock.total_steps / clock.steps_per_epoch;
    warm_epochs = s.integer("teacher_temperature_epochs", std::min<std::int64_t>(30, epochs * 3 / 10), 0);
  }

  /// The teacher's: linear over the first epochs, then constant.
  double temperature() const {
    const std::int64_t epoch = clock.epoch(), last = warm_epochs - 1;
    if (epoch > last) return teacher_temperature;
    if (last == 0) return start_temperature;
    const double share = static_cast<double>(epoch) / static_cast<double>(last);
    return start_temperature + (teacher_temperature - start_temperature) * share;
  }

  Tensor loss(const Batch& batch) override {
    const std::int64_t samples = batch.views[0].size(0),
                       views = static_cast<std::int64_t>(batch.views.size());
    const Tensor features = encode_views(*student.encoder, batch.views);
    embeddings = slice(features, 0, 0, kGlobal * samples).detach();
    const Tensor log_p = log_softmax(student.projector(features) / student_temperature);
    const Tensor log_q = targets(concat({batch.views[0], batch.views[1]}, 0)), q = exp(log_q);

    // Summed over pairs, log p of the student's views is the sum of all less that of the teacher's own view.
    const Tensor by_view = reshape(log_p, {views, samples, -1}), all = sum(by_view, {0}, true);
    const Tensor others = same_view ? all : all - slice(by_view, 0, 0, kGlobal);
    const std::int64_t pairs = kGlobal * (same_view ? views : views - 1);
    const Tensor total = -sum(reshape(q, {kGlobal, samples, -1}) * others);
    Tensor result = total / static_cast<double>(pairs * samples);
    measure(result, q, log_q);
    return result;
  }

  /// log of the teacher's distributions [2N, out_dim], centred and sharpened.
  Tensor targets(const Tensor& images) {
    const NoGrad guard;
    const Tensor output = teacher(images).to(center.dtype());
    const Tensor added = sum(output, {0}, true);
    output_sum = output_sum.defined() ? output_sum + added : added;
    output_rows += output.size(0);
    return log_softmax((centred ? output - center : output) / temperature());
  }

  /// Both collapses make kl vanish: with the entropy 0 (one-hot) or ln out_dim (uniform).
  void measure(const Tensor& loss, const Tensor& q, const Tensor& log_q) {
    const NoGrad guard;
    const double entropy = -sum(q * log_q).item() / static_cast<double>(q.size(0));
    meters = {{"teacher_entropy", entropy, text("one-hot 0, uniform ", collapsed_loss(0))},
              {"kl", loss.item() - entropy, "collapsed 0"},
              {"center_norm", norm(center).item()}};
  }

  void before_update() override {
    if (clock.epoch() >= rest_epochs) return;
    student.projector.weight_v.tensor().set_grad({});
    student.projector.weight_g.tensor().set_grad({});
  }

  void after_step() override {
    const NoGrad guard;
    if (centred) {
      Group& group = Group::current();
      group.all_reduce(output_sum);
      const Tensor mean = output_sum / static_cast<double>(output_rows * group.size());
      copy_into(center, center * center_momentum + mean * (1 - center_momentum));
    }
    output_sum = {};
    output_rows = 0;
    ema_update(teacher, student, momentum.at(clock));
  }

  Encoder& encoder() override { return *teacher.encoder; }
  double collapsed_loss(std::int64_t) const override {
    return std::log(static_cast<double>(student.projector.options.out));
  }

  void visit(Visitor& v) override {
    v.child("encoder", *student.encoder);
    v.child("projector", student.projector);
    v.child("teacher", teacher);
    v.buffer("center", center);
  }
};

SettingDefaults dino_defaults(std::string_view) {
  return {{"optimizer", "adamw"},        {"weight_decay", "0.04"}, {"weight_decay_end", "0.4"},
          {"learning_rate_end", "1e-6"}, {"clip_each_norm", "3"},  {"drop_path", "0.1"}};
}

const RegisterMethod registered_dino({.name = "dino",
                                      .paper = "Caron et al., ICCV 2021",
                                      .views = kGlobal,
                                      .multi_crop = true,
                                      .augmentation = "dino",
                                      .make = [](std::unique_ptr<Encoder> encoder,
                                                 Settings& s) -> std::unique_ptr<Method> {
                                        return std::make_unique<Dino>(std::move(encoder), s);
                                      },
                                      .defaults = dino_defaults});

}  // namespace
}  // namespace tsr
