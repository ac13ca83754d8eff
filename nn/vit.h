#pragma once
// The Vision Transformer (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021), with timm's names
// and timm's initialisation.

#include <optional>
#include <string_view>
#include <vector>

#include "nn/encoder.h"
#include "nn/patch_embed.h"
#include "nn/positions.h"
#include "nn/transformer.h"

namespace tsr {

/// learned, from N(0, 0.02²); sincos: fixed (sincos_positions), 0 for class token and registers.
enum class Positions { learned, sincos };
Positions positions_from_name(std::string_view name);

/// What stands for an image: its class token, or the mean of its patches' tokens.
enum class TokenPool { token, avg };
TokenPool token_pool_from_name(std::string_view name);

/// How the weights start. timm: linear layers N(0, 0.02²) cut at ±2, biases 0. mocov3: Glorot's uniform, the
/// three parts of qkv each by its own fans, and so a patch stem, frozen or not (section 4 of Chen, Xie and
/// He, "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV 2021, in the authors'
/// code).
enum class ViTInit { timm, mocov3 };
ViTInit vit_init_from_name(std::string_view name);

struct ViTOptions {
  std::int64_t image_size = 224;  ///< pixels of a square image's side, which patch divides
  int patch = 16;                 ///< pixels of a patch's side
  std::int64_t in = 3;            ///< image channels
  std::int64_t dim = 192, depth = 12, heads = 3;
  bool qkv_bias = true;
  PatchStem stem = PatchStem::patch;
  ViTInit init = ViTInit::timm;
  Positions positions = Positions::learned;
  bool prefix_positions = true;  ///< class token and registers have positions too (timm's no_embed_class)
  std::int64_t registers = 0;    ///< tokens that stand for nothing (Darcet et al., ICLR 2024)
  double layer_scale = 0;        ///< where LayerScale's factors start; 0: there are none
  double drop_path = 0;          ///< of the last block; the others' rises to it from 0 in equal steps
  TokenPool pool = TokenPool::token;
  bool grad_checkpointing =
      false;                 ///< blocks are computed once more in the backward, not kept (checkpoint.h)
  std::int64_t classes = 0;  ///< 0: no classifier, the result is the pooled feature
};

struct ViT : Encoder {
  ViTOptions options;
  PatchEmbed patch_embed;
  Parameter cls_token, reg_token, pos_embed;  ///< [1, tokens, dim] each
  std::vector<TransformerBlock> blocks;
  LayerNorm norm;  ///< before the pooling; by timm's name fc_norm, behind it, when that is the mean
  std::optional<Linear> head;

  explicit ViT(const ViTOptions& options);
  /// Images [N, H, W, in] → features [N, dim], or logits [N, classes]. H and W may differ from image_size:
  /// the positions are then resized (resize_positions).
  Tensor operator()(const Tensor& images) override;
  std::int64_t feature_size() const override { return options.dim; }
  std::int64_t size_multiple() const override { return options.patch; }
  std::unique_ptr<Encoder> another() const override { return std::make_unique<ViT>(options); }

  /// What the last block makes of the images, before `norm`: [N, prefix() + H/patch·W/patch, dim], the class
  /// token first, then the registers, then the patches row by row.
  Tensor tokens(const Tensor& images);
  /// How many tokens precede the patches'.
  std::int64_t prefix() const { return 1 + options.registers; }
  /// The attention of one block, counted from the last when negative: [N, heads, tokens, tokens], how much
  /// each token (the third axis) takes from each (the fourth). Unknown to autograd. Call eval() first: in
  /// training paths are dropped, and a conv stem's batch norms see the images.
  Tensor attention_map(const Tensor& images, std::int64_t block = -1);

  /// As Encoder's; head.* is passed over, and positions of another square grid are resized.
  void load_weights(const TensorSource& tensors, const std::string& source) override;
  void visit(Visitor& v) override;
  std::string label() const override;

 private:
  Tensor embed(const Tensor& images);
};

}  // namespace tsr
