#include "nn/patch_embed.h"

#include <bit>
#include <cmath>

#include "nn/activations.h"
#include "nn/init.h"

namespace tsr {
namespace {

Conv2d make_projection(const PatchEmbedOptions& o) {
  Conv2d conv({.in = o.in, .out = o.dim, .kernel = o.patch, .stride = o.patch});
  const auto inputs = static_cast<double>(o.in * o.patch * o.patch);
  if (o.stem == PatchStem::frozen || o.glorot) {
    // Glorot's fans are those of the projection as a matrix; the bias is 0 as it is made.
    const double bound = std::sqrt(6 / (inputs + static_cast<double>(o.dim)));
    init::uniform(conv.weight, -bound, bound);
  } else {
    const double bound = 1 / std::sqrt(inputs);
    init::uniform(conv.weight, -bound, bound);
    init::uniform(conv.bias, -bound, bound);
  }
  if (o.stem == PatchStem::frozen) {
    conv.weight.freeze();
    conv.bias.freeze();
  }
  return conv;
}

Sequential make_conv_stem(const PatchEmbedOptions& o) {
  const auto patch = static_cast<unsigned>(o.patch);
  TSR_CHECK(patch >= 2 && std::has_single_bit(patch) && o.dim % (o.patch / 2) == 0,
            "PatchEmbed: patch = ", o.patch, ", dim = ", o.dim,
            "; the conv stem needs a patch that is a power of 2, and half of which divides dim");
  Sequential stem;
  std::int64_t in = o.in;
  for (std::int64_t out = o.dim / (o.patch / 2); out <= o.dim; in = out, out *= 2) {
    stem.push(Conv2d({.in = in, .out = out, .kernel = 3, .stride = 2, .padding = 1, .bias = false}));
    stem.push(BatchNorm({.channels = out}));
    stem.push(ReLU());
  }
  stem.push(Conv2d({.in = in, .out = o.dim}));
  return stem;
}

PatchEmbedOptions checked(const PatchEmbedOptions& o) {
  TSR_CHECK(o.in > 0 && o.dim > 0 && o.patch > 0, "PatchEmbed: in = ", o.in, ", dim = ", o.dim,
            ", patch = ", o.patch, "; all must be positive");
  return o;
}

}  // namespace

PatchStem patch_stem_from_name(std::string_view name) {
  if (name == "patch") return PatchStem::patch;
  if (name == "frozen") return PatchStem::frozen;
  if (name == "conv") return PatchStem::conv;
  throw InputError(text("stem: unknown name '", name, "'; known: patch frozen conv"));
}

PatchEmbed::PatchEmbed(const PatchEmbedOptions& given)
    : options(checked(given)),
      proj(given.stem == PatchStem::conv ? decltype(proj)(make_conv_stem(given))
                                         : decltype(proj)(make_projection(given))) {}

Tensor PatchEmbed::operator()(const Tensor& images) {
  TSR_CHECK(images.rank() == 4 && images.size(3) == options.in, "PatchEmbed: images ", describe(images),
            " are not [N, H, W, ", options.in, "]");
  TSR_CHECK(images.size(1) % options.patch == 0 && images.size(2) % options.patch == 0, "PatchEmbed: images ",
            describe(images), " are not whole patches of ", options.patch, "x", options.patch,
            " pixels; crop or resize them");
  return std::visit([&](auto& layer) -> Tensor { return layer(images); }, proj);
}

void PatchEmbed::visit(Visitor& v) {
  std::visit([&](Module& layer) { v.child("proj", layer); }, proj);
}

std::string PatchEmbed::label() const {
  return text("PatchEmbed(patch = ", options.patch, options.stem == PatchStem::frozen ? ", frozen)" : ")");
}

}  // namespace tsr
