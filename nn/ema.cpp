#include "nn/ema.h"

#include "tensor/kernels.h"

namespace tsr {
namespace {

void average(const Tensor& target, const Tensor& source, double momentum) {
  TSR_CHECK(target.is_contiguous() && source.is_contiguous() && target.device() == source.device(),
            "ema_update: ", describe(target), " and ", describe(source),
            " must be dense and on one device; see contiguous() and to()");
  Context context(target.device());
  ema_step(context, target.view(), source.view(), momentum);
  target.bump_version("ema_update");
}

}  // namespace

void ema_update(Module& teacher, Module& student, double momentum, EmaBuffers buffers) {
  TSR_CHECK(momentum >= 0 && momentum <= 1, "ema_update: momentum ", momentum, "; choose 0 ≤ momentum ≤ 1");
  for (const auto& [source, target] : paired_tensors("ema_update", student, teacher)) {
    if (target.learned || (buffers == EmaBuffers::average && is_floating(target.tensor.dtype()))) {
      average(target.tensor, source.tensor, momentum);
    } else if (buffers != EmaBuffers::keep) {
      copy_into(target.tensor, source.tensor);
    }
  }
}

}  // namespace tsr
