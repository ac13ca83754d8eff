// Parts of a tensor: views.
#include <algorithm>

#include "autograd/ops.h"

namespace tsr {

Tensors split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t axis) {
  const int a = normalize_axis("split", axis, x.rank());
  std::int64_t total = 0;
  for (std::int64_t size : sizes) {
    TSR_CHECK(size >= 0, "split: negative size ", size, " along axis ", a, " of ", describe(x));
    total += size;
  }
  TSR_CHECK(total == x.shape()[a], "split: the sizes add up to ", total, ", axis ", a, " of ", describe(x),
            " has ", x.shape()[a]);
  Tensors parts;
  std::int64_t begin = 0;
  for (std::int64_t size : sizes) {
    parts.push_back(slice(x, a, begin, begin + size));
    begin += size;
  }
  return parts;
}

Tensors split(const Tensor& x, std::int64_t size, std::int64_t axis) {
  const int a = normalize_axis("split", axis, x.rank());
  TSR_CHECK(size > 0, "split: parts of size ", size, " of ", describe(x), "; it must be positive");
  std::vector<std::int64_t> sizes;
  for (std::int64_t begin = 0; begin < x.shape()[a]; begin += size)
    sizes.push_back(std::min(size, x.shape()[a] - begin));
  if (sizes.empty()) sizes.push_back(0);
  return split(x, sizes, a);
}

Tensors chunk(const Tensor& x, std::int64_t count, std::int64_t axis) {
  const int a = normalize_axis("chunk", axis, x.rank());
  TSR_CHECK(count > 0, "chunk: ", count, " parts of ", describe(x), "; there must be at least one");
  return split(x, std::max<std::int64_t>(1, (x.shape()[a] + count - 1) / count), a);
}

Tensors unbind(const Tensor& x, std::int64_t axis) {
  const int a = normalize_axis("unbind", axis, x.rank());
  Tensors parts;
  for (std::int64_t i = 0; i < x.shape()[a]; ++i) parts.push_back(select(x, a, i));
  return parts;
}

Tensor diagonal(const Tensor& x, std::int64_t offset) {
  TSR_CHECK(x.rank() >= 2, "diagonal: ", describe(x), " is not a matrix [..., m, n]");
  const std::int64_t m = x.size(-2), n = x.size(-1), row = std::max<std::int64_t>(0, -offset),
                     column = std::max<std::int64_t>(0, offset);
  const std::int64_t count = std::max<std::int64_t>(0, std::min(m - row, n - column));
  Shape flat = x.shape();
  flat.erase(flat.rank() - 1);
  flat[flat.rank() - 1] = m * n;
  // entry (i + 1, j + 1) lies n + 1 elements behind (i, j)
  const std::int64_t begin = count > 0 ? row * n + column : 0;
  return slice(reshape(x, flat), -1, begin, count > 0 ? begin + (count - 1) * (n + 1) + 1 : begin, n + 1);
}

}  // namespace tsr
