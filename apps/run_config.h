#pragma once
// What a pre-training run is: everything that decides its bytes.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ssl/settings.h"
#include "tensor/dtype.h"

namespace tsr {

/// The fields of config.json. A layer is a JSON object with some of them, and with "settings" as an object:
/// defaults, a preset, a file and the command line are laid one over the other.
struct RunConfig {
  std::string method, data;
  std::string arch = "resnet18";
  std::int64_t epochs = 100;
  std::int64_t steps = 0;  ///< instead of epochs when above 0
  std::int64_t batch_size = 256;
  std::uint64_t seed = 0;
  std::string device = "cpu", precision = "fp32";
  std::string from;  ///< encoder weights to start from; empty for fresh ones
  Settings settings;
};

/// Lays `layer` over `config`. `source` says where it came from, for messages;
/// empty stands for the command line. Throws InputError for an
/// unknown field (with the nearest known one) or one of a wrong type or out of range.
void apply_layer(RunConfig& config, const nlohmann::json& layer, const std::string& source);

/// The layer in a JSON file: hand-written, or a run's config.json.
nlohmann::json read_layer(const std::filesystem::path& file);

/// The layer of a preset; throws InputError naming the nearest for an unknown one.
const nlohmann::json& find_preset(const std::string& name);
std::vector<std::string> preset_names();

/// What a precision's name stands for.
struct Precision {
  DType parameters;  ///< of weights and their gradients, batches and statistics
  DType compute;     ///< of the forward; where it isn't that of the parameters, by autocast
};
/// fp32, fp64, bf16 or fp16; throws InputError for another name.
Precision precision_from_name(const std::string& name);

/// All fields, and all settings read so far with their effective values.
nlohmann::json to_json(const RunConfig& config);

/// Where two configurations first differ, as "field: 'a' here, 'b' there" in words; empty when they agree.
std::string first_difference(const nlohmann::json& recorded, const nlohmann::json& given);

}  // namespace tsr
