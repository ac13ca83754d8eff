// Batch norm with residual and relu fused in.
#include <cmath>

#include "autograd/checkpoint.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/group.h"

namespace tsr {
namespace {

const OpInfo kTraining("batch_norm", true, CastPolicy::mixed),
    kEvaluation("batch_norm_eval", CastPolicy::mixed);

/// The operands, dense; weight and bias filled in where the caller left them out. `wide` is the dtype of all
/// statistics, whatever that of x.
struct Operands {
  Tensor x, weight, bias, residual;
  DType wide;

  Operands(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual)
      : x(contiguous(x)),
        residual(residual.defined() ? contiguous(residual) : Tensor()),
        wide(compute_dtype(x.dtype())) {
    const Shape channels{x.size(-1)};
    this->weight = weight.defined() ? contiguous(weight) : ones(channels, wide, x.device());
    this->bias = bias.defined() ? contiguous(bias) : zeros(channels, wide, x.device());
  }
  double rows() const {
    double count = 1;
    for (int axis = 0; axis + 1 < x.rank(); ++axis) count *= static_cast<double>(x.shape()[axis]);
    return count;
  }
  View residual_view() const { return residual.defined() ? residual.view() : View{}; }

  Op enter(const OpInfo& info) const {
    return residual.defined() ? Op(info, {x, weight, bias, residual}) : Op(info, {x, weight, bias});
  }
};

void check_operands(const Operands& in, const Tensor& running_mean, const Tensor& running_var) {
  const Shape channels{in.x.size(-1)};
  for (const Tensor& tensor : {in.weight, in.bias, running_mean, running_var})
    TSR_CHECK(tensor.shape() == channels, "batch_norm: x ", describe(in.x), " has ", channels[0],
              " channels, but weight, bias, running mean or variance is ", describe(tensor));
  TSR_CHECK(!in.residual.defined() || in.residual.shape() == in.x.shape(), "batch_norm: x ", describe(in.x),
            " and residual ", describe(in.residual), " differ in shape");
  TSR_CHECK(!in.residual.defined() || in.residual.dtype() == in.x.dtype(), "batch_norm: x ", describe(in.x),
            " and residual ", describe(in.residual), " differ in dtype; convert one with cast(x, ",
            in.x.dtype(), ")");
}

/// Mean and biased variance over the rows of all processes, and how many rows those are.
struct Statistics {
  Tensor mean, variance;
  double count = 0;
};

/// Chan et al. 1979: the squared deviations from the common mean are those from each process's own mean, plus
/// count times the squared distance of the means.
void merge_processes(Statistics& s, Group& group) {
  const double rows = s.count;
  const Tensor sums = concat({s.mean * rows, full({1}, rows, s.mean.dtype(), s.mean.device())}, 0);
  group.all_reduce(sums);
  s.count = select(sums, 0, sums.numel() - 1).item();
  const Tensor mean = slice(sums, 0, 0, sums.numel() - 1) / s.count, apart = s.mean - mean;
  const Tensor deviations = (s.variance + apart * apart) * rows;
  group.all_reduce(deviations);
  s.mean = mean;
  s.variance = deviations / s.count;
}

Statistics batch_statistics(Op& op, const Operands& in) {
  Statistics s{op.empty(in.weight.shape(), in.wide), op.empty(in.weight.shape(), in.wide), in.rows()};
  batch_norm_stats(op, in.x.view(), s.mean.view(), s.variance.view());
  if (Group::current().size() > 1) merge_processes(s, Group::current());
  TSR_CHECK(s.count > 1, "batch_norm: x ", describe(in.x),
            " has one value a channel, whose variance is 0; train on more than one row");
  return s;
}

/// running += momentum·(batch - running); the running variance is the unbiased one.
void update_running(const Statistics& s, const Tensor& running_mean, const Tensor& running_var,
                    double momentum) {
  if (recomputing()) return;  // the first run of a checkpoint has done it
  const auto blend = [&](const Tensor& running, const Tensor& batch) {
    copy_into(running, running * (1 - momentum) + batch.to(running.dtype()) * momentum);
    running.bump_version("batch_norm");
  };
  blend(running_mean, s.mean);
  blend(running_var, s.variance * (s.count / (s.count - 1)));
}

Tensor inverse_std(const Tensor& variance, double epsilon) { return 1.0 / sqrt(variance + epsilon); }

Tensor normalise(Op& op, const Operands& in, const Tensor& mean, const Tensor& inv_std, bool relu) {
  Tensor y = op.empty(in.x.shape());
  batch_norm_fwd(op, in.x.view(), mean.view(), inv_std.view(), in.weight.view(), in.bias.view(),
                 in.residual_view(), y.view(), relu);
  return y;
}

/// What the backward in training reads.
struct TrainingTape {
  Saved x, weight, mean, inv_std, y;
  DType bias_dtype;
  double count;
  bool relu, has_residual;

