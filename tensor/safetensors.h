#pragma once
// safetensors: named tensors in one file (an 8-byte length, a JSON header, raw little-endian data).
// Format: https://github.com/huggingface/safetensors

#include <filesystem>
#include <map>
#include <string>

#include "tensor/tensor.h"

namespace tsr {

using TensorMap = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

struct SafetensorsFile {
  TensorMap tensors;
  Metadata metadata;
};

/// Reads every tensor of a file. Throws InputError, naming the file and the entry, when the file can't be
/// read, is truncated, or its header lies (offsets outside the file, overlapping, or not of the shape's
/// size).
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Writes aside, syncs, renames and syncs the folder: a crash leaves the old file or the new one. Tensors are
/// written dense in name order, each aligned to 8 bytes. Throws Error when the disk refuses.
void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata = {});

}  // namespace tsr
