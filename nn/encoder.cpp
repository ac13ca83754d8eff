#include "nn/encoder.h"

#include "nn/torch_state.h"

namespace tsr {

void Encoder::load_weights(const TensorSource& tensors, const std::string& source) {
  load_torch_state_dict(*this, tensors, source, {.pass_over = {"fc."}});
}

std::unique_ptr<Encoder> Encoder::another() const {
  throw Error(text(label(), ": a method with a second encoder needs another(); override it"));
}

std::unique_ptr<Encoder> clone_encoder(Encoder& encoder) {
  std::unique_ptr<Encoder> copy = encoder.another();
  for (const NamedTensor& entry : named_tensors(encoder)) {
    if (!is_floating(entry.tensor.dtype())) continue;
    copy->to(entry.tensor.dtype());
    break;
  }
  copy_state(encoder, *copy);
  copy->train(encoder.training());
  return copy;
}

}  // namespace tsr
