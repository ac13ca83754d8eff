#pragma once
// Autocast: mixed precision. Parameters stay float32; each op computes in the precision that its policy
// names.

#include <cstdint>
#include <initializer_list>

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

 private:
  DType previous_;
};

/// An op's inputs as its policy wants them now.
Tensors cast_inputs(CastPolicy policy, std::initializer_list<Tensor> inputs);

}  // namespace tsr