  Tensors operator()(const Tensor& given_grad, const Needs& needs) const {
    const Tensor grad = contiguous(given_grad), x = this->x.get(), weight = this->weight.get(),
                 mean = this->mean.get(), inv_std = this->inv_std.get(), y = relu ? this->y.get() : Tensor();
    const View output = relu ? y.view() : View{};
    Context context(grad.device());
    const auto like = [](const Tensor& tensor) {
      return Tensor(tensor.shape(), tensor.dtype(), tensor.device());
    };
    const Tensor sum_g = like(mean), sum_gx = like(mean);
    batch_norm_bwd_stats(context, grad.view(), x.view(), output, mean.view(), inv_std.view(), sum_g.view(),
                         sum_gx.view(), relu);
    // the parameters' gradients stay this process's own, like those of every other layer
    Tensors grads{like(x), sum_gx.to(weight.dtype()), sum_g.to(bias_dtype)};
    const Tensor all_g = sum_over_processes(sum_g), all_gx = sum_over_processes(sum_gx);
    const bool masks_residual = relu && has_residual && needs[3];
    if (has_residual) grads.push_back(masks_residual ? like(x) : grad);
    batch_norm_bwd(context, grad.view(), x.view(), output, mean.view(), inv_std.view(), weight.view(),
                   all_g.view(), all_gx.view(), count, grads[0].view(),
                   masks_residual ? grads[3].view() : View{}, relu);
    return grads;
  }

  static Tensor sum_over_processes(const Tensor& local) {
    if (Group::current().size() == 1) return local;
    Tensor sum = local.clone();
    Group::current().all_reduce(sum);
    return sum;
  }
};

Tensor train(const Operands& in, const Tensor& running_mean, const Tensor& running_var,
             const BatchNormOptions& options) {
  Op op = in.enter(kTraining);
  NoGrad guard;
  const Statistics s = batch_statistics(op, in);
  const Tensor inv_std = inverse_std(s.variance, options.epsilon);
  const Tensor y = normalise(op, in, s.mean, inv_std, options.relu);
  update_running(s, running_mean, running_var, options.momentum);
  return op.record(y, TrainingTape{op.save(in.x), op.save(in.weight), op.save(s.mean), op.save(inv_std),
                                   op.save(options.relu ? y : Tensor()), in.bias.dtype(), s.count,
                                   options.relu, in.residual.defined()});
}

/// With fixed statistics the result is linear in x: the backward is made of differentiable ops.
Tensor evaluate(const Operands& in, const Tensor& running_mean, const Tensor& running_var,
                const BatchNormOptions& options) {
  Op op = in.enter(kEvaluation);
  Tensor mean, inv_std;
  {
    NoGrad guard;
    mean = running_mean.to(in.wide).clone();
    inv_std = inverse_std(running_var.to(in.wide), options.epsilon);
  }
  const Tensor y = normalise(op, in, mean, inv_std, options.relu);
  return op.record(
      y, [x = op.save(in.x), weight = op.save(in.weight), y = op.save(options.relu ? y : Tensor()), mean,
          inv_std, relu = options.relu, bias_dtype = in.bias.dtype(),
          has_residual = in.residual.defined()](const Tensor& grad, const Needs& needs) {
        const Tensor zero = scalar(0, grad.dtype(), grad.device());
        const Tensor masked = relu ? where(lt(zero, y.get()), grad, zero) : grad;
        const DType wide = mean.dtype(), weight_dtype = weight.get().dtype();
        const Tensor g = cast(masked, wide);
        const Shape& channels = mean.shape();
        Tensors grads{
            needs[0] ? cast(g * (cast(weight.get(), wide) * inv_std), grad.dtype()) : Tensor(),
            needs[1] ? cast(sum_to(g * ((cast(x.get(), wide) - mean) * inv_std), channels), weight_dtype)
                     : Tensor(),
            needs[2] ? cast(sum_to(g, channels), bias_dtype) : Tensor(),
        };
        if (has_residual) grads.push_back(masked);
        return grads;
      });
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options, const Tensor& residual) {
  TSR_CHECK(x.rank() >= 1, "batch_norm: x ", describe(x), " has no channels; need [..., channels]");
  const Operands in(x, weight, bias, residual);
  check_operands(in, running_mean, running_var);
  return options.training ? train(in, running_mean, running_var, options)
                          : evaluate(in, running_mean, running_var, options);
}

}  // namespace tsr
