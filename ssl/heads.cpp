#include "ssl/heads.h"

namespace tsr {

ProjectionHead::ProjectionHead(const ProjectionHeadOptions& options) : options(options) {
  TSR_CHECK(options.layers >= 1, "ProjectionHead: layers = ", options.layers, "; at least 1");
  for (int layer = 0; layer < options.layers; ++layer) {
    const bool last = layer + 1 == options.layers;
    const bool norm = options.batch_norm && (!last || options.last_batch_norm);
    const std::int64_t out = last ? options.out : options.hidden;
    linears.emplace_back(
        LinearOptions{.in = layer == 0 ? options.in : options.hidden, .out = out, .bias = !norm});
    norms.emplace_back();
    if (norm) norms.back().emplace(BatchNormLayerOptions{.channels = out});
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

}  // namespace tsr
