#include "nn/sgd.h"

#include "tensor/kernels.h"

namespace tsr {

Sgd::Sgd(std::vector<ParamGroup> groups, const SgdOptions& options)
    : Optimizer(std::move(groups), {{.name = "momentum"}}), options_(options) {
  fraction("momentum", {}, options_.momentum);
}

void Sgd::update(const std::vector<Turn>& turns) {
  std::vector<SgdItem> items;
  for (const Turn& turn : turns) {
    const double momentum = fraction("momentum", turn.group.momentum, options_.momentum);
    const bool buffered = momentum > 0 || turn.buffers[0].defined();
    items.push_back({turn.parameter.tensor.view(),
                     turn.grad.view(),
                     buffered ? make_buffer(turn, 0).view() : View{},
                     {.learning_rate = turn.learning_rate,
                      .momentum = momentum,
                      .weight_decay = turn.weight_decay,
                      .nesterov = options_.nesterov}});
  }
  Context context(turns[0].grad.device());
  sgd_step(context, items[0].param, items);
}

}  // namespace tsr
