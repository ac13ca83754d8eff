#pragma once
// Optimizer: what all optimisers share: groups, schedules, and the buffers that parameters carry from step to
// step.

#include <map>
#include <string>
#include <vector>

#include "nn/param_groups.h"
#include "nn/state.h"

namespace tsr {

/// Something that an optimiser keeps for each parameter; made of zeros when it is first asked for.
struct OptimizerBuffer {
  std::string name;
  bool counter = false;  ///< one int64; otherwise of the parameter's shape and dtype
};

/// Updates parameters in place from their grad; a parameter without a grad is left alone. An optimiser of
/// your own says which buffers it keeps and overrides update().
class Optimizer {
 public:
  /// Throws Error when a parameter is in two groups.
  Optimizer(std::vector<ParamGroup> groups, std::vector<OptimizerBuffer> buffers);
  virtual ~Optimizer() = default;

  /// One update with this learning rate (times each group's scale).
  void step(double learning_rate);
  void zero_grad();
  /// How many steps were taken, and each parameter's buffers as "NAME.BUFFER".
  void state(State& s);
  const std::vector<ParamGroup>& groups() const { return groups_; }
  std::int64_t steps_done() const { return steps_; }

 protected:
  /// One parameter's turn in a step.
  struct Turn {
    const ParamGroup& group;
    const NamedTensor& parameter;
    Tensor grad;  ///< dense, of the parameter's dtype
    double learning_rate = 0, weight_decay = 0;
    std::vector<Tensor>& buffers;  ///< in the order of the constructor; undefined until make_buffer()
  };
  /// Makes the turns of a step, which are on one device and of one dtype, at once.
  virtual void update(const std::vector<Turn>& turns) = 0;

  /// A parameter's buffer, made if it isn't there yet. Throws Error when the parameter has changed its dtype
  /// since.
  const Tensor& make_buffer(const Turn& turn, std::size_t index) const;
  /// A momentum or β of this step: the group's own if it has one, else `usual`. Throws Error, naming
  /// `name`, unless it is at least 0 and below 1.
  double fraction(const char* name, const std::optional<Schedule>& own, const Schedule& usual) const;

 private:
  Tensor new_buffer(const NamedTensor& parameter, std::size_t index) const;

  std::vector<ParamGroup> groups_;
  std::vector<OptimizerBuffer> kinds_;
  std::map<std::string, std::vector<Tensor>> buffers_;  ///< by parameter name
  std::int64_t steps_ = 0;
};

}  // namespace tsr
