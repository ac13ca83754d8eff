#pragma once
// Parameter groups: which parameters are trained with which hyper-parameters.

#include <functional>
#include <optional>
#include <vector>

#include "nn/module.h"
#include "nn/schedule.h"

namespace tsr {

/// Parameters that share hyper-parameters. Schedules count the optimiser's steps.
struct ParamGroup {
  std::vector<NamedTensor> parameters = {};
  Schedule weight_decay = 0;
  Schedule learning_rate_scale = 1;  ///< times the learning rate that step() is given
  bool adapt = true;                 ///< LARS: scale by the trust ratio
  /// Instead of the optimiser's own: the momentum of Sgd and Lars, Adam's β₁.
  std::optional<Schedule> momentum = {};
  std::optional<Schedule> beta2 = {};  ///< Adam's β₂, instead of the optimiser's
};

using ParamPredicate = std::function<bool(const NamedTensor&)>;

/// Which parameters a group takes (no predicate: all that are left), and what it does with them.
struct GroupRule {
  ParamPredicate where = {};
  ParamGroup group = {};
};

/// Gives each parameter to the first rule that takes it. Throws Error naming a parameter that no rule takes.
/// DINO's two groups, for instance:
///
///   param_groups(parameters, {{.where = is_vector},
///                             {.group = {.weight_decay = CosineSchedule{.base = 0.04, .total = n, .end =
///                             0.4}}}})
std::vector<ParamGroup> param_groups(const std::vector<NamedTensor>& parameters,
                                     std::vector<GroupRule> rules);

/// A weight of a convolution, a linear or an embedding layer.
bool is_weight(const NamedTensor& parameter);
/// At most one axis: biases, the scales and shifts of norms.
bool is_vector(const NamedTensor& parameter);

/// One group with decay and adaptation for weights (is_weight), one without either for biases and norms.
std::vector<ParamGroup> decay_groups(const std::vector<NamedTensor>& parameters,
                                     const Schedule& weight_decay);

}  // namespace tsr
