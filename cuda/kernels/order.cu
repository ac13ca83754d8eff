// sort and topk of rows, by merging: tiles in shared memory first, then runs in global memory, twice as long
// with each launch. An item's place in the merged run is its own rank plus the rank that a binary search
// gives it in the other run; keys are unsigned numbers in the values' order, and positions break ties, so
// that no two items are equal.

#include "cuda/elements.h"
#include "cuda/rows.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// An unsigned number that orders as x does: zeros alike, NaN (all alike) last.
template <class T>
__device__ KeyOf<T> key_of(T x) {
  using Key = KeyOf<T>;
  if constexpr (std::is_integral_v<T>) {
    return static_cast<Key>(x) ^ (Key{1} << (8 * sizeof(T) - 1));
  } else {
    const float value = widen(x);
    if (is_nan(value)) return 0xffffffffu;
    const unsigned bits = __float_as_uint(value + 0.0f);  // -0 becomes 0
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  }
}

template <class Key>
struct Item {
  Key key;
  std::uint32_t position;
  __device__ bool before(const Item& other) const {
    return key != other.key ? key < other.key : position < other.position;
  }
};

/// `count` items in runs of `length`, each in order; only the first `kept` of a run matter.
struct Runs {
  std::int64_t count, length, kept;

  static __host__ __device__ Runs of(std::int64_t count, std::int64_t length, std::int64_t wanted) {
    return {count, length, length < wanted ? length : wanted};
  }
  /// How many items there are to merge, at most.
  __host__ __device__ std::int64_t items() const { return (count + length - 1) / length * kept; }

  /// Puts item i of those that matter where it belongs in its run and the next, unless it is beyond `wanted`.
  template <class Key>
  __device__ void merge(std::int64_t i, std::int64_t wanted, const Item<Key>* from, Item<Key>* to) const {
    const std::int64_t run = i / kept, rank = i % kept, at = run * length + rank;
    if (at >= count) return;
    const std::int64_t other = (run ^ 1) * length, left = count - other;
    std::int64_t low = 0, high = left < 0 ? 0 : left < kept ? left : kept;
    while (low < high) {
      const std::int64_t middle = (low + high) / 2;
      if (from[other + middle].before(from[at])) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (rank + low < wanted) to[run / 2 * 2 * length + rank + low] = from[at];
  }
};

constexpr std::int64_t kSortTile = 1024;

/// Block (row, tile) sorts a tile of a row.
template <class T>
__global__ void tile_kernel(Rows rows, const T* x, Item<KeyOf<T>>* items, std::int64_t tiles,
                            std::int64_t wanted, bool falling) {
  using Key = KeyOf<T>;
  SHARED(Item<Key>, buffers, [2][kSortTile]);
  const std::int64_t row = blockIdx.x / tiles, first = blockIdx.x % tiles * kSortTile;
  const std::int64_t count = rows.n - first < kSortTile ? rows.n - first : kSortTile;
  const T* from = x + rows.offset(row) + first;
  for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) {
    const Key key = key_of(from[i]);
    buffers[0][i] = {falling ? static_cast<Key>(~key) : key, static_cast<std::uint32_t>(first + i)};
  }
  int now = 0;
  for (std::int64_t length = 1; length < count; length *= 2, now ^= 1) {
    __syncthreads();
    const Runs runs = Runs::of(count, length, wanted);
    for (std::int64_t i = threadIdx.x; i < runs.items(); i += blockDim.x)
      runs.merge(i, wanted, buffers[now], buffers[now ^ 1]);
  }
  __syncthreads();
  Item<Key>* to = items + row * rows.n + first;
  for (std::int64_t i = threadIdx.x; i < count && i < wanted; i += blockDim.x) to[i] = buffers[now][i];
}

template <class Key>
__global__ void merge_kernel(std::int64_t count, Runs runs, std::int64_t wanted, const Item<Key>* from,
                             Item<Key>* to) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const std::int64_t row = i / runs.items() * runs.count;
  runs.merge(i % runs.items(), wanted, from + row, to + row);
}

template <class T>
__global__ void pick_kernel(std::int64_t count, Rows rows, std::int64_t wanted, const T* x,
                            const Item<KeyOf<T>>* items, T* values, std::int64_t* indices) {
  const std::int64_t i = element_index();
  if (i >= count) return;
  const std::int64_t row = i / wanted, position = items[row * rows.n + i % wanted].position;
  values[i] = x[rows.offset(row) + position];
  indices[i] = position;
}

/// The first of each row in rising or falling order, as many as `values` holds.
template <class T>
void rank_rows(Context& context, const View& x, const View& values, const View& indices, bool falling) {
  using Items = Item<KeyOf<T>>*;
  const Rows rows(x);
  const std::int64_t wanted = values.size[values.rank - 1], tiles = (rows.n + kSortTile - 1) / kSortTile;
  TSR_ASSERT(rows.n <= std::numeric_limits<std::uint32_t>::max());
  if (rows.count * wanted == 0) return;
  const auto size = static_cast<std::size_t>(rows.count * rows.n);
  Items items = context.workspace_of<Item<KeyOf<T>>>(size), other = nullptr;
  if (tiles > 1) other = context.workspace_of<Item<KeyOf<T>>>(size);
  launch<tile_kernel<T>>({.grid = {static_cast<unsigned>(rows.count * tiles)},
                          .block = {reduce_threads(rows.n < kSortTile ? rows.n : kSortTile)}},
                         current_stream(), rows, x.as<T>(), items, tiles, wanted, falling);
  for (std::int64_t length = kSortTile; length < rows.n; length *= 2) {
    const Runs runs = Runs::of(rows.n, length, wanted);
    launch_elements<merge_kernel<KeyOf<T>>>(rows.count * runs.items(), runs, wanted, items, other);
    std::swap(items, other);
  }
  launch_elements<pick_kernel<T>>(rows.count * wanted, rows, wanted, x.as<T>(), items, values.as<T>(),
                                  indices.as<std::int64_t>());
}

template <class T>
void sort(Context& context, View x, View values, View indices, bool descending) {
  rank_rows<T>(context, x, values, indices, descending);
}
template <class T>
void topk(Context& context, View x, View values, View indices, bool largest) {
  rank_rows<T>(context, x, values, indices, largest);
}

TSR_DEVICE_KERNEL(sort_fwd, sort, float, BFloat16, Float16, std::int64_t, std::int32_t);
TSR_DEVICE_KERNEL(topk_fwd, topk, float, BFloat16, Float16);

}  // namespace
}  // namespace tsr::TSR_BACKEND
