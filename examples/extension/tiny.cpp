// An encoder: two strided convolutions. `--arch tiny`.
#include "nn/layers.h"
#include "ssl/encoders.h"

namespace {

using namespace tsr;

struct Tiny final : Encoder {
  std::int64_t width;
  Conv2d conv1, conv2;
  BatchNorm bn1, bn2;

  Tiny(std::int64_t channels, std::int64_t width)
      : width(width),
        conv1({.in = channels, .out = width, .kernel = 3, .stride = 2, .padding = 1, .bias = false}),
        conv2({.in = width, .out = 2 * width, .kernel = 3, .stride = 2, .padding = 1, .bias = false}),
        bn1({.channels = width}),
        bn2({.channels = 2 * width}) {}

  Tensor operator()(const Tensor& images) override {
    return global_avg_pool(bn2(conv2(bn1(conv1(images), true)), true));
  }
  std::int64_t feature_size() const override { return 2 * width; }
  std::unique_ptr<Encoder> another() const override {
    return std::make_unique<Tiny>(conv1.options.in, width);
  }
  void visit(Visitor& v) override {
    v.child("conv1", conv1);
    v.child("bn1", bn1);
    v.child("conv2", conv2);
    v.child("bn2", bn2);
  }
};

const RegisterEncoder registered({.name = "tiny",
                                  .make = [](std::int64_t channels, std::int64_t,
                                             Settings& s) -> std::unique_ptr<Encoder> {
                                    return std::make_unique<Tiny>(channels, s.integer("width", 16, 1, 1024));
                                  }});

}  // namespace
