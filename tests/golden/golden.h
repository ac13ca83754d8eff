#pragma once
// Golden values: what the scripts in tests/golden wrote.

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/shape.h"

namespace tsr::test {

/// A file of tests/golden, read once.
inline const nlohmann::json& read_golden(const std::string& file) {
  static std::map<std::string, nlohmann::json> read;
  const auto found = read.find(file);
  if (found != read.end()) return found->second;
  std::ifstream in(TESSERA_SOURCE_DIR "/tests/golden/" + file);
  TSR_CHECK(in, "tests/golden/", file, ": can't be read");
  return read[file] = nlohmann::json::parse(in);
}

/// A list of sizes.
inline Shape shape_of(const nlohmann::json& sizes) {
  return Shape(std::span<const std::int64_t>(sizes.get<std::vector<std::int64_t>>()));
}

}  // namespace tsr::test
