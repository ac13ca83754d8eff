// Every pixel operation against torchvision's results (tests/golden/augment.py).
#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/blur.h"
#include "data/color.h"
#include "tests/data/test_images.h"
#include "tests/golden/golden.h"

namespace {

using Json = nlohmann::json;

tsr::Image image_of(const Json& golden) {
  tsr::Image image(golden.at("height"), golden.at("width"), golden.at("channels"));
  image.pixels = golden.at("pixels").get<std::vector<std::uint8_t>>();
  return image;
}

/// Channels last.
std::vector<float> values_of(const tsr::Planes& planes) {
  std::vector<float> values(planes.pixels() * static_cast<std::size_t>(planes.channels));
  tsr::store_normalized(planes, {0, 0, 0}, {1, 1, 1}, values.data());
  return values;
}

/// What our operation of that name gives.
std::vector<float> ours(const std::string& op, const std::vector<float>& a, const tsr::Image& image) {
  tsr::PlaneBuffer buffer;
  if (op == "crop_resize") {
    auto whole = [&](std::size_t i) { return static_cast<int>(a[i]); };
    const tsr::Planes out = buffer.reshape(image.channels, whole(4), whole(5));
    tsr::crop_resize(image, {whole(0), whole(1), whole(2), whole(3)}, false, out);
    return values_of(out);
  }
  if (op == "center_crop") {
    const int size = static_cast<int>(a[0]);
    std::vector<float> out(static_cast<std::size_t>(size * size * image.channels));
    tsr::CenterCrop(size, {}, static_cast<int>(a[1])).apply(image, tsr::Generator(0), out.data());
    return out;
  }
  const tsr::Planes planes = to_planes(image, buffer);
  if (op == "brightness")
    tsr::adjust_brightness(planes, a[0]);
  else if (op == "contrast")
    tsr::adjust_contrast(planes, a[0]);
  else if (op == "saturation")
    tsr::adjust_saturation(planes, a[0]);
  else if (op == "hue")
    tsr::adjust_hue(planes, a[0]);
  else if (op == "grey")
    tsr::make_grey(planes);
  else if (op == "solarize")
    tsr::solarize(planes, a[0]);
  else if (op == "blur")
    tsr::gaussian_blur(planes, static_cast<int>(a[0]), a[1]);
  else
    FAIL("the golden file has an operation that this test lacks: ", op);
  return values_of(planes);
}

}  // namespace

TEST_CASE("pixel operations equal torchvision's") {
  const Json& golden = tsr::test::read_golden("augment.json");
  int compared = 0;
  for (const Json& picture : golden.at("images")) {
    const tsr::Image image = image_of(picture);
    for (const Json& expected : picture.at("cases")) {
      const std::string op = expected.at("op");
      const auto values = expected.at("values").get<std::vector<float>>();
      const std::vector<float> got = ours(op, expected.at("arguments").get<std::vector<float>>(), image);
      CAPTURE(op);
      CAPTURE(expected.at("arguments").dump());
      CAPTURE(image.channels);
      REQUIRE(got.size() == values.size());
      float worst = 0;
      for (std::size_t i = 0; i < values.size(); ++i) worst = std::max(worst, std::fabs(values[i] - got[i]));
      CHECK(worst < 3e-6f);
      ++compared;
    }
  }
  CHECK(compared == 37);
}
