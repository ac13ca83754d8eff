// Sampling images at the places of a grid.
#include "autograd/op.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

const OpInfo kGridSample("grid_sample", true, CastPolicy::widest);

}  // namespace

Tensor grid_sample(const Tensor& given_x, const Tensor& given_grid, const GridSampleParams& params) {
  const Tensor dense_x = contiguous(given_x), dense_grid = contiguous(given_grid);
  Op op(kGridSample, {dense_x, dense_grid});
  const Tensor &x = op[0], &grid = op[1];
  TSR_CHECK(x.rank() == 4 && grid.rank() == 4 && grid.size(3) == 2 && x.size(0) == grid.size(0),
            "grid_sample: x ", describe(x), ", grid ", describe(grid),
            "; need x [N, H, W, C] and grid [N, H', W', 2] for the same N");
  TSR_CHECK(x.size(1) > 0 && x.size(2) > 0, "grid_sample: x ", describe(x), " has no pixels to sample");
  const Tensor y = op.empty({x.size(0), grid.size(1), grid.size(2), x.size(3)});
  grid_sample_fwd(op, x.view(), grid.view(), y.view(), params);
  return op.record(
      y, [x = op.save(x), grid = op.save(grid), params](const Tensor& given_grad, const Needs& needs) {
        const Tensor grad = contiguous(given_grad);
        const Tensor &image = x.get(), &places = grid.get();
        Tensors grads{needs[0] ? Tensor(image.shape(), image.dtype(), image.device()) : Tensor(),
                      needs[1] ? Tensor(places.shape(), places.dtype(), places.device()) : Tensor()};
        const auto view = [](const Tensor& tensor) { return tensor.defined() ? tensor.view() : View{}; };
        Context context(grad.device());
        grid_sample_bwd(context, grad.view(), image.view(), places.view(), view(grads[0]), view(grads[1]),
                        params);
        return grads;
      });
}

}  // namespace tsr
