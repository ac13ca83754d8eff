#include "apps/model_io.h"

#include <nlohmann/json.hpp>

#include "nn/torch_state.h"
#include "ssl/encoders.h"

namespace tsr {
namespace {

constexpr const char* kFormat = "tessera-encoder-1";

Metadata to_metadata(const ModelInfo& info) {
  const Normalization& n = info.normalization;
  return {{"format", kFormat},
          {"arch", info.arch},
          {"settings", nlohmann::json(info.settings).dump()},
          {"channels", std::to_string(info.channels)},
          {"image_size", std::to_string(info.image_size)},
          {"mean", nlohmann::json(n.mean).dump()},
          {"std", nlohmann::json(n.std).dump()},
          {"method", info.method},
          {"data", info.data}};
}

/// A field as JSON of the wanted type.
template <class T>
T field(const std::string& file, const Metadata& metadata, const std::string& name) {
  const auto found = metadata.find(name);
  TSR_CHECK_INPUT(found != metadata.end(), file, ": metadata '", name, "' is missing");
  try {
    return nlohmann::json::parse(found->second).get<T>();
  } catch (const nlohmann::json::exception&) {
    throw InputError(text(file, ": metadata '", name, "' is '", found->second, "', which makes no sense"));
  }
}

std::string optional_text(const Metadata& metadata, const std::string& name) {
  const auto found = metadata.find(name);
  return found == metadata.end() ? "" : found->second;
}

ModelInfo from_metadata(const std::string& file, const Metadata& metadata) {
  TSR_CHECK_INPUT(optional_text(metadata, "format") == kFormat, file,
                  ": not an encoder that Tessera wrote; to start from such weights use pretrain --from");
  ModelInfo info;
  info.arch = optional_text(metadata, "arch");
  info.settings = field<std::map<std::string, std::string>>(file, metadata, "settings");
  info.channels = field<std::int64_t>(file, metadata, "channels");
  info.image_size = field<std::int64_t>(file, metadata, "image_size");
  info.normalization = {field<std::array<float, 3>>(file, metadata, "mean"),
                        field<std::array<float, 3>>(file, metadata, "std")};
  info.method = optional_text(metadata, "method");
  info.data = optional_text(metadata, "data");
  TSR_CHECK_INPUT(
      (info.channels == 1 || info.channels == 3) && info.image_size >= 1 && info.image_size <= 65'536, file,
      ": metadata: channels ", info.channels, " and image_size ", info.image_size, " make no sense");
  for (const float value : info.normalization.std)
    TSR_CHECK_INPUT(value > 0, file, ": metadata 'std' must be positive");
  return info;
}

}  // namespace

EncoderModel new_encoder(ModelInfo info, Settings& settings) {
  const auto before = settings.effective();
  EncoderModel model{std::move(info), nullptr};
  model.encoder = make_encoder(model.info.arch, model.info.channels, model.info.image_size, settings);
  model.info.settings.clear();
  for (const auto& [key, value] : settings.effective())
    if (!before.contains(key)) model.info.settings[key] = value;
  return model;
}

EncoderModel new_encoder(const ModelInfo& info) {
  Settings settings;
  for (const auto& [key, value] : info.settings) settings.set(key, value);
  EncoderModel model = new_encoder(info, settings);
  settings.check_all_read();
  return model;
}

void save_encoder(const std::filesystem::path& file, Encoder& encoder, const ModelInfo& info) {
  write_safetensors(file, torch_state_dict(encoder), to_metadata(info));
}

std::filesystem::path encoder_file(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) {
    TSR_CHECK_INPUT(std::filesystem::exists(path), path.string(), ": no such file or folder");
    return path;
  }
  std::filesystem::path file = path / "model.safetensors";
  TSR_CHECK_INPUT(std::filesystem::exists(file), path.string(),
                  ": holds no model.safetensors; a run writes it when it is complete");
  return file;
}

EncoderModel load_encoder(const std::filesystem::path& path) {
  const std::filesystem::path file = encoder_file(path);
  const SafetensorsReader saved(file);
  EncoderModel model = new_encoder(from_metadata(file.string(), saved.metadata()));
  load_torch_state_dict(*model.encoder, saved, file.string());
  return model;
}

void load_encoder_weights(Encoder& encoder, const std::filesystem::path& path) {
  const std::filesystem::path file = encoder_file(path);
  encoder.load_weights(SafetensorsReader(file), file.string());
}

void check_channels(const ModelInfo& info, const Dataset& dataset) {
  TSR_CHECK_INPUT(info.channels == dataset.channels(), dataset.name(), ": its images have ",
                  dataset.channels(), dataset.channels() == 1 ? " channel" : " channels",
                  " but the encoder takes ", info.channels);
}

}  // namespace tsr
