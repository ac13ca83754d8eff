#include "nn/ema.h"

#include <map>

#include "tensor/kernels.h"

namespace tsr {
namespace {

/// Tensors that one launch may average: of one device and dtype.
using Alike = std::map<std::pair<Device, DType>, std::vector<EmaItem>>;

void check(const Tensor& target, const Tensor& source) {
  TSR_CHECK(target.is_contiguous() && source.is_contiguous() && target.device() == source.device(),
            "ema_update: ", describe(target), " and ", describe(source),
            " must be dense and on one device; see contiguous() and to()");
}

}  // namespace

void ema_update(Module& teacher, Module& student, double momentum, EmaBuffers buffers) {
  TSR_CHECK(momentum >= 0 && momentum <= 1, "ema_update: momentum ", momentum, "; choose 0 ≤ momentum ≤ 1");
  Alike alike;
  for (const auto& [source, target] : paired_tensors("ema_update", student, teacher)) {
    if (target.learned || (buffers == EmaBuffers::average && is_floating(target.tensor.dtype()))) {
      check(target.tensor, source.tensor);
      alike[{target.tensor.device(), target.tensor.dtype()}].push_back(
          {target.tensor.view(), source.tensor.view(), momentum});
      target.tensor.bump_version("ema_update");
    } else if (buffers != EmaBuffers::keep) {
      copy_into(target.tensor, source.tensor);
    }
  }
  for (const auto& [kind, items] : alike) {
    Context context(kind.first);
    ema_step(context, items[0].target, items);
  }
}

}  // namespace tsr
