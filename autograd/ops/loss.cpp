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

/// -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = softplus(-x) + x.
Tensor logits_losses(const Tensor& logits, const Tensor& targets, const Tensor& pos_weight) {
  const Tensor log_term = softplus(neg(logits)), rest = (1.0 - targets) * logits;
  if (!pos_weight.defined()) return rest + log_term;
  const Tensor scale = (cast(pos_weight, compute_dtype(pos_weight.dtype())) - 1.0) * targets + 1.0;
  TSR_CHECK(scale.shape() == logits.shape(), "binary_cross_entropy_with_logits: pos_weight ",
            describe(pos_weight), " doesn't broadcast to ", describe(logits));
  return rest + scale * log_term;
}

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
  Tensor total = sum(loss);
  if (reduction == Reduction::sum) return total;
  TSR_CHECK(reduction == Reduction::mean || loss.rank() > 0, op, ": a scalar has no batch to average over");
  const std::int64_t count = reduction == Reduction::mean ? loss.numel() : loss.shape()[0];
  TSR_CHECK(count > 0, op, ": ", describe(loss), " has no elements to average");
  return total / static_cast<double>(count);
}

Tensor mse_loss(const Tensor& given_a, const Tensor& given_b, Reduction reduction) {
  check_same_shape("mse_loss", given_a, given_b);
  return composed(given_a, given_b, [&](const Tensor& a, const Tensor& b) {
    return reduced("mse_loss", square(a - b), reduction);
  });
}

Tensor l1_loss(const Tensor& given_a, const Tensor& given_b, Reduction reduction) {
  check_same_shape("l1_loss", given_a, given_b);
  return composed(given_a, given_b, [&](const Tensor& a, const Tensor& b) {
    return reduced("l1_loss", abs(a - b), reduction);
  });
}

Tensor smooth_l1_loss(const Tensor& given_a, const Tensor& given_b, double beta, Reduction reduction) {
  TSR_CHECK(beta >= 0, "smooth_l1_loss: beta = ", beta, "; it can't be negative");
  if (beta == 0) return l1_loss(given_a, given_b, reduction);
  return composed(given_a, given_b,
                  [&](const Tensor& a, const Tensor& b) { return huber_loss(a, b, beta, reduction) / beta; });
}

Tensor huber_loss(const Tensor& given_a, const Tensor& given_b, double delta, Reduction reduction) {
  check_same_shape("huber_loss", given_a, given_b);
  TSR_CHECK(delta > 0, "huber_loss: delta = ", delta, "; it must be positive");
  return composed(given_a, given_b, [&](const Tensor& a, const Tensor& b) {
    // with c the difference moved into [-δ, δ], both branches are c·(difference - c/2)
    const Tensor difference = a - b, bounded = clamp(difference, -delta, delta);
    return reduced("huber_loss", bounded * (difference - bounded * 0.5), reduction);
  });
}

Tensor binary_cross_entropy(const Tensor& given_probs, const Tensor& given_targets, Reduction reduction) {
  check_same_shape("binary_cross_entropy", given_probs, given_targets);
  return composed(given_probs, given_targets, [&](const Tensor& probs, const Tensor& targets) {
    return reduced("binary_cross_entropy", binary_cross_entropies(probs, targets), reduction);
  });
}

Tensor binary_cross_entropy_with_logits(const Tensor& given_logits, const Tensor& given_targets,
                                        const Tensor& pos_weight, Reduction reduction) {
  const char* op = "binary_cross_entropy_with_logits";
  check_same_shape(op, given_logits, given_targets);
  return composed(given_logits, given_targets, [&](const Tensor& logits, const Tensor& targets) {
    return reduced(op, logits_losses(logits, targets, pos_weight), reduction);
  });
}

Tensor kl_div(const Tensor& given_log_probs, const Tensor& given_targets, Reduction reduction,
              bool log_targets) {
  check_same_shape("kl_div", given_log_probs, given_targets);
  return composed(given_log_probs, given_targets, [&](const Tensor& log_probs, const Tensor& targets) {
    if (log_targets) return reduced("kl_div", exp(targets) * (targets - log_probs), reduction);
    const Tensor safe = masked_fill(targets, eq(targets, 0), 1);  // t·log t is 0 at 0 and at 1
    return reduced("kl_div", safe * log(safe) - targets * log_probs, reduction);
  });
}

}  // namespace tsr
