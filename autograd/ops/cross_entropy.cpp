// Cross-entropy with labels or probabilities, and the negative log-likelihood.
#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/ops/loss.h"

namespace tsr {
namespace {

const OpInfo kCrossEntropy("cross_entropy", CastPolicy::full);

/// The labels of m rows.
struct RowLabels {
  Tensor given;      ///< int64 [m], dense
  Tensor ignored;    ///< bool [m]
  Tensor safe;       ///< `given` with 0 in place of what is ignored, for ops that index
  Tensor weight;     ///< the label's class weight, 0 where ignored: [m], of the scores' dtype
  double total = 0;  ///< Σ weight: what the mean divides by
};

/// Throws unless labels are int64, a label for each row of scores [..., n], in 0 … n-1 or `ignored`.
RowLabels checked_labels(const char* op, const Tensor& scores, const Tensor& labels,
                         const Tensor& class_weight, std::int64_t ignored) {
  const Shape rows{labels.numel()};
  const std::int64_t classes = scores.size(-1);
  const Tensor dense = labels.is_contiguous() ? labels : labels.clone();
  RowLabels result;
  result.given = dense.as_strided(rows, {1}, dense.offset());
  const Tensor host = result.given.to(Device::cpu), mask = empty(rows, boolean), safe = host.clone(),
               weight = empty(rows, float64);
  const Tensor by_class =
      class_weight.defined() ? class_weight.to(Device::cpu).to(float64).clone() : ones({classes}, float64);
  for (std::int64_t row = 0; row < host.numel(); ++row) {
    const std::int64_t label = host.data<std::int64_t>()[row];
    const bool ignore = label == ignored;
    TSR_CHECK(ignore || (label >= 0 && label < classes), op, ": label ", label, " of row ", row,
              " is out of range for ", classes, " classes (0 to ", classes - 1, ")");
    mask.data<bool>()[row] = ignore;
    if (ignore) safe.data<std::int64_t>()[row] = 0;
    weight.data<double>()[row] = ignore ? 0 : by_class.data<double>()[label];
    result.total += weight.data<double>()[row];
  }
  result.ignored = mask.to(scores.device());
  result.safe = safe.to(scores.device());
  result.weight = weight.to(scores.dtype()).to(scores.device());
  return result;
}

/// Throws unless labels fit scores [..., n] in shape, and class weights its n.
void check_shapes(const char* op, const char* scores_name, const Tensor& scores, const Tensor& labels,
                  const Tensor& class_weight) {
  Shape shape = scores.shape();
  if (scores.rank() > 0) shape.erase(shape.rank() - 1);
  TSR_CHECK(scores.rank() > 0 && labels.dtype() == int64 && labels.shape() == shape, op, ": ", scores_name,
            " ", describe(scores), " and labels ", describe(labels), "; need ", scores_name,
            " [..., n] and labels int64 [...]");
  TSR_CHECK(!class_weight.defined() ||
                (class_weight.shape() == Shape{scores.size(-1)} && class_weight.dtype() == scores.dtype()),
            op, ": the class weights of ", scores_name, " ", describe(scores), " are ",
            describe(class_weight));
}

/// x in compute_dtype; undefined stays undefined.
Tensor widened(const Tensor& x) { return x.defined() ? cast(x, compute_dtype(x.dtype())) : Tensor(); }

/// x [..., n] as [m, n].
Tensor as_matrix(const Tensor& x) {
  return reshape(x, {x.size(-1) == 0 ? 0 : x.numel() / x.size(-1), x.size(-1)});
}

/// The losses of rows [m] reduced; `total` is the sum of the rows' weights, `shape` that of the labels.
Tensor reduce_rows(const char* op, const Tensor& losses, double total, const Shape& shape,
                   Reduction reduction) {
  if (reduction != Reduction::mean) return reduced(op, reshape(losses, shape), reduction);
  TSR_CHECK(shape.numel() > 0, op, ": there are no rows to average");
  TSR_CHECK(total > 0, op, ": all ", shape.numel(),
            " rows are ignored or weigh 0; there is nothing to average");
  return composed(losses, [&](const Tensor& wide) { return sum(wide) / total; });
}

/// What a row's loss weighs log softmax with, [m, n]: the kernels' t.
Tensor targets_of(const RowLabels& labels, std::int64_t classes, const Tensor& class_weight,
                  double smoothing) {
  const Tensor &own = labels.weight, by_class = class_weight.defined()
                                                    ? class_weight.detach()
                                                    : ones({classes}, own.dtype(), own.device());
  const Tensor sharp = one_hot(labels.safe, classes, own.dtype()) * unsqueeze(own * (1 - smoothing), -1);
  const Tensor flat = by_class * (smoothing / static_cast<double>(classes));
  return sharp + masked_fill(flat, unsqueeze(labels.ignored, -1), 0);
}

/// The loss of each row, [m].
Tensor label_losses(const Tensor& logits, const RowLabels& labels, const Tensor& class_weight,
                    const CrossEntropyParams& params) {
  const Tensor weight = class_weight.defined() ? contiguous(class_weight.detach()) : Tensor();
  Op op(kCrossEntropy, {logits, labels.given});
  const Tensor rows = logits.strides()[1] == 1 ? logits : logits.clone();
  const Shape shape = labels.given.shape();
  const Tensor loss = op.empty(shape), top = op.empty(shape), log_sum = op.empty(shape);
  const auto view = [](const Tensor& w) { return w.defined() ? w.view() : View{}; };
  cross_entropy_fwd(op, rows.view(), labels.given.view(), view(weight), loss.view(), top.view(),
                    log_sum.view(), params);
  return op.record(loss,
                   [=, logits = op.save(logits), given = op.save(labels.given), weight = op.save(weight),
                    top = op.save(top), log_sum = op.save(log_sum)](const Tensor& grad, const Needs&) {
                     const Tensor x = logits.get(), by_class = weight.get();
                     if (grad_enabled()) {
                       const Tensor t = targets_of(labels, x.shape()[1], by_class, params.smoothing);
                       return Tensors{(softmax(x) * sum(t, {-1}, true) - t) * unsqueeze(grad, -1), {}};
                     }
                     const Tensor slope = contiguous(grad), rows = x.strides()[1] == 1 ? x : x.clone();
                     const Tensor grad_x(x.shape(), x.dtype(), x.device());
                     Context context(x.device());
                     cross_entropy_bwd(context, slope.view(), rows.view(), given.get().view(), view(by_class),
                                       top.get().view(), log_sum.get().view(), grad_x.view(), params);
                     return Tensors{grad_x, {}};
                   });
}

Tensor probability_loss(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  TSR_CHECK(logits.rank() > 0 && targets.shape() == logits.shape(), "cross_entropy: logits ",
            describe(logits), " and probabilities ", describe(targets), " differ in shape");
  const auto classes = static_cast<double>(logits.size(-1));
  const double smoothing = options.label_smoothing;
  return composed(logits, targets, [&](const Tensor& wide, const Tensor& given) {
    Tensor t = smoothing > 0 ? given * (1 - smoothing) + smoothing / classes : given;
    if (options.class_weight.defined()) t = t * widened(options.class_weight.detach());
    return reduced("cross_entropy", neg(sum(t * log_softmax(wide), {-1})), options.reduction);
  });
}

}  // namespace

Tensor cross_entropy(const Tensor& given_logits, const Tensor& labels, const CrossEntropyOptions& options) {
  TSR_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1,
            "cross_entropy: label smoothing is ", options.label_smoothing, "; choose 0 to 1");
  if (is_floating(labels.dtype())) return probability_loss(given_logits, labels, options);
  return composed(given_logits, [&](const Tensor& logits) {
    const Tensor weight = widened(options.class_weight);
    check_shapes("cross_entropy", "logits", logits, labels, weight);
    const RowLabels rows = checked_labels("cross_entropy", logits, labels, weight, options.ignore_index);
    const CrossEntropyParams params{.smoothing = options.label_smoothing, .ignored = options.ignore_index};
    return reduce_rows("cross_entropy", label_losses(as_matrix(logits), rows, weight, params), rows.total,
                       labels.shape(), options.reduction);
  });
}

Tensor nll_loss(const Tensor& given_log_probs, const Tensor& labels, const NllLossOptions& options) {
  return composed(given_log_probs, [&](const Tensor& log_probs) {
    const Tensor weight = widened(options.class_weight);
    check_shapes("nll_loss", "log_probs", log_probs, labels, weight);
    const RowLabels rows = checked_labels("nll_loss", log_probs, labels, weight, options.ignore_index);
    const Tensor picked = squeeze(gather(as_matrix(log_probs), 1, unsqueeze(rows.safe, -1)), -1);
    const Tensor losses = neg(masked_fill(picked, rows.ignored, 0) * rows.weight);
    return reduce_rows("nll_loss", losses, rows.total, labels.shape(), options.reduction);
  });
}

}  // namespace tsr
