#pragma once
// Gated recurrent units (Cho et al., EMNLP 2014) in PyTorch's form, gate order and names.

#include <utility>
#include <vector>

#include "nn/module.h"

namespace tsr {

struct GruCellOptions {
  std::int64_t in = 0, hidden = 0;
  bool bias = true;
};

/// One step: with the gates r, z, n in the rows of the weights, in this order,
///   r = σ(W_ir·x + b_ir + W_hr·h + b_hr);   z = σ(W_iz·x + b_iz + W_hz·h + b_hz);
///   n = tanh(W_in·x + b_in + r∘(W_hn·h + b_hn));   h' = (1 - z)∘n + z∘h.
/// Names: weight_ih [3·hidden, in], weight_hh [3·hidden, hidden], bias_ih, bias_hh [3·hidden]; all start
/// uniform in ±1/√hidden.
struct GRUCell : Module {
  GruCellOptions options;
  Parameter weight_ih, weight_hh, bias_ih, bias_hh;

  explicit GRUCell(const GruCellOptions& options);
  /// x [N, in], h [N, hidden] → h' [N, hidden]; an undefined h stands for zeros.
  Tensor operator()(const Tensor& x, const Tensor& h = {}) const;
  /// The same from x's share of the gates, W_i·x + b_i [N, 3·hidden], which a sequence has at once.
  Tensor step(const Tensor& gates, const Tensor& h) const;
  void visit(Visitor& v) override;
  /// Lists the parameters with something behind their names ("_l0").
  void visit(Visitor& v, const std::string& suffix);
  std::string label() const override;
};

struct GruOptions {
  std::int64_t in = 0, hidden = 0;
  int layers = 1;
  bool bias = true;
  bool batch_first = false;  ///< sequences are [N, steps, …] and not [steps, N, …]
};

/// Cells over a sequence, layer upon layer. Names: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ….
struct GRU : Module {
  GruOptions options;
  std::vector<GRUCell> cells;

  explicit GRU(const GruOptions& options);
  /// x [steps, N, in], h [layers, N, hidden] or undefined (zeros) → the last layer's state at each step
  /// [steps, N, hidden], and every layer's state at the end [layers, N, hidden].
  std::pair<Tensor, Tensor> operator()(const Tensor& x, const Tensor& h = {}) const;
  void visit(Visitor& v) override;
  std::string label() const override;
};

}  // namespace tsr
