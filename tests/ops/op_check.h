#pragma once
// What an OpCase is good for, as checks that return what failed: for our tests, and for an op outside the
// tree.

#include <string>
#include <vector>

#include "tests/ops/op_case.h"

namespace tsr::test {

/// A line for each thing that is wrong.
using Failures = std::vector<std::string>;

/// The op's values against its reference, in each dtype.
Failures check_values(const OpCase& op_case);
/// Whether a device has all of the case's kernels, in float32 (or bool, for logic).
bool runs_on(const OpCase& op_case, Device device);
/// The op's float32 values on a device against its reference. Inputs and result are copied there and back.
Failures check_values_on(const OpCase& op_case, Device device);
/// Its gradients against finite differences.
Failures check_gradients(const OpCase& op_case);
/// Its gradients' gradients; an op that is differentiable once must refuse the second pass by name.
Failures check_second_derivatives(const OpCase& op_case);

/// In bfloat16 and float16, where all of the case's kernels have them (see op_case.h): its values, and its
/// gradients against those in float64. Beside the host without variants of more than 2^13 elements, which
/// check_values_on runs in float32.
Failures check_low_precision(const OpCase& op_case, Device device = Device::cpu);
bool has_low_precision(const OpCase& op_case, DType dtype, Device device = Device::cpu);
/// Its float32 gradients on a device against those in float64 on the host.
Failures check_gradients_on(const OpCase& op_case, Device device);

/// Whose ops and slots: of the whole program, or only of what is linked to libtessera.
enum class Scope { all, outside };
/// Ops without a case; slots without a case or without a CPU kernel for float32 or float64; slots that a case
/// names but that don't exist.
Failures check_registry(Scope scope);

/// A whole test program: every check of every case, and check_registry(Scope::outside). Prints a line a case
/// and each failure; 0 when there was at least one case and no failure, else 1.
int run_op_cases();

}  // namespace tsr::test
