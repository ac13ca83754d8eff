// A method: alignment and uniformity (Wang and Isola, "Understanding Contrastive Representation Learning
// through Alignment and Uniformity on the Hypersphere", ICML 2020) with the pseudo-Huber distance instead of
// the square.
//
//   views     two turns of each image
//   networks  encoder f, projector g
//   loss      pseudo-Huber distance of the two views' points + log-mean similarity of all points
//             of z = normalise(g(f(x)) - centre + noise)
//   step      the centre follows the mean of g(f(x)) after every step
#include <cmath>

#include "pseudo_huber.h"
#include "ssl/heads.h"
#include "ssl/method.h"

namespace {

using namespace tsr;

struct Spread final : Method {
  std::unique_ptr<Encoder> f;
  ProjectionHead g;
  double sharpness, noise, momentum;
  Tensor centre, batch_mean;

  Spread(std::unique_ptr<Encoder> encoder, Settings& s)
      : f(std::move(encoder)),
        g({.in = f->feature_size(), .hidden = f->feature_size(), .out = 8}),
        sharpness(s.real("sharpness", 2, 0.01, 100)),
        noise(s.real("noise", 0.1, 0, 10)),
        momentum(s.real("centre_momentum", 0.9, 0, 1)),
        centre(zeros({8})) {}

  Tensor loss(const Batch& batch) override {
    const Tensor y = g((*f)(concat(batch.views, 0)));
    batch_mean = mean(y.detach(), {0});
    const Tensor shaken = y - centre + draws.normal("noise", y.shape(), y.dtype()) * noise;
    const Tensor z = l2_normalize(shaken);
    embeddings = z.detach();
    const std::int64_t n = z.size(0) / 2;
    const Tensor apart = pseudo_huber(slice(z, 0, 0, n) - slice(z, 0, n, 2 * n));
    const Tensor alike = logsumexp(matmul(z, transpose(z)) * sharpness);
    return mean(sum(apart, {1})) + mean(alike) / sharpness;
  }

  void after_step() override {
    const NoGrad guard;
    copy_into(centre, centre * momentum + batch_mean * (1 - momentum));
  }

  Encoder& encoder() override { return *f; }
  double collapsed_loss(std::int64_t samples) const override {
    return 1 + std::log(2.0 * static_cast<double>(samples)) / sharpness;
  }

  void visit(Visitor& v) override {
    v.child("encoder", *f);
    v.child("projector", g);
    v.buffer("centre", centre);
  }
};

const RegisterMethod registered({.name = "spread",
                                 .paper = "after Wang and Isola, ICML 2020",
                                 .views = 2,
                                 .augmentation = "turns",
                                 .draws = {{.name = "noise", .dtype = float32, .shape = "2N, 8"}},
                                 .make = [](std::unique_ptr<Encoder> encoder,
                                            Settings& s) -> std::unique_ptr<Method> {
                                   return std::make_unique<Spread>(std::move(encoder), s);
                                 }});

}  // namespace
