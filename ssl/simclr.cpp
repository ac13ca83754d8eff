// SimCLR (Chen, Kornblith, Norouzi and Hinton, "A Simple Framework for Contrastive Learning of Visual
// Representations", ICML 2020).
//
//   views     two random augmentations of each image, through the networks as one batch of 2N
//   networks  encoder f, projector g (linear, norm, relu, linear, norm)
//   loss      NT-Xent on the normalised g(f(x))
//   step      LARS, without adaptation or decay for norms and biases; nothing after the step
//
// Paper's defaults: temperature 0.5 (CIFAR-10, appendix B.9; 0.1 on ImageNet), projector to 128, hidden layer
// as wide as the feature, LARS with learning rate 0.3·batch/256 and decay 1e-6. The authors' code ends the
// projector with a batch norm and no bias; so does this page.
//
// Switches for study: self_mask, projector_bn; lars_exclude is the optimiser's.
#include <cmath>

#include "ssl/heads.h"
#include "ssl/info_nce.h"
#include "ssl/method.h"

namespace tsr {
namespace {

struct SimClr final : Method {
  std::unique_ptr<Encoder> f;
  ProjectionHead g;
  NtXentOptions contrast;

  SimClr(std::unique_ptr<Encoder> encoder, Settings& s)
      : f(std::move(encoder)),
        g({.in = f->feature_size(),
           .hidden = s.integer("projector_hidden", f->feature_size(), 1),
           .out = s.integer("projector_out", 128, 1),
           .batch_norm = s.flag("projector_bn", true)}),
        contrast{.temperature = s.real("temperature", 0.5, 1e-4, 1e4),
                 .self_mask = s.flag("self_mask", true)} {}

  Tensor loss(const Batch& batch) override {
    const Tensor h = (*f)(concat(batch.views, 0));
    const Tensor z = l2_normalize(g(h));
    embeddings = z.detach();
    return nt_xent(z, contrast);
  }

  Encoder& encoder() override { return *f; }
  double collapsed_loss(std::int64_t samples) const override { return std::log(2.0 * samples - 1); }

  void visit(Visitor& v) override {
    v.child("encoder", *f);
    v.child("projector", g);
  }
};

const RegisterMethod registered_simclr({.name = "simclr",
                                        .paper = "Chen et al., ICML 2020",
                                        .views = 2,
                                        .make = [](std::unique_ptr<Encoder> encoder,
                                                   Settings& s) -> std::unique_ptr<Method> {
                                          return std::make_unique<SimClr>(std::move(encoder), s);
                                        }});

}  // namespace
}  // namespace tsr
