#include "tensor/safetensors_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

namespace tsr {
namespace {

constexpr std::array<std::string_view, kDTypeCount> kDTypeNames{"F32", "F64", "BF16", "F16",
                                                                "I64", "I32", "U8",   "BOOL"};
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr const char* kMetadata = "__metadata__";

DType dtype_of_entry(const std::string& where, const std::string& name) {
  std::string known;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (kDTypeNames[i] == name) return static_cast<DType>(i);
    known.append(" ").append(kDTypeNames[i]);
  }
  throw InputError(text(where, ": dtype '", name, "' is not supported; known:", known));
}

Shape shape_of_entry(const std::string& where, const nlohmann::json& sizes, DType dtype) {
  TSR_CHECK_INPUT(sizes.is_array() && sizes.size() <= kMaxRank, where, ": shape must list at most ", kMaxRank,
                  " sizes");
  Shape shape;
  std::int64_t bytes = size_of(dtype);
  for (const auto& size : sizes) {
    TSR_CHECK_INPUT(size.is_number_unsigned(), where, ": shape holds something that is not a size");
    shape.push_back(size.get<std::int64_t>());
    TSR_CHECK_INPUT(shape.back() >= 0 && !__builtin_mul_overflow(bytes, shape.back(), &bytes), where,
                    ": shape is too large");
  }
  return shape;
}

bool has_offsets(const nlohmann::json& json) {
  if (!json.contains("data_offsets")) return false;
  const auto& offsets = json["data_offsets"];
  return offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() &&
         offsets[1].is_number_unsigned();
}

SafetensorsEntry parse_entry(const std::string& file, const std::string& name, const nlohmann::json& json,
                             std::uint64_t data_bytes) {
  const std::string where = text(file, ": tensor '", name, "'");
  TSR_CHECK_INPUT(json.is_object() && json.contains("dtype") && json["dtype"].is_string() &&
                      json.contains("shape") && has_offsets(json),
                  where, ": header entry lacks dtype, shape or two data_offsets");
  const DType dtype = dtype_of_entry(where, json["dtype"].get<std::string>());
  SafetensorsEntry entry{.name = name,
                         .info = {dtype, shape_of_entry(where, json["shape"], dtype)},
                         .begin = json["data_offsets"][0].get<std::uint64_t>(),
                         .end = json["data_offsets"][1].get<std::uint64_t>()};
  TSR_CHECK_INPUT(entry.begin <= entry.end && entry.end <= data_bytes, where, ": data_offsets [", entry.begin,
                  ", ", entry.end, "] lie outside the ", data_bytes, " bytes of data");
  const auto needed = static_cast<std::uint64_t>(entry.info.shape.numel() * size_of(dtype));
  TSR_CHECK_INPUT(entry.end - entry.begin == needed, where, ": data_offsets span ", entry.end - entry.begin,
                  " bytes but ", entry.info, " needs ", needed);
  return entry;
}

Metadata parse_metadata(const std::string& file, const nlohmann::json& json) {
  TSR_CHECK_INPUT(json.is_object(), file, ": __metadata__ is not an object");
  Metadata metadata;
  for (const auto& [key, value] : json.items()) {
    TSR_CHECK_INPUT(value.is_string(), file, ": metadata '", key, "' is not a string");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// The JSON of the header; an object whose keys are all different.
nlohmann::json parse_json(const std::string& file, const std::string& header) {
  std::set<std::string> names;
  std::string twice;
  auto json = nlohmann::json::parse(
      header,
      [&](int depth, nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
        if (depth == 1 && event == nlohmann::json::parse_event_t::key &&
            !names.insert(parsed.get<std::string>()).second)
          twice = parsed.get<std::string>();
        return true;
      },
      false);
  TSR_CHECK_INPUT(header.starts_with('{') && json.is_object(), file,
                  ": header is not a JSON object; not a safetensors file");
  TSR_CHECK_INPUT(twice.empty(), file, ": the header has '", twice, "' twice");
  return json;
}

/// Every byte of the data belongs to exactly one tensor: no second meaning can hide in a file.
void check_tiling(const std::string& file, std::vector<SafetensorsEntry> entries, std::uint64_t data_bytes) {
  std::ranges::sort(entries, {},
                    [](const SafetensorsEntry& entry) { return std::pair(entry.begin, entry.end); });
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    TSR_CHECK_INPUT(covered <= entries[i].begin, file, ": tensors '", i == 0 ? "" : entries[i - 1].name,
                    "' and '", entries[i].name, "' overlap");
    TSR_CHECK_INPUT(covered == entries[i].begin, file, ": the ", entries[i].begin - covered,
                    " bytes of data before tensor '", entries[i].name, "' belong to none");
    covered = entries[i].end;
  }
  TSR_CHECK_INPUT(covered == data_bytes, file, ": the last ", data_bytes - covered,
                  " bytes of data belong to no tensor");
}

}  // namespace

SafetensorsHeader read_safetensors_header(const ReadFile& file) {
  const std::string name = file.name();
  TSR_CHECK_INPUT(file.bytes() >= 8, name, ": too short for a safetensors file (", file.bytes(), " bytes)");
  std::uint64_t length = 0;
  file.read(0, &length, sizeof length);
  TSR_CHECK_INPUT(length <= kMaxHeader && length <= file.bytes() - 8, name, ": header of ", length,
                  " bytes doesn't fit the file of ", file.bytes(), " bytes; truncated, or not safetensors");
  std::string content(length, '\0');
  file.read(8, content.data(), content.size());

  SafetensorsHeader header;
  header.data_begin = 8 + length;
  const std::uint64_t data_bytes = file.bytes() - header.data_begin;
  const nlohmann::json parsed = parse_json(name, content);
  for (const auto& [key, json] : parsed.items()) {
    if (key == kMetadata) {
      header.metadata = parse_metadata(name, json);
    } else {
      header.entries.push_back(parse_entry(name, key, json, data_bytes));
    }
  }
  check_tiling(name, header.entries, data_bytes);
  return header;
}

std::string make_safetensors_header(const std::vector<SafetensorsEntry>& entries, const Metadata& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  for (const SafetensorsEntry& entry : entries) {
    TSR_CHECK(entry.name != kMetadata, "safetensors: no tensor can be called ", kMetadata);
    header[entry.name] = {
        {"dtype", kDTypeNames[static_cast<int>(entry.info.dtype)]},
        {"shape", std::vector<std::int64_t>(entry.info.shape.begin(), entry.info.shape.end())},
        {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string json;
  try {
    json = header.dump();
  } catch (const nlohmann::json::type_error&) {
    throw Error("safetensors: a tensor's name or some metadata is not UTF-8");
  }
  json.resize((json.size() + 7) / 8 * 8, ' ');
  TSR_CHECK(json.size() <= kMaxHeader, "safetensors: a header of ", json.size(),
            " bytes is too large; the format allows ", kMaxHeader);
  std::string result(sizeof(std::uint64_t), '\0');
  const std::uint64_t length = json.size();
  std::memcpy(result.data(), &length, sizeof length);
  return result + json;
}

}  // namespace tsr
