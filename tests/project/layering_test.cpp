// The one rule of the tree: includes only follow the layers' arrows.
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude{
    {"tensor", {"tensor"}},
    {"cuda", {"cuda", "tensor"}},
    {"data", {"data", "tensor"}},
    {"autograd", {"autograd", "tensor"}},
    {"nn", {"nn", "autograd", "tensor"}},
    {"ssl", {"ssl", "nn", "autograd", "tensor"}},
    {"apps", {"apps", "ssl", "data", "nn", "autograd", "tensor"}},
};

/// The folders of the tree that a line of source includes from; empty for any other line.
std::string included_folder(const std::string& line) {
  static const std::regex include(R"re(^\s*#\s*include\s+"([a-z]+)/.*)re");
  std::smatch match;
  return std::regex_match(line, match, include) && kMayInclude.contains(match[1]) ? match[1].str() : "";
}

std::vector<std::string> violations(const fs::path& root) {
  std::vector<std::string> found;
  for (const auto& [folder, allowed] : kMayInclude) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      std::string line;
      for (int number = 1; std::getline(in, line); ++number) {
        const std::string target = included_folder(line);
        if (!target.empty() && !allowed.contains(target))
          found.push_back(entry.path().string() + ":" + std::to_string(number) + " includes from " + target);
      }
    }
  }
  return found;
}

TEST_CASE("includes only follow the arrows") {
  for (const std::string& violation : violations(TESSERA_SOURCE_DIR)) {
    CAPTURE(violation);
    CHECK(false);
  }
}

TEST_CASE("the layering check finds a broken rule") {
  const fs::path root = fs::temp_directory_path() / "tessera-layering-test";
  fs::create_directories(root / "tensor");
  std::ofstream(root / "tensor" / "bad.h")
      << "#pragma once\n#include \"nn/module.h\"\n#include \"tensor/view.h\"\n";
  CHECK(violations(root).size() == 1);
  fs::remove_all(root);
}

TEST_CASE("public headers include the standard library and each other, nothing else") {
  std::ifstream list(fs::path(TESSERA_BINARY_DIR) / "public_headers.txt");
  std::set<std::string> headers;
  for (std::string line; std::getline(list, line);) headers.insert(line);
  CHECK(headers.size() > 40);
  static const std::regex include(R"re(^\s*#\s*include\s+([<"])([^">]+)[">].*)re");
  for (const std::string& header : headers) {
    std::ifstream in(fs::path(TESSERA_SOURCE_DIR) / header);
    REQUIRE(in);
    std::smatch match;
    for (std::string line; std::getline(in, line);) {
      if (!std::regex_match(line, match, include)) continue;
      const std::string target = match[2];
      CAPTURE(header);
      CAPTURE(target);
      // The standard library's names have neither a folder nor an ending.
      CHECK((match[1] == "<" ? target.find_first_of("/.") == std::string::npos : headers.contains(target)));
    }
  }
}

TEST_CASE("no source is longer than 600 lines") {
  for (const auto& [folder, allowed] : kMayInclude) {
    const fs::path root = fs::path(TESSERA_SOURCE_DIR) / folder;
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      std::ifstream in(entry.path());
      std::string line;
      int lines = 0;
      while (std::getline(in, line)) ++lines;
      CAPTURE(entry.path().string());
      CHECK(lines <= 600);
    }
  }
}

}  // namespace
