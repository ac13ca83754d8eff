// What docs/ quotes from the sources stands there.
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Quote {
  std::string file, text;
};

/// The blocks that name a file behind the language: "```cpp autograd/op.h".
std::vector<Quote> quotes(const fs::path& page) {
  std::vector<Quote> found;
  std::ifstream in(page);
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      const std::size_t space = line.find(' ');
      inside = !inside && space != std::string::npos;
      if (inside) found.push_back({line.substr(space + 1), ""});
    } else if (inside) {
      found.back().text += line + '\n';
    }
  }
  return found;
}

std::string contents(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST_CASE("what the documentation quotes stands in the sources") {
  const fs::path root = TESSERA_SOURCE_DIR;
  int checked = 0;
  for (const auto& page : fs::directory_iterator(root / "docs")) {
    if (page.path().extension() != ".md") continue;
    for (const Quote& quote : quotes(page.path())) {
      CAPTURE(page.path().filename().string());
      CAPTURE(quote.file);
      CAPTURE(quote.text);
      CHECK(contents(root / quote.file).find(quote.text) != std::string::npos);
      ++checked;
    }
  }
  CHECK(checked >= 11);
}

}  // namespace
