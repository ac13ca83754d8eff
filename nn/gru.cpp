#include "nn/gru.h"

#include <cmath>

#include "autograd/ops.h"
#include "tensor/random.h"

namespace tsr {

GRUCell::GRUCell(const GruCellOptions& options) : options(options) {
  TSR_CHECK(options.in > 0 && options.hidden > 0, "GRUCell: in = ", options.in, ", hidden = ", options.hidden,
            "; both must be positive");
  const std::int64_t gates = 3 * options.hidden;
  const double bound = 1 / std::sqrt(static_cast<double>(options.hidden));
  const auto draw = [&](const Shape& shape) {
    return Parameter(uniform(shape, init_generator(), -bound, bound));
  };
  weight_ih = draw({gates, options.in});
  weight_hh = draw({gates, options.hidden});
  if (!options.bias) return;
  bias_ih = draw({gates});
  bias_hh = draw({gates});
}

Tensor GRUCell::operator()(const Tensor& x, const Tensor& h) const {
  TSR_CHECK(x.rank() == 2 && x.size(1) == options.in, "GRUCell: x ", describe(x), " is not [N, ", options.in,
            "]");
  return step(linear(x, weight_ih, bias_ih),
              h.defined() ? h : zeros({x.size(0), options.hidden}, x.dtype(), x.device()));
}

Tensor GRUCell::step(const Tensor& gates, const Tensor& h) const {
  const std::int64_t n = options.hidden;
  TSR_CHECK(h.rank() == 2 && h.size(1) == n && h.size(0) == gates.size(0), "GRUCell: h ", describe(h),
            " is not [", gates.size(0), ", ", n, "]");
  const Tensor recurrent = linear(h, weight_hh, bias_hh);
  const auto gate = [n](const Tensor& all, std::int64_t i) { return slice(all, 1, i * n, (i + 1) * n); };
  const Tensor reset = sigmoid(gate(gates, 0) + gate(recurrent, 0)),
               update = sigmoid(gate(gates, 1) + gate(recurrent, 1)),
               fresh = tanh(gate(gates, 2) + reset * gate(recurrent, 2));
  return fresh + update * (h - fresh);
}

void GRUCell::visit(Visitor& v) { visit(v, ""); }

void GRUCell::visit(Visitor& v, const std::string& suffix) {
  v.param("weight_ih" + suffix, weight_ih, ParamKind::linear_weight);
  v.param("weight_hh" + suffix, weight_hh, ParamKind::linear_weight);
  v.param("bias_ih" + suffix, bias_ih, ParamKind::bias);
  v.param("bias_hh" + suffix, bias_hh, ParamKind::bias);
}

std::string GRUCell::label() const {
  return text("GRUCell(in = ", options.in, ", hidden = ", options.hidden,
              options.bias ? ")" : ", bias = false)");
}

GRU::GRU(const GruOptions& options) : options(options) {
  TSR_CHECK(options.layers > 0, "GRU: layers = ", options.layers, "; must be positive");
  for (int layer = 0; layer < options.layers; ++layer)
    cells.emplace_back(GruCellOptions{
        .in = layer == 0 ? options.in : options.hidden, .hidden = options.hidden, .bias = options.bias});
}

std::pair<Tensor, Tensor> GRU::operator()(const Tensor& x, const Tensor& h) const {
  TSR_CHECK(x.rank() == 3 && x.size(2) == options.in, "GRU: x ", describe(x), " is not ",
            options.batch_first ? "[N, steps, " : "[steps, N, ", options.in, "]");
  Tensor sequence = options.batch_first ? transpose(x, 0, 1) : x;
  const std::int64_t steps = sequence.size(0), n = sequence.size(1);
  TSR_CHECK(steps > 0, "GRU: x ", describe(x), " has no steps");
  const Shape states{options.layers, n, options.hidden};
  TSR_CHECK(!h.defined() || h.shape() == states, "GRU: h ", describe(h), " is not ", states);
  const Tensor start = h.defined() ? h : zeros(states, x.dtype(), x.device());
  Tensors last;
  for (std::size_t layer = 0; layer < cells.size(); ++layer) {
    const GRUCell& cell = cells[layer];
    const Tensor gates = linear(sequence, cell.weight_ih, cell.bias_ih);
    Tensor state = select(start, 0, static_cast<std::int64_t>(layer));
    Tensors outputs;
    for (std::int64_t t = 0; t < steps; ++t) outputs.push_back(state = cell.step(select(gates, 0, t), state));
    last.push_back(state);
    sequence = stack(outputs, 0);
  }
  return {options.batch_first ? transpose(sequence, 0, 1) : sequence, stack(last, 0)};
}

void GRU::visit(Visitor& v) {
  for (std::size_t layer = 0; layer < cells.size(); ++layer)
    cells[layer].visit(v, "_l" + std::to_string(layer));
}

std::string GRU::label() const {
  return text("GRU(in = ", options.in, ", hidden = ", options.hidden, ", layers = ", options.layers,
              options.bias ? "" : ", bias = false", options.batch_first ? ", batch_first = true)" : ")");
}

}  // namespace tsr
