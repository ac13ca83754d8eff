#pragma once
// A procedural data set, for machines without any other and for tests; no result should rest on it.

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace tsr {

/// Ten outlines (disc, ring, square, …) at random place, size and rotation, on a random background; colour
/// and texture (plain, gradient, stripes, checks) of both are unrelated to the class. 32 × 32 × 3,
/// anti-aliased, with a little noise. Image `index` has class index mod 10 and is drawn when asked for, from
/// a random stream of its own that differs between the splits: 30,000 training and 5,000 test images.
class Shapes final : public Dataset {
 public:
  static constexpr int kSide = 32;

  explicit Shapes(Split split);
  std::string name() const override { return "shapes"; }
  std::int64_t size() const override { return split_ == Split::train ? 30'000 : 5'000; }
  int channels() const override { return 3; }
  Image image(std::int64_t index) const override;
  const std::vector<std::string>& class_names() const override { return class_names_; }
  std::int64_t label(std::int64_t index) const override;

 private:
  Split split_;
  std::vector<std::string> class_names_;
};

}  // namespace tsr
