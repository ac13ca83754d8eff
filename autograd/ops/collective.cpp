// Collectives with gradients.
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/group.h"

namespace tsr {
namespace {

const OpInfo kAllGather("all_gather", true);

}  // namespace

Tensor all_gather(const Tensor& x) {
  Group& group = Group::current();
  if (group.size() == 1) return x;
  Op op(kAllGather, {x});
  return op.record(group.all_gather(contiguous(x)), [rows = x.size(0)](const Tensor& grad, const Needs&) {
    Group& all = Group::current();
    const Tensor sum = grad.clone();
    all.all_reduce(sum);
    return Tensors{slice(sum, 0, all.rank() * rows, (all.rank() + 1) * rows)};
  });
}

}  // namespace tsr
