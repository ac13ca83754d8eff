// The steps of the optimisers and of the moving average of weights: each element is read once and written
// once. A launch serves many tensors: its parameters hold a table of them, of which each is cut into chunks,
// a block a chunk.

#include "cuda/numeric.h"
#include "cuda/reduce.h"
#include "tensor/kernels.h"

namespace tsr::TSR_BACKEND {
namespace {

constexpr unsigned kUpdateThreads = 256;
constexpr std::int64_t kChunk = 1 << 14;  // elements a block: 64 a thread

inline std::int64_t chunks_of(std::int64_t count) { return (count + kChunk - 1) / kChunk; }

/// As many tensors as a kernel's 4 KiB of parameters hold.
template <class Entry>
struct Table {
  static constexpr int kMost = static_cast<int>(3900 / (sizeof(Entry) + sizeof(int)));

  int entries = 0, chunks = 0;
  int first[kMost];  ///< chunk of each entry
  Entry entry[kMost];

  /// The entry that a chunk belongs to.
  __device__ int find(int chunk) const {
    int low = 0, high = entries;  // first[low] ≤ chunk < first[high]
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first[middle] <= chunk ? low : high) = middle;
    }
    return low;
  }
};

/// Calls body(i) for the elements of a block's chunk.
template <class Body>
__device__ void for_chunk(std::int64_t count, int chunk, const Body& body) {
  const std::int64_t begin = chunk * kChunk, end = begin + kChunk < count ? begin + kChunk : count;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) body(i);
}

struct SgdEntry {
  float *param, *buffer;
  const float* grad;
  std::int64_t count;
  float rate, momentum, decay, scale;
  bool nesterov;

  explicit SgdEntry(const SgdItem& item)
      : param(item.param.as<float>()),
        buffer(static_cast<float*>(item.buffer.data)),
        grad(item.grad.as<float>()),
        count(item.count()),
        rate(static_cast<float>(item.params.learning_rate)),
        momentum(static_cast<float>(item.params.momentum)),
        decay(static_cast<float>(item.params.weight_decay)),
        scale(static_cast<float>(item.params.scale)),
        nesterov(item.params.nesterov) {}
  SgdEntry() = default;

  __device__ void step(std::int64_t i) const {
    const float g = scale * (grad[i] + decay * param[i]);
    float direction = g;
    if (buffer != nullptr) {
      const float velocity = momentum * buffer[i] + g;
      buffer[i] = velocity;
      direction = nesterov ? g + momentum * velocity : velocity;
    }
    param[i] -= rate * direction;
  }
};

struct AdamEntry {
  float *param, *exp_avg, *exp_avg_sq;
  const float* grad;
  std::int64_t count;
  float fresh1, beta2, fresh2, epsilon, rate, root, decay, keep;

  explicit AdamEntry(const AdamItem& item)
      : param(item.param.as<float>()),
        exp_avg(item.exp_avg.as<float>()),
        exp_avg_sq(item.exp_avg_sq.as<float>()),
        grad(item.grad.as<float>()),
        count(item.count()),
        fresh1(static_cast<float>(1 - item.params.beta1)),
        beta2(static_cast<float>(item.params.beta2)),
        fresh2(static_cast<float>(1 - item.params.beta2)),
        epsilon(static_cast<float>(item.params.epsilon)),
        rate(static_cast<float>(item.params.rate)),
        root(static_cast<float>(item.params.root)),
        decay(static_cast<float>(item.params.weight_decay)),
        keep(static_cast<float>(item.params.keep)) {}
  AdamEntry() = default;

  __device__ void step(std::int64_t i) const {
    const float g = grad[i] + decay * param[i];
    const float m = exp_avg[i] + fresh1 * (g - exp_avg[i]);
    const float v = beta2 * exp_avg_sq[i] + fresh2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    param[i] = keep * param[i] - rate * (m / (sqrtf(v) / root + epsilon));
  }
};

struct EmaEntry {
  float* target;
  const float* source;
  std::int64_t count;
  float momentum, rest;

  explicit EmaEntry(const EmaItem& item)
      : target(item.target.as<float>()),
        source(item.source.as<float>()),
        count(item.count()),
        momentum(static_cast<float>(item.momentum)),
        rest(static_cast<float>(1 - item.momentum)) {}
  EmaEntry() = default;

  __device__ void step(std::int64_t i) const { target[i] = momentum * target[i] + rest * source[i]; }
};

struct LarsEntry {
  float *param, *buffer;
  const float* grad;
  std::int64_t count;
  float rate, momentum, decay, trust;
  bool adapt;

