#include "ssl/momentum_encoder.h"

#include "nn/dropout.h"

namespace tsr {
namespace {

class Follow final : public Visitor {
 protected:
  void on_param(const std::string&, Parameter& parameter, ParamKind) override { parameter.freeze(); }
  void on_buffer(const std::string&, Tensor&) override {}
  void on_module(const std::string&, Module& module) override {
    if (auto* layer = dynamic_cast<Dropout*>(&module)) layer->options.p = 0;
    if (auto* layer = dynamic_cast<DropPath*>(&module)) layer->options.p = 0;
  }
};

}  // namespace

void follow_only(Module& network) {
  Follow follow;
  network.visit(follow);
}

EmaMomentum read_ema_momentum(Settings& s, double usual) {
  const double start = s.real("ema_momentum", usual, 0, 1);
  return {.start = start, .end = s.real("ema_momentum_end", 1, 0, 1)};
}

}  // namespace tsr
