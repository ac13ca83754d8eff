#pragma once
// Optimisers: SGD with momentum and LARS.

#include <vector>

#include "nn/module.h"
#include "nn/state.h"

namespace tsr {

/// Parameters that share hyper-parameters.
struct ParamGroup {
  std::vector<NamedTensor> parameters;
  double weight_decay = 0;
  double learning_rate_scale = 1;
  bool adapt = true;  ///< LARS: scale by the trust ratio
};

/// One group with decay and adaptation for weights of convolutions and linear layers, one without either for
/// biases and norms.
std::vector<ParamGroup> decay_groups(const std::vector<NamedTensor>& parameters, double weight_decay);

/// Updates parameters in place from their grad; a parameter without a grad is left alone.
class Optimizer {
 public:
  explicit Optimizer(std::vector<ParamGroup> groups) : groups_(std::move(groups)) {}
  virtual ~Optimizer() = default;

  /// One update with this learning rate (times each group's scale).
  void step(double learning_rate);
  void zero_grad();
  /// The buffers, by parameter name.
  void state(State& s);
  const std::vector<ParamGroup>& groups() const { return groups_; }

 protected:
  virtual void update(const ParamGroup& group, const NamedTensor& parameter, const Tensor& grad,
                      Tensor& buffer, double learning_rate) = 0;

 private:
  std::vector<ParamGroup> groups_;
  std::map<std::string, Tensor> buffers_;  ///< momentum, made at the first step
};

struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;
};

/// v ← m·v + g + λ·w;  w ← w - η·v (or, with nesterov, w - η·(g + λ·w + m·v)): PyTorch's form.
class Sgd final : public Optimizer {
 public:
  Sgd(std::vector<ParamGroup> groups, const SgdOptions& options = {});

 protected:
  void update(const ParamGroup& group, const NamedTensor& parameter, const Tensor& grad, Tensor& buffer,
              double learning_rate) override;

 private:
  SgdOptions options_;
};

struct LarsOptions {
  double momentum = 0.9;
  double trust = 0.001;  ///< the trust coefficient
};

/// Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, "Large Batch Training of Convolutional
/// Networks", 2017): a = trust·‖w‖ / (‖g‖ + λ·‖w‖), 1 where either norm is 0 or the group isn't adapted; v ←
/// m·v + η·a·(g + λ·w);  w ← w - v.
class Lars final : public Optimizer {
 public:
  Lars(std::vector<ParamGroup> groups, const LarsOptions& options = {});

 protected:
  void update(const ParamGroup& group, const NamedTensor& parameter, const Tensor& grad, Tensor& buffer,
              double learning_rate) override;

 private:
  LarsOptions options_;
};

/// ‖grads‖₂ over all parameters together.
double gradient_norm(const std::vector<NamedTensor>& parameters);

/// Linear from base/warmup to base over `warmup` steps, then half a cosine down to 0 at `total` (Loshchilov
/// and Hutter 2017; Goyal et al. 2017). Step s counts from 0: s < warmup gives base·(s + 1)/warmup, later
/// base·(1 + cos(π·(s - warmup)/(total - warmup)))/2.
struct CosineSchedule {
  double base = 0;
  std::int64_t warmup = 0, total = 1;
  double operator()(std::int64_t step) const;
};

}  // namespace tsr
