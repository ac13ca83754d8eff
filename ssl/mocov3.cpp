// MoCo v3 (Chen, Xie and He, "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV
// 2021).
//
//   views     two random augmentations of each image, each through the networks as a batch of its own
//   networks  encoder f, projector g and predictor h for the queries; f and g again, following, for the keys
//   before    keys' f and g ← moving average of the queries', before the keys are computed
//   loss      2τ·InfoNCE of each view's queries against the other view's keys, both ways added up; a batch's
//             other keys are the negatives
//   step      LARS for a ResNet, AdamW for a ViT
//
// Defaults, those of the authors' code:
//   ResNet  two-layer projector, predictor that ends without norm or bias, temperature 1, LARS with learning
//           rate 0.3·batch/256 and decay 1e-6, the last norm of every block starting at 0, crops from 0.2
//   ViT     three-layer projector, predictor that ends with a norm, temperature 0.2, AdamW with learning rate
//           1.5e-4·batch/256 and decay 0.1 of every parameter, random patch projection that is never trained,
//           fixed positions, Glorot's weights (ViTInit)
// Both: hidden layers of 4096, 256 out, the last norm without scale and shift, momentum 0.99 by a cosine
// to 1. The authors' differences: momentum 0.996 for 1000 epochs; 40 epochs of warm-up for a ViT (here at
// most 10 and a tenth of the run); LARS adapts by the norm of gradient and decay together (nn/lars.h: apart).
//
// Switches for study: predictor, symmetric, scale_loss, ema_first; stem is the encoder's.
#include <cmath>

#include "ssl/heads.h"
#include "ssl/info_nce.h"
#include "ssl/method.h"
#include "ssl/momentum_encoder.h"

namespace tsr {
namespace {

struct MoCoV3 final : Method {
  Branch<ProjectionHead> queries, keys;
  ProjectionHead h;
  EmaMomentum momentum;
  double temperature;
  bool predict, symmetric, scale_loss, ema_first;

  MoCoV3(std::unique_ptr<Encoder> encoder, Settings& s)
      : queries([&] {
          const std::int64_t features = encoder->feature_size();
          return Branch<ProjectionHead>(
              std::move(encoder),
              ProjectionHead({.in = features,
                              .hidden = s.integer("projector_hidden", 4096, 1, 1 << 20),
                              .out = s.integer("projector_out", 256, 1, 1 << 20),
                              .layers = static_cast<int>(s.integer("projector_layers", 2, 1, 16)),
                              .last_affine = false}));
        }()),
        keys(momentum_copy(queries)),
        h({.in = queries.projector.options.out,
           .hidden = queries.projector.options.hidden,
           .out = queries.projector.options.out,
           .last_batch_norm = s.flag("predictor_bn", false),
           .last_affine = false,
           .bias = false}),
        momentum(read_ema_momentum(s, 0.99)),
        temperature(s.real("temperature", 1, 1e-4, 1e4)),
        predict(s.flag("predictor", true)),
        symmetric(s.flag("symmetric", true)),
        scale_loss(s.flag("scale_loss", true)),
        ema_first(s.flag("ema_first", true)) {}

  void before_step() override {
    if (ema_first) ema_update(keys, queries, momentum.at(clock));
  }
  void after_step() override {
    if (!ema_first) ema_update(keys, queries, momentum.at(clock));
  }

  Tensor loss(const Batch& batch) override {
    const Tensor &x1 = batch.views[0], &x2 = batch.views[1];
    const Tensor q1 = query(x1), q2 = query(x2), k1 = key(x1), k2 = key(x2);
    embeddings = q1.detach();
    return symmetric ? contrast(q1, k2) + contrast(q2, k1) : contrast(q1, k2);
  }

  Tensor query(const Tensor& x) {
    const Tensor z = queries(x);
    return l2_normalize(predict ? h(z) : z);
  }
  Tensor key(const Tensor& x) {
    const NoGrad guard;
    return l2_normalize(keys(x));
  }
  Tensor contrast(const Tensor& q, const Tensor& k) const {
    return info_nce(q, k, temperature) * (scale_loss ? 2 * temperature : 1);
  }

  Encoder& encoder() override { return *queries.encoder; }
  double collapsed_loss(std::int64_t samples) const override {
    return (symmetric ? 2 : 1) * (scale_loss ? 2 * temperature : 1) * std::log(static_cast<double>(samples));
  }

  void visit(Visitor& v) override {
    v.child("encoder", *queries.encoder);
    v.child("projector", queries.projector);
    v.child("predictor", h);
    v.child("momentum", keys);
  }
};

SettingDefaults mocov3_defaults(std::string_view arch) {
  if (!arch.starts_with("vit_"))
    return {{"optimizer", "lars"},
            {"base_learning_rate", "0.3"},
            {"weight_decay", "1e-6"},
            {"zero_init", "true"},
            {"crop_min", "0.2"}};
  return {{"optimizer", "adamw"},   {"base_learning_rate", "1.5e-4"},
          {"weight_decay", "0.1"},  {"decay_exclude", "false"},
          {"stem", "frozen"},       {"positions", "sincos"},
          {"init", "mocov3"},       {"projector_layers", "3"},
          {"predictor_bn", "true"}, {"temperature", "0.2"}};
}

const RegisterMethod registered_mocov3({.name = "mocov3",
                                        .paper = "Chen, Xie and He, ICCV 2021",
                                        .views = 2,
                                        .augmentation = "mocov3",
                                        .make = [](std::unique_ptr<Encoder> encoder,
                                                   Settings& s) -> std::unique_ptr<Method> {
                                          return std::make_unique<MoCoV3>(std::move(encoder), s);
                                        },
                                        .defaults = mocov3_defaults});

}  // namespace
}  // namespace tsr
