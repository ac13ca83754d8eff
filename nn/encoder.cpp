#include "nn/encoder.h"

#include "nn/torch_state.h"

namespace tsr {

void Encoder::load_weights(const TensorSource& tensors, const std::string& source) {
  load_torch_state_dict(*this, tensors, source, {.pass_over = {"fc."}});
}

}  // namespace tsr
