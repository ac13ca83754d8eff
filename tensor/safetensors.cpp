#include "tensor/safetensors.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "tensor/safetensors_header.h"

namespace tsr {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

std::size_t bytes_of(const TensorInfo& info) {
  return static_cast<std::size_t>(info.shape.numel() * size_of(info.dtype));
}

/// What a file of these tensors holds, in the order of the data.
std::vector<SafetensorsEntry> lay_out(const TensorMap& tensors) {
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, tensor] : tensors) entries.push_back({name, {tensor.dtype(), tensor.shape()}});
  std::ranges::stable_sort(entries, std::ranges::greater(),
                           [](const SafetensorsEntry& entry) { return size_of(entry.info.dtype); });
  std::uint64_t offset = 0;
  for (SafetensorsEntry& entry : entries) {
    entry.begin = offset;
    entry.end = offset += bytes_of(entry.info);
  }
  return entries;
}

}  // namespace

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : file_(path) {
  SafetensorsHeader header = read_safetensors_header(file_);
  metadata_ = std::move(header.metadata);
  for (SafetensorsEntry& entry : header.entries) {
    offsets_[entry.name] = header.data_begin + entry.begin;
    entries_[std::move(entry.name)] = entry.info;
  }
}

Tensor SafetensorsReader::read(const std::string& name) const {
  const auto found = entries_.find(name);
  TSR_CHECK_INPUT(found != entries_.end(), file(), ": tensor '", name, "' is missing");
  const TensorInfo& info = found->second;
  Tensor tensor(info.shape, info.dtype, Device::cpu);
  const std::size_t bytes = bytes_of(info);
  file_.read(offsets_.at(name), tensor.raw(), bytes);
  if (info.dtype == boolean) {
    const auto* const values = static_cast<const unsigned char*>(tensor.raw());
    TSR_CHECK_INPUT(std::all_of(values, values + bytes, [](unsigned char value) { return value <= 1; }),
                    file(), ": tensor '", name, "' holds a bool that is neither 0 nor 1");
  }
  return tensor;
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  const SafetensorsReader reader(path);
  SafetensorsFile result{.tensors = {}, .metadata = reader.metadata()};
  for (const auto& [name, info] : reader.entries()) result.tensors.emplace(name, reader.read(name));
  return result;
}

void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata) {
  const std::vector<SafetensorsEntry> entries = lay_out(tensors);
  const std::string header = make_safetensors_header(entries, metadata);
  write_atomically(path, [&](const auto& put) {
    put(header.data(), header.size());
    for (const SafetensorsEntry& entry : entries) {
      const Tensor host = tensors.at(entry.name).to(Device::cpu);
      const Tensor flat = host.is_contiguous() ? host : host.clone();
      put(flat.raw(), bytes_of(entry.info));
    }
  });
}

}  // namespace tsr
