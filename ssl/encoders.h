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

/// Builds an encoder by name; throws InputError naming the nearest for an unknown one. resnet18, resnet34 and
/// resnet50 read: width (64), stem (cifar for images up to 64 pixels a side, else imagenet).
std::unique_ptr<Encoder> make_encoder(const std::string& arch, std::int64_t channels, std::int64_t image_size,
                                      Settings& settings);

}  // namespace tsr
