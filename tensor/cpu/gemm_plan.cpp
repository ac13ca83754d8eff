#include "tensor/cpu/gemm_plan.h"

#include <algorithm>

#include "tensor/error.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

// Enough tasks that a few threads finish together, whatever their number.
constexpr int64_t kTasks = 24;
// Elements of B beyond which packing all of it before the product would leave the last-level cache.
constexpr int64_t kSharedLimit = int64_t{4} << 20;

// Bytes of a task's panels that were formed: they share the second-level cache with its C.
constexpr int64_t kFormedB = int64_t{1} << 20;

/// Depth of a block at most. Formed panels all fit the cache where they can: forming a block of A anew for
/// each part of them costs as much as adding to C more often.
template <class T>
int64_t depth_limit(const TileKernels<T>& kernels, int64_t panels) {
  if (!kernels.form) return kernels.depth_max;
  const int64_t bytes = kernels.form->size * static_cast<int64_t>(sizeof(T)) / kernels.form->depths;
  return std::clamp<int64_t>(kFormedB / (panels * bytes), 256, kernels.depth_max);
}

/// Panels of a task at most.
template <class T>
int64_t most_panels(const TileKernels<T>& kernels, const Plan& plan) {
  constexpr int64_t kPanels = 18;
  if (!kernels.form) return kPanels;
  return std::max<int64_t>(1, kFormedB / (plan.panel_size * static_cast<int64_t>(sizeof(T))));
}

/// `forms`: B takes half as much again when it is packed, and is better read by those who need it.
bool should_share_b(const Plan& plan, bool forms, bool same_b, int64_t m, int64_t n, int64_t k) {
  const int64_t matrices = same_b ? 1 : plan.batch;
  const bool many_small = matrices > 8;
  const bool deep = k > (forms ? 3 : 16) * std::max<int64_t>(m, 256);
  return !many_small && !deep && matrices * n * k <= kSharedLimit;
}

void plan_shared(Plan& plan, int64_t most_panels) {
  plan.rows_per_task = 1;
  const int64_t row_tasks = plan.batch * plan.rows.count();
  const int64_t wanted =
      std::max(ceil_div(plan.panels, most_panels), std::min(ceil_div(kTasks, row_tasks), plan.panels / 4));
  plan.panels_per_task = ceil_div(plan.panels, std::max<int64_t>(wanted, 1));
}

void plan_private(Plan& plan, int64_t most_panels, int64_t most_splits) {
  constexpr int64_t kRowBlocks = 10;  // rows for which one packing of B serves
  constexpr int64_t kSlice = int64_t{3}
                             << 15;  // elements of a task's C that share the second-level cache with B
  plan.rows_per_task = ceil_div(plan.rows.count(), ceil_div(plan.rows.count(), kRowBlocks));
  const int64_t others = plan.batch * plan.row_tasks();
  const int64_t rows = plan.rows_per_task * plan.rows.largest();
  const int64_t fitting =
      std::clamp<int64_t>(kSlice / rows / (2 * plan.lanes), std::min<int64_t>(6, most_panels), most_panels);
  const int64_t wanted = std::max(ceil_div(plan.panels, most_panels),
                                  std::min(ceil_div(kTasks, others), ceil_div(plan.panels, fitting)));
  plan.panels_per_task = ceil_div(plan.panels, std::max<int64_t>(wanted, 1));
  const int64_t tasks = others * plan.panel_tasks();
  plan.splits = std::max<int64_t>(std::min(ceil_div(kTasks, tasks), most_splits), 1);
}

/// Splits at most: each has several blocks of depth, or one as deep as they come.
template <class T>
int64_t most_splits(const TileKernels<T>& kernels, const Plan& plan) {
  if (!kernels.form) return plan.depths.count() / 4;
  return plan.depths.count() * plan.depths.largest() / kernels.depth_max;
}

/// Blocks of depth of which every split has as many: there are few of formed ones.
template <class T>
void even_splits(const TileKernels<T>& kernels, int64_t depth, int64_t limit, Plan& plan) {
  const int64_t part = ceil_div(depth, plan.splits);
  plan.depths = Blocking(depth, 0, ceil_div(part, ceil_div(part, limit)), kernels.form->depths);
  plan.panel_size = kernels.panel_size(plan.depths.largest());
}

}  // namespace

Blocking::Blocking(int64_t extent, int64_t group, int64_t block_limit, int64_t unit) {
  if (extent == 0) return;
  group_ = group == 0 ? extent : group;
  TSR_ASSERT(extent % group_ == 0);
  groups_ = extent / group_;
  size_ = std::min(group_, ceil_div(ceil_div(group_, ceil_div(group_, block_limit)), unit) * unit);
  parts_ = ceil_div(group_, size_);
}

Range Blocking::at(int64_t block) const {
  const int64_t begin = block % groups_ * group_, offset = block / groups_ * size_;
  return {begin + offset, begin + std::min(offset + size_, group_)};
}

Task Plan::task(int64_t index) const {
  const int64_t panel = index % panel_tasks() * panels_per_task;
  index /= panel_tasks();
  const int64_t row = index % row_tasks() * rows_per_task;
  index /= row_tasks();
  const int64_t split = index % splits;
  return {.batch = index / splits,
          .split = split,
          .rows = {row, std::min(row + rows_per_task, rows.count())},
          .depths = {split * depths.count() / splits, (split + 1) * depths.count() / splits},
          .panels = {panel, std::min(panel + panels_per_task, panels)}};
}

Range Plan::panel(int64_t index) const {
  return {index * 2 * lanes, std::min((index + 1) * 2 * lanes, cols)};
}

template <class T>
Plan make_plan(const Gemm<T>& problem) {
  const TileKernels<T>& kernels = kernels_of(problem);
  Plan plan;
  plan.cols = problem.n;
  plan.lanes = kernels.lanes;
  plan.panels = ceil_div(problem.n, 2 * plan.lanes);
  plan.rows = Blocking(problem.m, problem.row_group, kernels.tiles * kernels.rows_max);
  const int64_t limit = depth_limit(kernels, plan.panels);
  plan.depths = Blocking(problem.k, problem.depth_group, limit, kernels.form ? kernels.form->depths : 1);
  plan.batch = problem.batch;
  plan.panel_size = kernels.panel_size(plan.depths.largest());
  plan.share_b = should_share_b(plan, kernels.form != nullptr, problem.b.same_for_all_batches, problem.m,
                                problem.n, problem.k);
  if (plan.share_b) {
    plan_shared(plan, most_panels(kernels, plan));
  } else {
    plan_private(plan, most_panels(kernels, plan), most_splits(kernels, plan));
    if (kernels.form && plan.splits > 1 && problem.depth_group == 0)
      even_splits(kernels, problem.k, limit, plan);
  }
  // An odd number of cache lines between rows, so that the rows of a tile fall into different sets.
  constexpr int64_t kLine = 64 / sizeof(T);
  plan.a_row_stride = ceil_div(plan.depths.largest(), kLine) / 2 * 2 * kLine + kLine;
  const int64_t tiles = ceil_div(plan.rows.largest(), kernels.rows_max);
  plan.a_size = std::max(plan.rows.largest() * plan.a_row_stride,
                         tiles * (kernels.rows_max * plan.depths.largest() + kTileGap));
  return plan;
}

template Plan make_plan(const Gemm<float>&);
template Plan make_plan(const Gemm<double>&);

}  // namespace tsr::cpu
