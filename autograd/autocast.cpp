#include "autograd/autocast.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "autograd/node.h"
#include "autograd/ops.h"

namespace tsr {
namespace {

/// A leaf's cast. Holding the leaf keeps its address from being another's.
struct CachedCast {
  Tensor leaf, cast;
  std::uint64_t version = 0;
};

thread_local DType current = float32;
thread_local int depth = 0;
using Casts = std::unordered_map<const Node*, CachedCast>;  ///< by the leaf's node
thread_local Casts cache;

/// Whether a cast still shows its leaf and can be recorded: not when it was made without a tape, nor when a
/// backward has freed its node.
bool is_fresh(const CachedCast& entry) {
  if (entry.version != entry.leaf.version() || entry.cast.dtype() != current) return false;
  if (!grad_enabled()) return true;
  const auto node = find_node(entry.cast);
  return node != nullptr && node->backward != nullptr;
}

Tensor to_low(const Tensor& x) {
  const auto node = find_node(x);
  if (node == nullptr || !node->is_leaf_node()) return cast(x, current);
  CachedCast& entry = cache[node.get()];
  if (!entry.cast.defined() || !is_fresh(entry)) entry = {x, cast(x, current), x.version()};
  return entry.cast;
}

bool has(const Tensors& tensors, bool (*holds)(DType)) {
  return std::ranges::any_of(tensors, [&](const Tensor& t) { return t.defined() && holds(t.dtype()); });
}

}  // namespace

Autocast::Autocast(DType dtype) : previous_(current) {
  TSR_CHECK(is_floating(dtype), "autocast: ", dtype, "; choose bfloat16, float16, or float32 for none");
  current = dtype;
  ++depth;
}

Autocast::~Autocast() {
  current = previous_;
  if (--depth == 0) cache.clear();
}

bool Autocast::enabled() { return is_low_precision(current); }
DType Autocast::dtype() { return current; }

struct IsolatedAutocast::Kept {
  Casts casts;
};

IsolatedAutocast::IsolatedAutocast(DType dtype)
    : outer_(std::make_unique<Kept>(Kept{std::exchange(cache, {})})), guard_(dtype) {}
IsolatedAutocast::~IsolatedAutocast() { cache = std::move(outer_->casts); }

Tensors cast_inputs(CastPolicy policy, Tensors result) {
  if (!Autocast::enabled() || policy == CastPolicy::keep || policy == CastPolicy::mixed) return result;
  if (has(result, [](DType dtype) { return dtype == float64; })) return result;
  const bool widens =
      policy == CastPolicy::full ||
      (policy == CastPolicy::widest && has(result, [](DType dtype) { return dtype == float32; }));
  for (Tensor& x : result) {
    if (!x.defined() || !is_floating(x.dtype())) continue;
    if (widens) {
      x = cast(x, float32);
    } else if (policy == CastPolicy::low && x.dtype() != current) {
      x = to_low(x);
    }
  }
  return result;
}

}  // namespace tsr
