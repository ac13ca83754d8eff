#include "ssl/eval/features.h"

#include <algorithm>
#include <vector>

#include "autograd/ops.h"
#include "nn/layers.h"

namespace tsr {
namespace {

/// Sets a module's mode for a scope.
class ModeScope {
 public:
  ModeScope(Module& module, bool training) : module_(module), previous_(module.training()) {
    module.train(training);
  }
  ~ModeScope() { module_.train(previous_); }
  ModeScope(const ModeScope&) = delete;
  ModeScope& operator=(const ModeScope&) = delete;

 private:
  Module& module_;
  bool previous_;
};

/// Lists the batch norms of a module tree.
class BatchNormFinder final : public Visitor {
 public:
  std::vector<BatchNorm*> found;

 private:
  void on_param(const std::string&, Parameter&, ParamKind) override {}
  void on_buffer(const std::string&, Tensor&) override {}
  void on_module(const std::string&, Module& module) override {
    if (auto* norm = dynamic_cast<BatchNorm*>(&module)) found.push_back(norm);
  }
};

/// Gives every batch norm of an encoder its own momentum back.
class MomentumScope {
 public:
  explicit MomentumScope(Encoder& encoder) {
    BatchNormFinder finder;
    encoder.visit(finder);
    for (BatchNorm* norm : finder.found) saved_.emplace_back(norm, norm->options.momentum);
  }
  ~MomentumScope() {
    for (const auto& [norm, momentum] : saved_) norm->options.momentum = momentum;
  }
  MomentumScope(const MomentumScope&) = delete;
  MomentumScope& operator=(const MomentumScope&) = delete;

  void set(double momentum) {
    for (const auto& entry : saved_) entry.first->options.momentum = momentum;
  }

 private:
  std::vector<std::pair<BatchNorm*, double>> saved_;
};

}  // namespace

Tensor extract_features(Encoder& encoder, const ImageSource& images, std::int64_t count, std::int64_t batch) {
  TSR_CHECK(count > 0 && batch > 0, "extract_features: ", count, " images in batches of ", batch,
            "; both must be positive");
  NoGrad guard;
  const ModeScope mode(encoder, false);
  Tensor features;
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    const std::int64_t end = std::min(begin + batch, count);
    const Tensor part = encoder(images(begin, end));
    if (!features.defined()) features = empty({count, part.size(1)}, part.dtype(), part.device());
    copy_into(slice(features, 0, begin, end), part);
  }
  return features;
}

void estimate_batch_norm(Encoder& encoder, const ImageSource& images, std::int64_t count,
                         std::int64_t batch) {
  TSR_CHECK(count >= 2 && batch >= 2, "estimate_batch_norm: ", count, " images in batches of ", batch,
            "; statistics need at least two");
  NoGrad guard;
  const ModeScope mode(encoder, true);
  MomentumScope momentum(encoder);
  batch = std::min(batch, count);
  for (std::int64_t begin = 0, seen = 1; begin + batch <= count; begin += batch, ++seen) {
    // A weight of 1/t for the t-th batch makes the running value the mean of all so far.
    momentum.set(1.0 / static_cast<double>(seen));
    encoder(images(begin, begin + batch));
  }
}

}  // namespace tsr
