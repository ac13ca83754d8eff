// Losses of two tensors of one shape, element by element.
#include "autograd/ops/loss.h"

#include "autograd/op.h"

namespace tsr {
namespace {

const OpInfo kBinaryCrossEntropy("binary_cross_entropy", CastPolicy::full);

void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  TSR_CHECK(a.shape() == b.shape(), op, ": ", describe(a), " and ", describe(b),
            " differ in shape; broadcast_to() makes repeating explicit");
}

/// Autocast at the door of a loss: all of it in float32.
Tensors widened(const Tensor& a, const Tensor& b) { return cast_inputs(CastPolicy::full, {a, b}); }

/// log x, no lower than -100.
Tensor bounded_log(const Tensor& x) { return clamp(log(x), -100); }

/// The loss of each element. The derivative is that of PyTorch: (p - t)/(p·(1 - p)), its divisor at least
/// 1e-12, so that it stays finite at 0 and 1.
Tensor binary_cross_entropies(const Tensor& given_probs, const Tensor& given_targets) {
  Op op(kBinaryCrossEntropy, {given_probs, given_targets});
  const Tensor &probs = op[0], &targets = op[1];
  Tensor loss;
  {
    NoGrad guard;
    loss = neg(targets * bounded_log(probs) + (1.0 - targets) * bounded_log(1.0 - probs));
  }
  return op.record(
      loss, [probs = op.save(probs), targets = op.save(targets)](const Tensor& grad, const Needs& needs) {
        const Tensor p = probs.get(), t = targets.get();
        return Tensors{needs[0] ? grad * (p - t) / clamp(p * (1.0 - p), 1e-12) : Tensor(),
                       needs[1] ? grad * (bounded_log(1.0 - p) - bounded_log(p)) : Tensor()};
      });
}

}  // namespace

Tensor reduced(const char* op, const Tensor& loss, Reduction reduction) {
  if (reduction == Reduction::none) return loss;
  const Tensor total = sum(loss);
  if (reduction == Reduction::sum) return total;
  TSR_CHECK(reduction == Reduction::mean || loss.rank() > 0, op, ": a scalar has no batch to average over");
  const std::int64_t count = reduction == Reduction::mean ? loss.numel() : loss.shape()[0];
  TSR_CHECK(count > 0, op, ": ", describe(loss), " has no elements to average");
  return total / static_cast<double>(count);
}

Tensor mse_loss(const Tensor& a, const Tensor& b, Reduction reduction) {
  check_same_shape("mse_loss", a, b);
  const Tensors wide = widened(a, b);
  return reduced("mse_loss", square(wide[0] - wide[1]), reduction);
}

Tensor l1_loss(const Tensor& a, const Tensor& b, Reduction reduction) {
  check_same_shape("l1_loss", a, b);
  const Tensors wide = widened(a, b);
  return reduced("l1_loss", abs(wide[0] - wide[1]), reduction);
}

Tensor smooth_l1_loss(const Tensor& a, const Tensor& b, double beta, Reduction reduction) {
  TSR_CHECK(beta >= 0, "smooth_l1_loss: beta = ", beta, "; it can't be negative");
  if (beta == 0) return l1_loss(a, b, reduction);
  return huber_loss(a, b, beta, reduction) / beta;
}

Tensor huber_loss(const Tensor& a, const Tensor& b, double delta, Reduction reduction) {
  check_same_shape("huber_loss", a, b);
  TSR_CHECK(delta > 0, "huber_loss: delta = ", delta, "; it must be positive");
  // with c the difference moved into [-δ, δ], both branches are c·(difference - c/2)
  const Tensors wide = widened(a, b);
  const Tensor difference = wide[0] - wide[1], bounded = clamp(difference, -delta, delta);
  return reduced("huber_loss", bounded * (difference - bounded * 0.5), reduction);
}

Tensor binary_cross_entropy(const Tensor& probs, const Tensor& targets, Reduction reduction) {
  check_same_shape("binary_cross_entropy", probs, targets);
  return reduced("binary_cross_entropy", binary_cross_entropies(probs, targets), reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& given_logits, const Tensor& given_targets,
                                        const Tensor& pos_weight, Reduction reduction) {
  const char* op = "binary_cross_entropy_with_logits";
  check_same_shape(op, given_logits, given_targets);
  const Tensors wide = widened(given_logits, given_targets);
  const Tensor &logits = wide[0], &targets = wide[1];
  // -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = softplus(-x) + x
  const Tensor log_term = softplus(neg(logits)), rest = (1.0 - targets) * logits;
  if (!pos_weight.defined()) return reduced(op, rest + log_term, reduction);
  const Tensor scale = (pos_weight - 1.0) * targets + 1.0;
  TSR_CHECK(scale.shape() == logits.shape(), op, ": pos_weight ", describe(pos_weight),
            " doesn't broadcast to ", describe(logits));
  return reduced(op, rest + scale * log_term, reduction);
}

Tensor kl_div(const Tensor& given_log_probs, const Tensor& given_targets, Reduction reduction,
              bool log_targets) {
  check_same_shape("kl_div", given_log_probs, given_targets);
  const Tensors wide = widened(given_log_probs, given_targets);
  const Tensor &log_probs = wide[0], &targets = wide[1];
  if (log_targets) return reduced("kl_div", exp(targets) * (targets - log_probs), reduction);
  const Tensor safe = masked_fill(targets, eq(targets, 0), 1);  // t·log t is 0 at 0 and at 1
  return reduced("kl_div", safe * log(safe) - targets * log_probs, reduction);
}

}  // namespace tsr
