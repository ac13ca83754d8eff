// A data set: one to four rings around a common centre, drawn when asked for. `--data rings`.
#include <algorithm>
#include <cmath>

#include "data/dataset.h"
#include "tensor/random.h"

namespace {

using namespace tsr;

constexpr int kSide = 16, kClasses = 4;

/// 512 training and 128 test images, 16 × 16 grey; image i has i mod 4 + 1 rings and a random stream of its
/// own.
class Rings final : public Dataset {
 public:
  explicit Rings(Split split) : split_(split) {}
  std::string name() const override { return "rings"; }
  std::int64_t size() const override { return split_ == Split::train ? 512 : 128; }
  int channels() const override { return 1; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::int64_t label(std::int64_t index) const override { return index % kClasses; }

  Image image(std::int64_t index) const override {
    Generator generator = Generator(split_ == Split::train ? 1 : 2).fork(static_cast<std::uint64_t>(index));
    RandomWords words(generator);
    const float centre_x = words.uniform(6.5f, 9.5f), centre_y = words.uniform(6.5f, 9.5f),
                ink = words.uniform(120, 220), spacing = 7.5f / static_cast<float>(label(index) + 1);
    Image image(kSide, kSide, 1);
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) {
        const float radius =
            std::hypot(static_cast<float>(x) + 0.5f - centre_x, static_cast<float>(y) + 0.5f - centre_y);
        const float wave = radius < 7.5f ? std::pow(std::sin(3.14159f * radius / spacing), 2.f) : 0;
        const float value = ink * wave + words.uniform(0, 30);
        *image.at(y, x) = static_cast<std::uint8_t>(std::clamp(value, 0.f, 255.f));
      }
    return image;
  }

 private:
  Split split_;
  std::vector<std::string> names_{"one", "two", "three", "four"};
};

const RegisterDataset registered({.name = "rings", .open = [](Split split, std::string_view) {
                                    return std::make_shared<Rings>(split);
                                  }});

}  // namespace
