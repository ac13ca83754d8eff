#include "nn/lars.h"

#include "autograd/ops.h"

namespace tsr {

Lars::Lars(std::vector<ParamGroup> groups, const LarsOptions& options)
    : Optimizer(std::move(groups), {{.name = "momentum"}}), options_(options) {
  fraction("momentum", {}, options_.momentum);
}

void Lars::update(const Turn& turn) {
  double ratio = 1;
  if (turn.group.adapt) {
    const double weight = norm(turn.parameter.tensor.detach()).item(), gradient = norm(turn.grad).item();
    if (weight > 0 && gradient > 0) ratio = options_.trust * weight / (gradient + turn.weight_decay * weight);
  }
  Context context(turn.grad.device());
  sgd_step(context, turn.parameter.tensor.view(), turn.grad.view(), make_buffer(turn, 0).view(),
           {.learning_rate = 1,
            .momentum = fraction("momentum", turn.group.momentum, options_.momentum),
            .weight_decay = turn.weight_decay,
            .scale = turn.learning_rate * ratio});
}

}  // namespace tsr
