#include "ssl/heads.h"

#include <cmath>

#include "nn/init.h"

namespace tsr {

ProjectionHead::ProjectionHead(const ProjectionHeadOptions& options) : options(options) {
  TSR_CHECK(options.layers >= 1, "ProjectionHead: layers = ", options.layers, "; at least 1");
  for (int layer = 0; layer < options.layers; ++layer) {
    const bool last = layer + 1 == options.layers;
    const bool norm = options.batch_norm && (!last || options.last_batch_norm);
    const std::int64_t out = last ? options.out : options.hidden;
    linears.emplace_back(LinearOptions{
        .in = layer == 0 ? options.in : options.hidden, .out = out, .bias = !norm && options.bias});
    norms.emplace_back();
    if (norm)
      norms.back().emplace(BatchNormLayerOptions{.channels = out, .affine = !last || options.last_affine});
  }
}

Tensor ProjectionHead::operator()(const Tensor& features) {
  Tensor x = features;
  for (std::size_t layer = 0; layer < linears.size(); ++layer) {
    const bool activate = layer + 1 < linears.size();
    x = linears[layer](x);
    if (norms[layer]) {
      x = (*norms[layer])(x, activate);
    } else if (activate) {
      x = relu(x);
    }
  }
  return x;
}

void ProjectionHead::visit(Visitor& v) {
  for (std::size_t layer = 0; layer < linears.size(); ++layer) {
    v.child(std::to_string(3 * layer), linears[layer]);
    if (norms[layer]) v.child(std::to_string(3 * layer + 1), *norms[layer]);
  }
}

DinoHead::DinoHead(const DinoHeadOptions& options) : options(options) {
  constexpr double kWeightStd = 0.02;
  TSR_CHECK(options.layers >= 1, "DinoHead: layers = ", options.layers, "; at least 1");
  for (int layer = 0; layer < options.layers; ++layer) {
    const bool last = layer + 1 == options.layers;
    const std::int64_t out = last ? options.bottleneck : options.hidden;
    mlp.emplace_back(LinearOptions{.in = layer == 0 ? options.in : options.hidden, .out = out});
    init::trunc_normal(mlp.back().weight, 0, kWeightStd);
    init::zeros(mlp.back().bias);
    if (options.batch_norm && !last) norms.emplace_back(BatchNormLayerOptions{.channels = out});
  }
  const double bound = 1 / std::sqrt(static_cast<double>(options.bottleneck));
  weight_g = Parameter(ones({options.out, 1}));
  weight_v = Parameter(uniform({options.out, options.bottleneck}, init_generator(), -bound, bound));
  if (!options.train_magnitude) weight_g.freeze();
}

Tensor DinoHead::operator()(const Tensor& features) {
  Tensor x = features;
  for (std::size_t layer = 0; layer + 1 < mlp.size(); ++layer) {
    x = mlp[layer](x);
    x = gelu(options.batch_norm ? norms[layer](x) : x);
  }
  x = mlp.back()(x);
  if (options.bottleneck_norm) x = l2_normalize(x);
  return linear(x, options.weight_norm ? weight_norm(weight_v, weight_g) : weight_v.tensor());
}

void DinoHead::visit(Visitor& v) {
  const int stride = options.batch_norm ? 3 : 2;
  for (std::size_t layer = 0; layer < mlp.size(); ++layer) {
    const int index = stride * static_cast<int>(layer);
    v.child(text("mlp.", index), mlp[layer]);
    if (layer < norms.size()) v.child(text("mlp.", index + 1), norms[layer]);
  }
  v.param("last_layer.weight_g", weight_g, ParamKind::norm_weight);
  v.param("last_layer.weight_v", weight_v, ParamKind::linear_weight);
}

}  // namespace tsr
