// Matrix products: from views of any strides to the packed product of gemm.h.
#include "tensor/cpu/epilogue.h"
#include "tensor/cpu/gemm.h"
#include "tensor/kernels.h"

namespace tsr::cpu {
namespace {

/// A leading axis of a matmul, or several merged: steps are in elements.
struct BatchAxis {
  std::int64_t size, step_a, step_b;
};

/// The leading axes, merged where the steps of both operands allow it.
struct BatchAxes {
  int count = 0;
  BatchAxis axis[kMaxRank];

  BatchAxes(const View& a, const View& b) {
    for (int i = 0; i + 2 < a.rank; ++i) {
      const BatchAxis next{a.size[i], a.stride[i], b.stride[i]};
      if (next.size == 1) continue;
      BatchAxis* last = count == 0 ? nullptr : &axis[count - 1];
      if (last != nullptr && last->step_a == next.step_a * next.size &&
          last->step_b == next.step_b * next.size) {
        *last = {last->size * next.size, next.step_a, next.step_b};
      } else {
        axis[count++] = next;
      }
    }
  }
};

template <class S>
struct Product {
  using T = Compute<S>;
  std::int64_t m, n, k;
  StridedMatrix<S> a, b;
  Epilogue<T> epilogue = {};

  void run(std::int64_t batch, S* y) const {
    Output<T> c = output(y);
    c.row_stride = n;
    c.batch_stride = m * n;
    gemm(Gemm<T>{.batch = batch,
                 .m = m,
                 .n = n,
                 .k = k,
                 .a = strided_a(a),
                 .b = strided_b(b),
                 .c = c,
                 .epilogue = epilogue});
  }
};

/// Runs axes [depth, count) of the batch; the last of them is the product's own batch.
template <class S>
void run_batches(const BatchAxes& axes, int depth, Product<S> product, S* y) {
  if (depth == axes.count) return product.run(1, y);
  const BatchAxis& axis = axes.axis[depth];
  if (depth + 1 == axes.count) {
    if (axis.step_b == 0 && axis.step_a == product.m * product.a.row_stride) {
      product.m *= axis.size;  // the rows of all matrices lie evenly: one tall product packs b once
      return product.run(1, y);
    }
    product.a.batch_stride = axis.step_a;
    product.b.batch_stride = axis.step_b;
    return product.run(axis.size, y);
  }
  std::int64_t step_y = product.m * product.n;
  for (int i = depth + 1; i < axes.count; ++i) step_y *= axes.axis[i].size;
  for (std::int64_t i = 0; i < axis.size; ++i) {
    run_batches(axes, depth + 1, product, y + i * step_y);
    product.a.data += axis.step_a;
    product.b.data += axis.step_b;
  }
}

template <class S>
void matmul(Context&, View a, View b, View y) {
  const int row = y.rank - 2, col = y.rank - 1;
  run_batches(BatchAxes(a, b), 0,
              Product<S>{.m = y.size[row],
                         .n = y.size[col],
                         .k = a.size[col],
                         .a = {a.as<S>(), a.stride[row], a.stride[col]},
                         .b = {b.as<S>(), b.stride[row], b.stride[col]}},
              y.as<S>());
}

template <class S>
void linear(Context& context, View x, View weight, View bias, View y) {
  const BiasResidualRelu<Compute<S>> finish{.bias = epilogue_operand<S>(context, bias)};
  Product<S>{.m = y.size[0],
             .n = y.size[1],
             .k = x.size[1],
             .a = {x.as<S>(), x.stride[0], x.stride[1]},
             .b = {weight.as<S>(), weight.stride[1], weight.stride[0]},
             .epilogue = finish.epilogue()}
      .run(1, y.as<S>());
}

TSR_CPU_KERNEL(matmul_fwd, matmul, float, double, BFloat16, Float16);
TSR_CPU_KERNEL(linear_fwd, linear, float, double, BFloat16, Float16);

}  // namespace
}  // namespace tsr::cpu