  explicit LarsEntry(const LarsItem& item)
      : param(item.param.as<float>()),
        buffer(item.buffer.as<float>()),
        grad(item.grad.as<float>()),
        count(item.count()),
        rate(static_cast<float>(item.params.learning_rate)),
        momentum(static_cast<float>(item.params.momentum)),
        decay(static_cast<float>(item.params.weight_decay)),
        trust(static_cast<float>(item.params.trust)),
        adapt(item.params.adapt) {}
  LarsEntry() = default;

  /// From the squared norms.
  __device__ float ratio(double param_squares, double grad_squares) const {
    if (!adapt || !(param_squares > 0 && grad_squares > 0)) return 1;
    const double weight = sqrt(param_squares);
    return static_cast<float>(trust * weight / (sqrt(grad_squares) + decay * weight));
  }
  __device__ void step(std::int64_t i, float ratio) const {
    const float velocity = momentum * buffer[i] + rate * ratio * (grad[i] + decay * param[i]);
    buffer[i] = velocity;
    param[i] -= velocity;
  }
};

template <class Entry>
__global__ void step_kernel(Table<Entry> table) {
  const int chunk = static_cast<int>(blockIdx.x), at = table.find(chunk);
  const Entry& entry = table.entry[at];
  for_chunk(entry.count, chunk - table.first[at], [&](std::int64_t i) { entry.step(i); });
}

/// A chunk's parts of ‖param‖² and ‖grad‖².
struct ChunkSquares {
  double param, grad;
};

__global__ void lars_squares_kernel(Table<LarsEntry> table, ChunkSquares* squares) {
  const int chunk = static_cast<int>(blockIdx.x), at = table.find(chunk);
  const LarsEntry& entry = table.entry[at];
  double param = 0, grad = 0;
  for_chunk(entry.count, chunk - table.first[at], [&](std::int64_t i) {
    param += static_cast<double>(entry.param[i]) * entry.param[i];
    grad += static_cast<double>(entry.grad[i]) * entry.grad[i];
  });
  param = block_reduce(param, Sum{});
  grad = block_reduce(grad, Sum{});
  if (threadIdx.x == 0) squares[chunk] = {param, grad};
}

/// Each block adds up the squares of its tensor's chunks, all of them in the same order.
__global__ void lars_step_kernel(Table<LarsEntry> table, const ChunkSquares* squares) {
  const int chunk = static_cast<int>(blockIdx.x), at = table.find(chunk), first = table.first[at];
  const LarsEntry& entry = table.entry[at];
  const std::int64_t chunks = (at + 1 < table.entries ? table.first[at + 1] : table.chunks) - first;
  const double param =
      reduce_over<double>(chunks, Sum{}, [&](std::int64_t i) { return squares[first + i].param; });
  const double grad =
      reduce_over<double>(chunks, Sum{}, [&](std::int64_t i) { return squares[first + i].grad; });
  const float ratio = entry.ratio(param, grad);
  for_chunk(entry.count, chunk - first, [&](std::int64_t i) { entry.step(i, ratio); });
}

/// Calls run(table) for tables that together hold all items that have elements.
template <class Entry, class Item, class Run>
void for_tables(std::span<const Item> items, const Run& run) {
  Table<Entry> table;
  for (const Item& item : items) {
    if (item.count() == 0) continue;
    table.first[table.entries] = table.chunks;
    table.entry[table.entries++] = Entry(item);
    table.chunks += static_cast<int>(chunks_of(item.count()));
    if (table.entries < Table<Entry>::kMost) continue;
    run(table);
    table.entries = table.chunks = 0;
  }
  if (table.entries > 0) run(table);
}

template <class Entry, class Item>
void step_all(Context&, View, std::span<const Item> items) {
  for_tables<Entry>(items, [](const Table<Entry>& table) {
    launch<step_kernel<Entry>>({.grid = {static_cast<unsigned>(table.chunks)}, .block = {kUpdateThreads}},
                               current_stream(), table);
  });
}

void lars(Context& context, View, std::span<const LarsItem> items) {
  for_tables<LarsEntry>(items, [&](const Table<LarsEntry>& table) {
    auto* squares = context.workspace_of<ChunkSquares>(static_cast<std::size_t>(table.chunks));
    const LaunchShape shape{.grid = {static_cast<unsigned>(table.chunks)}, .block = {kUpdateThreads}};
    launch<lars_squares_kernel>(shape, current_stream(), table, squares);
    launch<lars_step_kernel>(shape, current_stream(), table, squares);
  });
}

const bool registered = [] {
  sgd_step.add(Device::TSR_BACKEND, float32, &step_all<SgdEntry, SgdItem>);
  adam_step.add(Device::TSR_BACKEND, float32, &step_all<AdamEntry, AdamItem>);
  ema_step.add(Device::TSR_BACKEND, float32, &step_all<EmaEntry, EmaItem>);
  lars_step.add(Device::TSR_BACKEND, float32, &lars);
  return true;
}();

}  // namespace
}  // namespace tsr::TSR_BACKEND
