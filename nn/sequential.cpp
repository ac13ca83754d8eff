#include "nn/sequential.h"

namespace tsr {

Tensor Sequential::operator()(const Tensor& x) {
  Tensor y = x;
  for (const auto& slot : slots_) y = slot->call(y);
  return y;
}

void Sequential::visit(Visitor& v) {
  for (std::size_t i = 0; i < slots_.size(); ++i) v.child(std::to_string(i), slots_[i]->module());
}

Module& Sequential::operator[](std::size_t index) const {
  TSR_CHECK(index < slots_.size(), "Sequential: there is no module ", index, "; it holds ", slots_.size());
  return slots_[index]->module();
}

Sequential Sequential::fresh() const {
  Sequential result;
  for (const auto& slot : slots_) result.slots_.push_back(slot->fresh());
  return result;
}

}  // namespace tsr
