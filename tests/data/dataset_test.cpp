#include "data/dataset.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "data/shapes.h"
#include "tests/data/temp_folder.h"

namespace {

/// Sets an environment variable, and puts back what it was.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;
  ~ScopedVariable() { old_.empty() ? unsetenv(name_) : setenv(name_, old_.c_str(), 1); }

 private:
  const char* name_;
  std::string old_;
};

void write_mnist(const std::filesystem::path& folder) {
  Bytes images{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};
  write_file(folder / "train-images-idx3-ubyte", images);
  write_file(folder / "train-labels-idx1-ubyte", {0, 0, 8, 1, 0, 0, 0, 2, 7, 9});
}

}  // namespace

TEST_CASE("an unknown data set is an error that names the nearest known one") {
  const std::string text = input_error([] { tsr::open_dataset("fashon-mnist", tsr::Split::train); });
  CHECK(text == "data set 'fashon-mnist': unknown; did you mean 'fashion-mnist'?");
}

TEST_CASE("named data sets are looked for in $TESSERA_DATA, then the cache, then the system's folders") {
  const TempFolder data, cache;
  const ScopedVariable set_data("TESSERA_DATA", data.path()), set_cache("XDG_CACHE_HOME", cache.path());
  const auto folders = tsr::dataset_folders();
  CHECK(folders.at(0) == data.path());
  CHECK(folders.at(1) == cache / "tessera");
  CHECK(folders.back() == "/usr/share/datasets");

  write_mnist(cache / "tessera/mnist");
  CHECK(tsr::open_dataset("mnist", tsr::Split::train)->label(1) == 9);
  const std::string text = input_error([] { tsr::open_dataset("mnist", tsr::Split::test); });
  CHECK(contains(text, (data / "mnist").string()));
  CHECK(contains(text, (cache / "tessera/mnist").string()));
  CHECK(contains(text, "t10k-images-idx3-ubyte"));

  write_file(data / "mnist/train-images-idx3-ubyte", {1});
  CHECK(contains(input_error([] { tsr::open_dataset("mnist", tsr::Split::train); }), "but not the labels"));
}

TEST_CASE("without XDG_CACHE_HOME the cache is below the home folder") {
  const TempFolder home;
  const ScopedVariable set_cache("XDG_CACHE_HOME", ""), set_home("HOME", home.path());
  const ScopedVariable set_data("TESSERA_DATA", "");
  CHECK(tsr::dataset_folders().at(0) == home / ".cache/tessera");
}

TEST_CASE("Fashion-MNIST as its package has it") {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    MESSAGE("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const ScopedVariable set_data("TESSERA_DATA", "/usr/share/datasets");
  const auto train = tsr::open_dataset("fashion-mnist", tsr::Split::train);
  const auto test = tsr::open_dataset("fashion-mnist", tsr::Split::test);
  CHECK(train->size() == 60'000);
  CHECK(test->size() == 10'000);
  CHECK(train->class_names().at(static_cast<std::size_t>(train->label(0))) == "ankle boot");
  const tsr::Image image = train->image(0);
  CHECK(image.height == 28);
  CHECK(image.width == 28);
  // The well-known mean of the training pixels.
  std::uint64_t total = 0;
  for (std::int64_t i = 0; i < train->size(); ++i) {
    const auto pixels = train->image(i).pixels;
    total = std::accumulate(pixels.begin(), pixels.end(), total);
  }
  CHECK(static_cast<double>(total) / (60'000.0 * 784 * 255) == doctest::Approx(0.28604).epsilon(1e-4));
}

TEST_CASE("a subset keeps the samples' ids") {
  const auto shapes = std::make_shared<tsr::Shapes>(tsr::Split::test);
  const auto part = tsr::subset(shapes, {13, 4, 4999});
  CHECK(part->size() == 3);
  CHECK(part->id(1) == 4);
  CHECK(part->label(0) == 3);
  CHECK(part->image(2).pixels == shapes->image(4999).pixels);
  CHECK(part->name() == "shapes");
  CHECK_THROWS_AS(tsr::subset(shapes, {5000}), tsr::Error);
  CHECK_THROWS_AS(part->label(3), tsr::Error);
  const tsr::Tensor labels = tsr::labels_of(*part);
  CHECK(labels.data<std::int64_t>()[0] == 3);
  CHECK(labels.data<std::int64_t>()[2] == 9);
}

TEST_CASE("shapes are balanced, reproducible, different from each other, and the splits are disjoint") {
  const tsr::Shapes train(tsr::Split::train), test(tsr::Split::test);
  CHECK(train.class_names().size() == 10);
  std::vector<int> counts(10);
  for (std::int64_t i = 0; i < test.size(); ++i) ++counts[static_cast<std::size_t>(test.label(i))];
  for (const int count : counts) CHECK(count == 500);
  const tsr::Image image = train.image(17);
  CHECK(image.channels == 3);
  CHECK(image.height == 32);
  CHECK(image.pixels == tsr::Shapes(tsr::Split::train).image(17).pixels);
  CHECK(image.pixels != train.image(27).pixels);
  CHECK(image.pixels != test.image(17).pixels);
  CHECK_THROWS_AS(test.image(5000), tsr::Error);
}

TEST_CASE("the shape of a picture stands out from its background") {
  // Threshold at the middle between the darkest and the lightest quarter: both sides must be well populated.
  const tsr::Shapes train(tsr::Split::train);
  for (std::int64_t i = 0; i < 50; ++i) {
    const tsr::Image image = train.image(i);
    std::vector<double> light;
    for (std::size_t p = 0; p < image.pixels.size(); p += 3)
      light.push_back(0.299 * image.pixels[p] + 0.587 * image.pixels[p + 1] + 0.114 * image.pixels[p + 2]);
    std::sort(light.begin(), light.end());
    CAPTURE(i);
    CHECK(light[light.size() * 97 / 100] - light[light.size() * 3 / 100] > 50);
  }
}
