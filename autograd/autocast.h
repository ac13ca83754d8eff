#pragma once
// Autocast: mixed precision. Parameters stay float32; each op computes in the precision that its policy
// names.

#include <cstdint>
#include <memory>

#include "tensor/tensor.h"

namespace tsr {

/// What becomes of an op's floating inputs under autocast. The lists are PyTorch's; docs/mixed-precision.md
/// shows them. Inputs in float64 are left alone, and so are all inputs where autocast is off.
enum class CastPolicy : std::uint8_t {
  keep,    ///< as they come; they must agree
  mixed,   ///< as they come; beside low precision the others may be float32 (parameters of a norm)
  widest,  ///< where some are float32, all become so
  low,     ///< to autocast's dtype: what costs time and tolerates it
  full,    ///< to float32: sums, exponentials, losses
};

/// `Autocast guard(bfloat16);`: autocast in that dtype for a scope, on this thread; float32 turns it off.
/// Casts are differentiable: a float32 parameter gets a float32 gradient. A leaf that wants a gradient is
/// cast once, however often it is used until the outermost scope ends. A backward pass runs with autocast
/// off: the dtypes are those of the forward.
class Autocast {
 public:
  /// Throws Error for a dtype that isn't bfloat16, float16, float32 or float64 (which is off, too).
  explicit Autocast(DType dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

  static bool enabled();
  /// Of the innermost scope; float32 where there is none.
  static DType dtype();

 private:
  DType previous_;
};

/// Autocast for a function that will run again and must do the same each time (checkpoint): in that scope no
/// cast serves that was kept outside of it, nor the other way round.
class IsolatedAutocast {
 public:
  explicit IsolatedAutocast(DType dtype);
  ~IsolatedAutocast();
  IsolatedAutocast(const IsolatedAutocast&) = delete;
  IsolatedAutocast& operator=(const IsolatedAutocast&) = delete;

 private:
  struct Kept;
  std::unique_ptr<Kept> outer_;
  Autocast guard_;
};

/// An op's inputs as its policy wants them now; undefined ones stay undefined.
Tensors cast_inputs(CastPolicy policy, Tensors inputs);

}  // namespace tsr
