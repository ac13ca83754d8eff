#include "nn/adam.h"

#include <cmath>

#include "tensor/kernels.h"

namespace tsr {
namespace {

enum Buffer : std::size_t { kStep, kExpAvg, kExpAvgSq };

}  // namespace

Adam::Adam(std::vector<ParamGroup> groups, const AdamOptions& options)
    : Optimizer(std::move(groups),
                {{.name = "step", .counter = true}, {.name = "exp_avg"}, {.name = "exp_avg_sq"}}),
      options_(options) {
  TSR_CHECK(std::isfinite(options.epsilon) && options.epsilon >= 0, "Adam: epsilon = ", options.epsilon,
            "; it must be finite and not negative");
  fraction("beta1", {}, options_.beta1);
  fraction("beta2", {}, options_.beta2);
}

void Adam::update(const std::vector<Turn>& turns) { adam(turns, false); }
void AdamW::update(const std::vector<Turn>& turns) { adam(turns, true); }

void Adam::adam(const std::vector<Turn>& turns, bool decoupled) const {
  std::vector<AdamItem> items;
  for (const Turn& turn : turns) {
    const double beta1 = fraction("beta1", turn.group.momentum, options_.beta1),
                 beta2 = fraction("beta2", turn.group.beta2, options_.beta2);
    const Tensor &exp_avg = make_buffer(turn, kExpAvg), &exp_avg_sq = make_buffer(turn, kExpAvgSq);
    const auto step = static_cast<double>(++*make_buffer(turn, kStep).data<std::int64_t>());
    items.push_back({turn.parameter.tensor.view(),
                     turn.grad.view(),
                     exp_avg.view(),
                     exp_avg_sq.view(),
                     {.beta1 = beta1,
                      .beta2 = beta2,
                      .epsilon = options_.epsilon,
                      .rate = turn.learning_rate / (1 - std::pow(beta1, step)),
                      .root = std::sqrt(1 - std::pow(beta2, step)),
                      .weight_decay = decoupled ? 0 : turn.weight_decay,
                      .keep = decoupled ? 1 - turn.learning_rate * turn.weight_decay : 1}});
  }
  Context context(turns[0].grad.device());
  adam_step(context, items[0].param, items);
}

}  // namespace tsr
