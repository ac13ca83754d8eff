#include "nn/vit.h"

#include <algorithm>
#include <cmath>

#include "autograd/checkpoint.h"
#include "nn/init.h"
#include "nn/torch_state.h"

namespace tsr {
namespace {

constexpr double kViTEpsilon = 1e-6, kTokenStd = 1e-6, kWeightStd = 0.02;

/// The initialisation of linear layers.
class InitLinear final : public Visitor {
 public:
  explicit InitLinear(ViTInit init) : init_(init) {}

 protected:
  void on_param(const std::string&, Parameter&, ParamKind) override {}
  void on_buffer(const std::string&, Tensor&) override {}
  void on_module(const std::string& name, Module& module) override {
    const auto* linear = dynamic_cast<Linear*>(&module);
    if (linear == nullptr) return;
    if (init_ == ViTInit::timm) {
      init::trunc_normal(linear->weight, 0, kWeightStd);
    } else {
      const std::int64_t parts = name.ends_with("qkv") ? 3 : 1, out = linear->options.out / parts;
      const auto fans = static_cast<double>(out + linear->options.in);
      init::uniform(linear->weight, -std::sqrt(6 / fans), std::sqrt(6 / fans));
    }
    if (linear->bias.defined()) init::zeros(linear->bias);
  }

 private:
  ViTInit init_;
};

ViTOptions checked(const ViTOptions& o) {
  TSR_CHECK(o.depth > 0 && o.registers >= 0 && o.layer_scale >= 0, "ViT: depth = ", o.depth,
            ", registers = ", o.registers, ", layer_scale = ", o.layer_scale,
            "; the first must be positive, the others not negative");
  TSR_CHECK(o.image_size > 0 && o.patch > 0 && o.image_size % o.patch == 0,
            "ViT: image_size = ", o.image_size, ", patch = ", o.patch,
            "; both must be positive, and patch must divide image_size");
  return o;
}

Size2d grid_of(const ViTOptions& o) { return static_cast<int>(o.image_size / o.patch); }

/// How many of pos_embed's rows precede the patches'.
std::int64_t position_prefix(const ViTOptions& o) { return o.prefix_positions ? 1 + o.registers : 0; }

Parameter make_positions(const ViTOptions& o) {
  const std::int64_t side = grid_of(o).h, prefix = position_prefix(o);
  Parameter positions(zeros({1, prefix + side * side, o.dim}));
  if (o.positions == Positions::learned) {
    init::trunc_normal(positions, 0, kWeightStd);
  } else {
    const Tensor patches = slice(positions.tensor().detach(), 1, prefix, prefix + side * side);
    copy_into(patches, reshape(sincos_positions(grid_of(o), o.dim), patches.shape()));
    positions.freeze();
  }
  return positions;
}

Parameter make_tokens(std::int64_t count, std::int64_t dim) {
  return Parameter(normal({1, count, dim}, init_generator(), 0, kTokenStd));
}

/// Weights of which the positions are resized to what the model has, where both are of square grids.
class ResizedPositions final : public TensorSource {
 public:
  ResizedPositions(const TensorSource& source, const std::string& name, const ViTOptions& options)
      : source_(source), entries_(source.entries()), name_(name), options_(options) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.shape.rank() != 3) return;
    Shape& shape = found->second.shape;
    const std::int64_t prefix = position_prefix(options), places = shape[1] - prefix;
    from_ = static_cast<int>(std::lround(std::sqrt(static_cast<double>(std::max<std::int64_t>(places, 0)))));
    if (from_ == 0 || std::int64_t{from_} * from_ != places) return;
    const std::int64_t side = grid_of(options).h;
    shape[1] = prefix + side * side;
    square_ = true;
  }
  const std::map<std::string, TensorInfo>& entries() const override { return entries_; }
  Tensor read(const std::string& name) const override {
    if (name != name_ || !square_) return source_.read(name);
    const NoGrad guard;
    return resize_positions(source_.read(name), position_prefix(options_), from_, grid_of(options_));
  }

 private:
  const TensorSource& source_;
  std::map<std::string, TensorInfo> entries_;
  std::string name_;
  const ViTOptions& options_;
  int from_ = 0;  ///< the side of the source's grid
  bool square_ = false;
};

}  // namespace

Positions positions_from_name(std::string_view name) {
  if (name == "learned") return Positions::learned;
  if (name == "sincos") return Positions::sincos;
  throw InputError(text("positions: unknown name '", name, "'; known: learned sincos"));
}

