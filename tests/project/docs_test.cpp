// The walk-through for extenders quotes the example as it is.
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file);
  REQUIRE(in);
  std::ostringstream content;
  content << in.rdbuf();
  return content.str();
}

/// What stands between ```language and ```, for each such block.
std::vector<std::string> blocks(const std::string& page, const std::string& language) {
  std::vector<std::string> found;
  const std::string open = "```" + language + "\n";
  for (auto at = page.find(open); at != std::string::npos; at = page.find(open, at + 1)) {
    const auto begin = at + open.size();
    found.push_back(page.substr(begin, page.find("```", begin) - begin));
  }
  return found;
}

TEST_CASE("docs/extending.md quotes the example's files word for word") {
  const fs::path root = TESSERA_SOURCE_DIR;
  std::string example;
  for (const auto& entry : fs::recursive_directory_iterator(root / "examples/extension"))
    if (entry.is_regular_file()) example += read(entry.path());
  const std::string page = read(root / "docs/extending.md");
  std::size_t count = 0;
  for (const char* language : {"cpp", "cmake"}) {
    for (const std::string& block : blocks(page, language)) {
      CAPTURE(block);
      CHECK(example.find(block) != std::string::npos);
      ++count;
    }
  }
  CHECK(count >= 6);
}

}  // namespace
