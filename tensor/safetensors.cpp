#include "tensor/safetensors.h"

#include <array>
#include <bit>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tensor/file.h"

namespace tsr {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

constexpr std::array<std::string_view, kDTypeCount> kNames{"F32", "F64", "BF16", "F16",
                                                           "I64", "I32", "U8",   "BOOL"};
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit

DType dtype_of_entry(const std::string& where, const std::string& name) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kNames[i] == name) return static_cast<DType>(i);
  throw InputError(text(where, ": dtype '", name, "' is not supported"));
}

/// One entry of the header.
struct Entry {
  std::string name;
  DType dtype = float32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

Shape shape_of_entry(const std::string& where, const nlohmann::json& sizes, DType dtype) {
  TSR_CHECK_INPUT(sizes.is_array() && sizes.size() <= kMaxRank, where, ": shape must list at most ", kMaxRank,
                  " sizes");
  Shape shape;
  std::int64_t bytes = size_of(dtype);
  for (const auto& size : sizes) {
    TSR_CHECK_INPUT(size.is_number_unsigned(), where, ": shape holds something that is not a size");
    shape.push_back(size.get<std::int64_t>());
    TSR_CHECK_INPUT(!__builtin_mul_overflow(bytes, shape.back(), &bytes), where, ": shape is too large");
  }
  return shape;
}

Entry parse_entry(const std::string& file, const std::string& name, const nlohmann::json& json,
                  std::uint64_t data_bytes) {
  const std::string where = text(file, ": tensor '", name, "'");
  TSR_CHECK_INPUT(json.is_object() && json.contains("dtype") && json["dtype"].is_string() &&
                      json.contains("shape") && json.contains("data_offsets") &&
                      json["data_offsets"].is_array() && json["data_offsets"].size() == 2 &&
                      json["data_offsets"][0].is_number_unsigned() &&
                      json["data_offsets"][1].is_number_unsigned(),
                  where, ": header entry lacks dtype, shape or two data_offsets");
  const DType dtype = dtype_of_entry(where, json["dtype"].get<std::string>());
  Entry entry{.name = name,
              .dtype = dtype,
              .shape = shape_of_entry(where, json["shape"], dtype),
              .begin = json["data_offsets"][0].get<std::uint64_t>(),
              .end = json["data_offsets"][1].get<std::uint64_t>()};
  TSR_CHECK_INPUT(entry.begin <= entry.end && entry.end <= data_bytes, where, ": data_offsets [", entry.begin,
                  ", ", entry.end, "] lie outside the ", data_bytes, " bytes of data");
  std::int64_t needed = 0;
  TSR_CHECK_INPUT(!__builtin_mul_overflow(entry.shape.numel(), size_of(entry.dtype), &needed), where,
                  ": shape is too large");
  TSR_CHECK_INPUT(entry.end - entry.begin == static_cast<std::uint64_t>(needed), where,
                  ": data_offsets span ", entry.end - entry.begin, " bytes but ", entry.dtype, entry.shape,
                  " needs ", needed);
  return entry;
}

nlohmann::json read_header(std::ifstream& in, const std::string& file, std::uint64_t file_bytes,
                           std::uint64_t& header_bytes) {
  TSR_CHECK_INPUT(file_bytes >= 8 && in.read(reinterpret_cast<char*>(&header_bytes), 8), file,
                  ": too short for a safetensors file (", file_bytes, " bytes)");
  TSR_CHECK_INPUT(header_bytes <= kMaxHeader && header_bytes <= file_bytes - 8, file, ": header of ",
                  header_bytes, " bytes doesn't fit the file of ", file_bytes,
                  " bytes; truncated, or not safetensors");
  std::string header(header_bytes, '\0');
  TSR_CHECK_INPUT(in.read(header.data(), static_cast<std::streamsize>(header_bytes)), file,
                  ": header can't be read");
  auto json = nlohmann::json::parse(header, nullptr, false);
  TSR_CHECK_INPUT(json.is_object(), file, ": header is not a JSON object; not a safetensors file");
  return json;
}

void check_disjoint(const std::string& file, std::vector<Entry> entries) {
  std::ranges::sort(entries, {}, [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
  for (std::size_t i = 1; i < entries.size(); ++i)
    TSR_CHECK_INPUT(entries[i - 1].end <= entries[i].begin, file, ": tensors '", entries[i - 1].name,
                    "' and '", entries[i].name, "' overlap");
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  std::ifstream in(path, std::ios::binary);
  TSR_CHECK_INPUT(in && !std::filesystem::is_directory(path), file, ": no such file, or not readable");
  const std::uint64_t file_bytes = std::filesystem::file_size(path);
  std::uint64_t header_bytes = 0;
  const nlohmann::json header = read_header(in, file, file_bytes, header_bytes);
  const std::uint64_t data_begin = 8 + header_bytes;

  SafetensorsFile result;
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == "__metadata__") {
      TSR_CHECK_INPUT(json.is_object(), file, ": __metadata__ is not an object");
      for (const auto& [key, value] : json.items())
        result.metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
    } else {
      entries.push_back(parse_entry(file, name, json, file_bytes - data_begin));
    }
  }
  check_disjoint(file, entries);
  for (const Entry& entry : entries) {
    Tensor tensor(entry.shape, entry.dtype, Device::cpu);
    in.seekg(static_cast<std::streamoff>(data_begin + entry.begin));
    in.read(static_cast<char*>(tensor.raw()), static_cast<std::streamsize>(entry.end - entry.begin));
    TSR_CHECK_INPUT(in, file, ": tensor '", entry.name, "' can't be read");
    result.tensors.emplace(entry.name, std::move(tensor));
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = static_cast<std::uint64_t>(tensor.numel() * size_of(tensor.dtype()));
    header[name] = {{"dtype", kNames[static_cast<int>(tensor.dtype())]},
                    {"shape", std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())},
                    {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string head = header.dump();
  head.resize((head.size() + 7) / 8 * 8, ' ');
  write_atomically(path, [&](const auto& put) {
    const std::uint64_t length = head.size();
    put(&length, sizeof length);
    put(head.data(), head.size());
    for (const auto& [name, tensor] : tensors) {
      const Tensor host = tensor.to(Device::cpu);
      const Tensor flat = host.is_contiguous() ? host : host.clone();
      put(flat.raw(), static_cast<std::size_t>(flat.numel() * size_of(flat.dtype())));
    }
  });
}

}  // namespace tsr
