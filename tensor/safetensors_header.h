#pragma once
// The header of a safetensors file: parsed, and not believed.

#include <string>
#include <vector>

#include "tensor/safetensors.h"

namespace tsr {

/// One tensor of the header; offsets count from the start of the data.
struct SafetensorsEntry {
  std::string name;
  TensorInfo info;
  std::uint64_t begin = 0, end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  Metadata metadata;
  std::uint64_t data_begin = 0;  ///< in bytes, from the start of the file
};

/// Reads and checks a file's header; throws InputError as SafetensorsReader says.
SafetensorsHeader read_safetensors_header(const ReadFile& file);

/// The header of a file with these entries, length first, padded so that the data starts at a multiple of 8.
/// Throws Error for what the format can't hold.
std::string make_safetensors_header(const std::vector<SafetensorsEntry>& entries, const Metadata& metadata);

}  // namespace tsr
