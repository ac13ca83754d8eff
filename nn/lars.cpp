#include "nn/lars.h"

#include "tensor/kernels.h"

namespace tsr {

Lars::Lars(std::vector<ParamGroup> groups, const LarsOptions& options)
    : Optimizer(std::move(groups), {{.name = "momentum"}}), options_(options) {
  fraction("momentum", {}, options_.momentum);
}

void Lars::update(const std::vector<Turn>& turns) {
  std::vector<LarsItem> items;
  items.reserve(turns.size());
  for (const Turn& turn : turns)
    items.push_back({turn.parameter.tensor.view(),
                     turn.grad.view(),
                     make_buffer(turn, 0).view(),
                     {.learning_rate = turn.learning_rate,
                      .momentum = fraction("momentum", turn.group.momentum, options_.momentum),
                      .weight_decay = turn.weight_decay,
                      .trust = options_.trust,
                      .adapt = turn.group.adapt}});
  Context context(turns[0].grad.device());
  lars_step(context, items[0].param, items);
}

}  // namespace tsr
