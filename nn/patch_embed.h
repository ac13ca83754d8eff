#pragma once
// How an image becomes tokens, one for each patch.

#include <string_view>
#include <variant>

#include "nn/layers.h"
#include "nn/sequential.h"

namespace tsr {

/// patch: a learned projection of each patch (Dosovitskiy et al. 2021); frozen: the same, random and never
/// trained (MoCo v3, section 4.2); conv: 3×3 convolutions of stride 2, each with batch norm and relu, then a
/// 1×1 one (Xiao et al., "Early Convolutions Help Transformers See Better", NeurIPS 2021, as in MoCo v3).
enum class PatchStem { patch, frozen, conv };
PatchStem patch_stem_from_name(std::string_view name);

struct PatchEmbedOptions {
  std::int64_t in = 3, dim = 0;  ///< image channels, and numbers of a token
  int patch = 16;                ///< pixels of a patch's side
  PatchStem stem = PatchStem::patch;
  bool glorot = false;  ///< the learned projection starts as the frozen one
};

/// Names: proj.weight and proj.bias; with the conv stem proj.0, proj.1, …, the indices of MoCo v3's
/// Sequential. The learned projection starts uniform in ±1/√(patch²·in), as timm's; the frozen one is
/// Glorot's with bias 0, as MoCo v3's. The conv stem doubles its channels up to dim; it needs a patch that is
/// a power of 2 from 2 on, half of which divides dim.
struct PatchEmbed : Module {
  PatchEmbedOptions options;
  std::variant<Conv2d, Sequential> proj;

  explicit PatchEmbed(const PatchEmbedOptions& options);
  /// Images [N, H, W, in] → [N, H/patch, W/patch, dim]; throws Error unless patch divides H and W.
  Tensor operator()(const Tensor& images);
  void visit(Visitor& v) override;
  std::string label() const override;
};

}  // namespace tsr
