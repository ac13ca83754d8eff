#pragma once
// Encoders by name: what --arch chooses from.

#include <memory>
#include <string>
#include <vector>

#include "nn/encoder.h"
#include "ssl/settings.h"

namespace tsr {

/// An entry of the list of encoders.
struct EncoderInfo {
  std::string name;
  /// For images of `channels`, views being image_size pixels a side. What it reads of `settings` is kept in
  /// the encoder's file.
  std::unique_ptr<Encoder> (*make)(std::int64_t channels, std::int64_t image_size,
                                   Settings& settings) = nullptr;
};

/// `const RegisterEncoder tiny({.name = "tiny", …});` at namespace scope enters an encoder.
struct RegisterEncoder {
  explicit RegisterEncoder(EncoderInfo info);
};

std::vector<std::string> encoder_names();

/// Builds an encoder by name; throws InputError naming the nearest for an unknown one, or when its settings
/// don't fit each other. resnet18, resnet34 and resnet50 read:
///   width  64
///   stem   cifar for images up to 64 pixels a side, else imagenet
///   zero_init  false; true: the last norm of every block starts at 0
/// vit_mini (for images of 28 to 32 pixels), vit_tiny, vit_small and vit_base read:
///   patch, dim, depth, heads  4, 128, 6, 4 for vit_mini; 16, 192, 12, 3 for vit_tiny, with dim 384 and heads
///                             6 for vit_small, 768 and 12 for vit_base
///   stem                      patch, frozen or conv (PatchStem)
///   positions                 learned or sincos; prefix_positions (true): tokens before the patches' have
///                             them
///   init                      timm or mocov3 (ViTInit)
///   pool                      token or avg
///   registers                 0
///   layer_scale, drop_path    0
///   grad_checkpointing        false; true: blocks run once more in the backward, and take far less memory
std::unique_ptr<Encoder> make_encoder(const std::string& arch, std::int64_t channels, std::int64_t image_size,
                                      Settings& settings);

}  // namespace tsr
