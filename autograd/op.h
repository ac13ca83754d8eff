#pragma once
// Op: the one door through which every differentiable op enters.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "autograd/autocast.h"
#include "autograd/node.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/kernels.h"

namespace tsr {

/// What is known of an op besides its code. One at namespace scope in the op's file; constructing it enters
/// the op in the list that tests walk.
struct OpInfo {
  explicit OpInfo(const char* name, bool once_differentiable = false, CastPolicy policy = CastPolicy::keep);
  OpInfo(const char* name, CastPolicy policy) : OpInfo(name, false, policy) {}
  const char* name;
  bool once_differentiable;
  CastPolicy policy;

  static const std::vector<const OpInfo*>& all();
};

/// One call of an op: checks what all ops have in common, gives kernels their context, keeps what the
/// backward needs, records the node.
class Op {
 public:
  /// A tensor without a copy of its handle.
  struct Input {
    Input(const Tensor& tensor) : tensor(tensor) {}
    const Tensor& tensor;
  };

  /// Throws Error when an input is undefined, when devices differ, or when floating inputs differ in dtype.
  /// What operator[] shows must outlive the op.
  Op(const OpInfo& info, std::initializer_list<Input> inputs);

  /// Input `i`, cast where the op's policy says so. An op whose policy casts (widest, low, full) goes on with
  /// these in place of what it was given.
  const Tensor& operator[](std::size_t i) const { return *inputs_[i]; }

  const char* name() const { return info_.name; }
  Context& context() { return context_; }
  operator Context&() { return context_; }
  bool needs_grad() const { return node_ != nullptr; }
  bool needs_grad(std::size_t input) const { return node_ != nullptr && node_->needs[input]; }

  /// An uninitialised dense tensor on the inputs' device, of the first input's dtype unless given.
  Tensor empty(const Shape& shape) const { return empty(shape, dtype_); }
  Tensor empty(const Shape& shape, DType dtype) const { return Tensor(shape, dtype, context_.device()); }

  /// Keeps a tensor (an input, the output or an intermediate) for the backward.
  Saved save(const Tensor& tensor);

  /// Hangs `backward` on the output when an input needs a gradient; returns the output. Every op of a
  /// floating result passes here, also where anomaly mode looks at it.
  template <class F>
  Tensor record(const Tensor& output, F&& backward) {
    if (!watched_.empty()) [[unlikely]]
      check(output);
    if (node_ != nullptr) attach(output, Backward(std::forward<F>(backward)));
    return output;
  }

 private:
  static constexpr std::size_t kShown = 4;  ///< inputs that operator[] shows

  void enter(std::span<const Input> inputs);
  void attach(const Tensor& output, Backward backward);
  void check(const Tensor& output) const;

  const OpInfo& info_;
  Tensors cast_;  ///< the inputs as the policy wants them; empty where they stay as they were given
  std::array<const Tensor*, kShown> inputs_{};
  Context context_;
  DType dtype_;
  std::shared_ptr<Node> node_;  ///< null when no input needs a gradient
  Tensors watched_;             ///< the inputs, in anomaly mode
};

/// A composed op f(x) in compute_dtype: for x of low precision the result is rounded once, at its end (and
/// under autocast, where float32 goes on, not at all).
template <class F>
Tensor composed(const Tensor& x, F&& f) {
  const Tensor y = f(cast(x, compute_dtype(x.dtype())));
  return Autocast::enabled() ? y : cast(y, x.dtype());
}

/// Throws Error when `tensor` takes part in a tape that an in-place change by `op` would falsify.
void check_in_place(const char* op, const Tensor& tensor);

}  // namespace tsr
