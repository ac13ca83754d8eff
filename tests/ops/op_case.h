#pragma once
// OpCase: an op described once. The same description serves its values on every device of the build, its
// gradients against finite differences, and its benchmark.
//
// In bfloat16 and float16, where all of a case's kernels have them: with inputs rounded to the dtype, no
// element may be further from the float64 reference on the inputs before rounding than twice the naive result
// (the reference on the rounded inputs, rounded) plus 2 ulp of the reference's largest element.

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tsr::test {

/// How the values of an input are drawn.
enum class Values {
  normal,    ///< N(0, 1)
  positive,  ///< uniform in [0.5, 2)
  distinct,  ///< a shuffled, evenly spaced grid around 0: no ties, no value near 0
  huge,      ///< alternating around ±1e4
  rising,    ///< 0, 1, 2, … / 8
  equal,     ///< all 0.5
  indices,   ///< int64 in 0 … limit-1
  mask,      ///< bool
  unit,      ///< uniform in [-0.9, 0.9)
};

/// One input of one variant.
struct Input {
  Shape shape;
  Values values = Values::normal;
  std::int64_t limit = 0;  ///< for Values::indices
  bool strided = false;    ///< stored transposed with gaps, so that no axis is dense
};

/// One call to check: inputs, whether finite differences make sense there (not at ties or at 1e4), and
/// whether it is too large for the emulator and for references in two precisions.
struct Variant {
  std::vector<Input> inputs;
  bool gradients = true;
  bool large = false;
};

enum class Differentiable { no, once, twice };

struct OpCase {
  std::string name;                  ///< the OpInfo's name
  std::vector<std::string> kernels;  ///< the slots it exercises
  std::function<Tensor(const Tensors&)> call;
  /// The same by plain loops on dense float64 (indices int64, masks bool) tensors, written without ops.
  std::function<Tensor(const Tensors&)> reference;
  std::vector<Variant> variants;
  Differentiable differentiable = Differentiable::twice;
  double tolerance32 = 1e-5;  ///< |error| ≤ tolerance·max(1, |reference|), largest over the tensor
  double tolerance64 = 1e-12;
  std::vector<Input> benchmark = {};  ///< inputs of the timed call; empty for none
};

/// Adds a case to the list; `const bool softmax_cases = add_case({...});` (several files compile as one, so
/// names differ).
bool add_case(OpCase op_case);
const std::vector<OpCase>& all_cases();

/// Inputs drawn for a variant, in a floating dtype.
Tensors draw_inputs(const std::vector<Input>& inputs, DType dtype, std::uint64_t seed);

/// Shorthands for references: y[i] = f(x[i]), and y[i] = f(a[i], b[i]) with broadcasting.
Tensor map(const Tensor& x, const std::function<double(double)>& f);
Tensor zip(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f);

/// Variants that any pointwise op of one input should stand: empty, size 1, odd, strided, large.
std::vector<Variant> unary_variants(Values values);
/// The same for two inputs, with broadcasting.
std::vector<Variant> binary_variants(Values values);

}  // namespace tsr::test
