#pragma once
// Encoder files: what pre-training leaves behind, in PyTorch's layout and under torchvision's or timm's
// names.

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "data/augment.h"
#include "nn/encoder.h"
#include "ssl/settings.h"
#include "tensor/safetensors.h"

namespace tsr {

/// What must be known to build an encoder again and to feed it. Written as the file's metadata, each field
/// under its own name.
struct ModelInfo {
  std::string arch;
  std::map<std::string, std::string> settings;  ///< the encoder's own: width, stem, …
  std::int64_t channels = 0;                    ///< of an image: 1 or 3
  std::int64_t image_size = 0;                  ///< of a view in pixels
  Normalization normalization;                  ///< of pixels in 0…1
  std::string method;                           ///< that trained it; empty for none
  std::string data;                             ///< that it saw
};

struct EncoderModel {
  ModelInfo info;
  std::unique_ptr<Encoder> encoder;
};

/// A fresh encoder, drawn from init_generator(). `info.settings` is filled from what make_encoder reads of
/// `settings`; throws InputError for an unknown arch or a setting out of range.
EncoderModel new_encoder(ModelInfo info, Settings& settings);
/// The same architecture with fresh weights: what an untrained encoder is.
EncoderModel new_encoder(const ModelInfo& info);

/// Writes weights and info; a crash leaves the old file or the new one.
void save_encoder(const std::filesystem::path& file, Encoder& encoder, const ModelInfo& info);

/// The file that `path` stands for: a run's folder means its model.safetensors. Throws InputError when there
/// is none.
std::filesystem::path encoder_file(const std::filesystem::path& path);
/// Reads what save_encoder wrote, from a file or a run's folder. Throws InputError, naming the file, when it
/// is missing, damaged, or not such a file.
EncoderModel load_encoder(const std::filesystem::path& path);

/// Loads weights alone into an encoder that is already there: from an encoder file, or from torchvision's
/// or timm's weights as safetensors (the classifier is passed over). Throws InputError when they don't fit.
void load_encoder_weights(Encoder& encoder, const std::filesystem::path& path);

/// Throws InputError unless the data set's images have the channels that the encoder takes.
void check_channels(const ModelInfo& info, const Dataset& dataset);

}  // namespace tsr