ViTInit vit_init_from_name(std::string_view name) {
  if (name == "timm") return ViTInit::timm;
  if (name == "mocov3") return ViTInit::mocov3;
  throw InputError(text("init: unknown name '", name, "'; known: timm mocov3"));
}

TokenPool token_pool_from_name(std::string_view name) {
  if (name == "token") return TokenPool::token;
  if (name == "avg") return TokenPool::avg;
  throw InputError(text("pool: unknown name '", name, "'; known: token avg"));
}

ViT::ViT(const ViTOptions& given)
    : options(checked(given)),
      patch_embed({.in = options.in,
                   .dim = options.dim,
                   .patch = options.patch,
                   .stem = options.stem,
                   .glorot = options.init == ViTInit::mocov3}),
      cls_token(make_tokens(1, options.dim)),
      pos_embed(make_positions(options)),
      norm({.features = options.dim, .epsilon = kViTEpsilon}) {
  if (options.registers > 0) reg_token = make_tokens(options.registers, options.dim);
  for (std::int64_t i = 0; i < options.depth; ++i)
    blocks.emplace_back(TransformerBlockOptions{
        .dim = options.dim,
        .heads = options.heads,
        .qkv_bias = options.qkv_bias,
        .layer_scale = options.layer_scale,
        .drop_path = options.depth == 1 ? 0
                                        : options.drop_path * static_cast<double>(i) /
                                              static_cast<double>(options.depth - 1)});
  if (options.classes > 0) head.emplace(LinearOptions{.in = options.dim, .out = options.classes});
  InitLinear init(options.init);
  visit(init);
}

Tensor ViT::embed(const Tensor& images) {
  const Tensor image = patch_embed(images);
  const std::int64_t n = image.size(0);
  const Size2d grid{static_cast<int>(image.size(1)), static_cast<int>(image.size(2))};
  const Tensor patches = reshape(image, {n, -1, options.dim});
  const Tensor positions = resize_positions(pos_embed, position_prefix(options), grid_of(options), grid);
  Tensors parts{broadcast_to(cls_token, {n, 1, options.dim})};
  if (options.registers > 0) parts.push_back(broadcast_to(reg_token, {n, options.registers, options.dim}));
  parts.push_back(options.prefix_positions ? patches : patches + positions);
  const Tensor x = concat(parts, 1);
  return options.prefix_positions ? x + positions : x;
}

Tensor ViT::tokens(const Tensor& images) {
  Tensor x = embed(images);
  for (const TransformerBlock& block : blocks) {
    const auto run = [&block](const Tensors& in) { return block(in[0]); };
    x = options.grad_checkpointing ? checkpoint(run, {x}) : block(x);
  }
  return x;
}

Tensor ViT::operator()(const Tensor& images) {
  const Tensor x = tokens(images);
  // A layer norm sees one token at a time: only the class token needs it.
  const Tensor y =
      norm(options.pool == TokenPool::token ? select(x, 1, 0) : mean(slice(x, 1, prefix(), x.size(1)), {1}));
  return head ? (*head)(y) : y;
}

Tensor ViT::attention_map(const Tensor& images, std::int64_t block) {
  TSR_CHECK(block >= -options.depth && block < options.depth, "ViT: there is no block ", block, "; choose ",
            -options.depth, " to ", options.depth - 1);
  const NoGrad guard;
  const auto chosen = static_cast<std::size_t>(block < 0 ? block + options.depth : block);
  Tensor x = embed(images);
  for (std::size_t i = 0; i < chosen; ++i) x = blocks[i](x);
  return blocks[chosen].attn.weights(blocks[chosen].norm1(x));
}

void ViT::load_weights(const TensorSource& tensors, const std::string& source) {
  load_torch_state_dict(*this, ResizedPositions(tensors, "pos_embed", options), source,
                        {.pass_over = {"head."}});
}

void ViT::visit(Visitor& v) {
  v.param("cls_token", cls_token, ParamKind::embedding_weight);
  v.param("reg_token", reg_token, ParamKind::embedding_weight);
  v.param("pos_embed", pos_embed, ParamKind::embedding_weight);
  v.child("patch_embed", patch_embed);
  v.children("blocks", blocks);
  v.child(options.pool == TokenPool::token ? "norm" : "fc_norm", norm);
  if (head) v.child("head", *head);
}

std::string ViT::label() const {
  return text("ViT(patch = ", options.patch, ", dim = ", options.dim, ", depth = ", options.depth,
              ", heads = ", options.heads, ")");
}

}  // namespace tsr
