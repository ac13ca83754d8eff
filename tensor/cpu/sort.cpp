// Stable sort of rows: a radix sort of (key, position) pairs, whose keys are unsigned numbers in the values'
// order. It compares nothing, so its time doesn't depend on the values.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "tensor/cpu/rows.h"
#include "tensor/kernels.h"

namespace tsr {
namespace {

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// An unsigned number that orders as x does: zeros alike, NaN (all alike) last.
template <class T>
KeyOf<T> key_of(T x) {
  using Key = KeyOf<T>;
  constexpr Key kSign = Key{1} << (8 * sizeof(T) - 1);
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x)) return std::numeric_limits<Key>::max();
    const auto bits = std::bit_cast<Key>(x + T(0));  // -0 becomes 0
    return bits & kSign ? ~bits : bits | kSign;
  } else {
    return static_cast<Key>(x) ^ kSign;
  }
}

template <class Key>
struct Item {
  Key key;
  std::uint32_t position;
  bool operator<(const Item& other) const {
    return key != other.key ? key < other.key : position < other.position;
  }
};

/// Sorts items by key, stably, with as much room again in `other`; returns where they are then.
template <class Key>
Item<Key>* radix_sort(Item<Key>* items, Item<Key>* other, std::int64_t count) {
  constexpr int kBits = 8, kDigits = 8 * sizeof(Key) / kBits;
  constexpr std::uint32_t kBuckets = 1u << kBits;
  std::array<std::array<std::uint32_t, kBuckets>, kDigits> sizes{};
  const auto digit = [](Key key, int d) { return static_cast<std::uint32_t>(key >> (d * kBits)) % kBuckets; };
  for (std::int64_t i = 0; i < count; ++i)
    for (int d = 0; d < kDigits; ++d) ++sizes[static_cast<std::size_t>(d)][digit(items[i].key, d)];
  for (int d = 0; d < kDigits; ++d) {
    auto& starts = sizes[static_cast<std::size_t>(d)];
    if (starts[digit(items[0].key, d)] == count) continue;  // all share this digit
    std::uint32_t start = 0;
    for (std::uint32_t& bucket : starts) start += std::exchange(bucket, start);
    for (std::int64_t i = 0; i < count; ++i) other[starts[digit(items[i].key, d)]++] = items[i];
    std::swap(items, other);
  }
  return items;
}

template <class T>
void sort_row(const T* x, std::int64_t count, bool descending, Item<KeyOf<T>>* items, T* values,
              std::int64_t* indices) {
  constexpr std::int64_t kShort = 64;  // rows for which clearing the buckets would cost more than comparing
  for (std::int64_t i = 0; i < count; ++i) {
    const KeyOf<T> key = key_of(x[i]);
    items[i] = {descending ? static_cast<KeyOf<T>>(~key) : key, static_cast<std::uint32_t>(i)};
  }
  if (count > kShort) {
    items = radix_sort(items, items + count, count);
  } else {
    std::sort(items, items + count);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    indices[i] = items[i].position;
    values[i] = x[items[i].position];
  }
}

template <class T>
void sort_cpu(Context&, View x, View values, View indices, bool descending) {
  const std::int64_t n = x.size[x.rank - 1];
  TSR_ASSERT(n <= std::numeric_limits<std::uint32_t>::max());
  constexpr std::int64_t kTask = 1 << 13;  // elements that are worth a task
  const Rows rows(x);
  parallel_for(rows.count(), std::max<std::int64_t>(1, kTask / std::max<std::int64_t>(1, n)),
               [&](std::int64_t begin, std::int64_t end) {
                 Context scratch(Device::cpu);
                 auto* items = scratch.workspace_of<Item<KeyOf<T>>>(static_cast<std::size_t>(2 * n));
                 for (std::int64_t row = begin; row < end; ++row)
                   sort_row(x.as<T>() + rows.offset(row), n, descending, items, values.as<T>() + row * n,
                            indices.as<std::int64_t>() + row * n);
               });
}

TSR_CPU_KERNEL(sort_fwd, sort_cpu, float, double, std::int64_t, std::int32_t);

}  // namespace
}  // namespace tsr
