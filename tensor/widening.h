#pragma once
// How a kernel for float32 serves bfloat16 and float16 as well: it computes on widened copies of its
// operands, and its results are rounded once, on their way out.

#include <array>
#include <cstdint>

#include "tensor/context.h"
#include "tensor/parallel.h"
#include "tensor/view.h"

namespace tsr {

/// A view that a kernel writes and does not read: in a slot's signature, what tells results from operands.
struct Out : View {
  Out() = default;
  Out(const View& view) : View(view) {}
};

/// What elements of a slot's results depend on.
enum class Locality : std::uint8_t {
  whole,      ///< anything
  pointwise,  ///< on the operands' elements at the same place alone, operands broadcasting
};

/// The float32 stand-ins for the low precision views of one call, in the context's workspace.
class Widening {
 public:
  explicit Widening(Context& context) : context_(context) {}

  /// An operand in float32; the view itself when it isn't of low precision. Axes that repeat (stride 0) go on
  /// repeating, the others become dense.
  View read(const View& view);
  /// Room for a result in float32.
  View write(const View& view);
  /// Rounds the results to nearest even, where they belong.
  void round();

 private:
  struct Result {
    View wide, narrow;
  };
  static constexpr int kMostResults = 4;

  Context& context_;
  std::array<Result, kMostResults> results_;
  int count_ = 0;
};

/// A result cut into blocks whose stand-ins stay in the second-level cache; by its shape alone.
class WideningBlocks {
 public:
  /// One block, which is everything.
  WideningBlocks() = default;
  explicit WideningBlocks(const View& result);

  /// The part that block `index` needs of a view of the result's shape, or of one that broadcasts to it.
  View part(const View& view, std::int64_t index) const;
  /// Calls body(index) for each block, in parallel.
  template <class Body>
  void run(Body&& body) const {
    parallel_for(outer_ * chunks_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) body(i);
    });
  }

 private:
  int rank_ = 0, axis_ = 0;
  std::int64_t size_[kMaxRank] = {};
  std::int64_t outer_ = 1, chunks_ = 1, chunk_ = 0;  ///< blocks are `chunk_` places along `axis_`
};

}  // namespace tsr
