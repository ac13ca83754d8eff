#include "tensor/cpu/gemm.h"

#include <algorithm>
#include <optional>

#include "tensor/allocator.h"
#include "tensor/cpu/buffer.h"
#include "tensor/cpu/convert.h"
#include "tensor/cpu/gemm_plan.h"
#include "tensor/parallel.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

/// Packs panels of B, as the kernels read them.
template <class T>
class PanelPacker {
 public:
  PanelPacker(const Gemm<T>& problem, const Plan& plan)
      : problem_(problem),
        plan_(plan),
        form_(kernels_of(problem).form),
        packed_(form_ ? 2 * plan.lanes * plan.depths.largest() : 0) {}

  /// Panel `panel` of depth block `depth_block`; false when it is zero.
  bool pack(int64_t batch, int64_t depth_block, int64_t panel, T* buffer) const {
    const Range depths = plan_.depths.at(depth_block), cols = plan_.panel(panel);
    const int64_t width = plan_.vectors(cols) * plan_.lanes;
    const Panel<T> packed =
        problem_.b.pack(problem_.b.state, {batch, depths.begin, depths.size(), cols.begin, cols.size(), width,
                                           form_ ? packed_.data() : buffer, form_ != nullptr});
    if (packed.data != nullptr && form_)
      form_->panel(packed.data, packed.depth_step, depths.size(), cols.size(), width, buffer);
    return packed.data != nullptr;
  }

 private:
  const Gemm<T>& problem_;
  const Plan& plan_;
  const TileForm<T>* form_;
  Buffer<T> packed_;
};

/// All of B, packed in parallel before the product.
template <class T>
class SharedB {
 public:
  SharedB(const Gemm<T>& problem, const Plan& plan)
      : plan_(plan),
        one_matrix_(problem.b.same_for_all_batches),
        count_((one_matrix_ ? 1 : problem.batch) * plan.depths.count() * plan.panels),
        values_(count_ * plan.panel_size),
        present_(count_) {
    parallel_for(count_, 4, [&](int64_t begin, int64_t end) {
      const PanelPacker<T> packer(problem, plan);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t depth_block = i / plan.panels % plan.depths.count();
        const int64_t batch = i / plan.panels / plan.depths.count();
        present_[i] = packer.pack(batch, depth_block, i % plan.panels, slot(i));
      }
    });
  }

  /// Null when the panel is zero.
  const T* panel(int64_t batch, int64_t depth_block, int64_t panel) const {
    const int64_t i = ((one_matrix_ ? 0 : batch) * plan_.depths.count() + depth_block) * plan_.panels + panel;
    return present_[i] ? slot(i) : nullptr;
  }

 private:
  T* slot(int64_t i) const { return values_.data() + i * plan_.panel_size; }

  const Plan& plan_;
  bool one_matrix_;
  int64_t count_;
  Buffer<T> values_;
  Buffer<bool> present_;
};

/// Computes one task.
template <class T>
class Worker {
 public:
  Worker(const Gemm<T>& problem, const Plan& plan, const SharedB<T>* shared, int64_t task)
      : problem_(problem),
        plan_(plan),
        shared_(shared),
        task_(plan.task(task)),
        kernels_(kernels_of(problem)),
        packer_(problem, plan),
        rounds_(problem.c.rounded != nullptr),
        sums_(rounds_ ? rows() * task_.panels.size() * 2 * plan.lanes : 0),
        packed_a_(plan.a_size),
        formed_a_(kernels_.form ? kernels_.tiles * kernels_.form->room(plan.depths.largest()) : 0),
        packed_b_(shared ? 0 : task_.panels.size() * plan.panel_size),
        panels_(task_.panels.size()),
        started_(task_.rows.size() * task_.panels.size()),
        places_(rows()),
        offsets_(rounds_ ? rows() : 0),
        steps_(task_.rows.size()) {
    std::fill_n(started_.data(), task_.rows.size() * task_.panels.size(), problem.accumulate);
    for (int64_t i = task_.rows.begin; i < task_.rows.end; ++i) find_rows(i);
    for (int64_t r = 0; rounds_ && r < rows(); ++r) offsets_[r] = r * task_.panels.size() * 2 * plan.lanes;
    for (int64_t i = task_.rows.begin; i < task_.rows.end; ++i) steps_[i - task_.rows.begin] = step_of(i);
  }

  void run() {
    for (int64_t d = task_.depths.begin; d < task_.depths.end; ++d) {
      load_b(d);
      for (int64_t i = task_.rows.begin; i < task_.rows.end; ++i) multiply(i, d);
    }
    if (task_.depths.size() > 0) return;
    for (int64_t i = task_.rows.begin; i < task_.rows.end; ++i) {
      for (int64_t p = task_.panels.begin; p < task_.panels.end; ++p) finish(i, p);
    }
  }

 private:
  /// Room for the rows of the task.
  int64_t rows() const { return task_.rows.size() * plan_.rows.largest(); }
  /// Where in C the rows of a block are, and where those of its sums: in C, or in a buffer of the task.
  int64_t* places(int64_t row_block) const {
    return places_.data() + (row_block - task_.rows.begin) * plan_.rows.largest();
  }
  const int64_t* offsets(int64_t row_block) const {
    if (!rounds_) return places(row_block);
    return offsets_.data() + (row_block - task_.rows.begin) * plan_.rows.largest();
  }
  int64_t step_of(int64_t row_block) const {
    const int64_t* at = offsets(row_block);
    const int64_t rows = plan_.rows.at(row_block).size(), step = rows > 1 ? at[1] - at[0] : 0;
    for (int64_t r = 2; r < rows; ++r) {
      if (at[r] - at[r - 1] != step) return 0;
    }
    return step;
  }
  /// What the places count from, in elements of C, and what the offsets count from.
  int64_t place(const Range& cols) const { return task_.batch * problem_.c.batch_stride + cols.begin; }
  T* sums(const Range& cols) const {
    if (!rounds_) return problem_.c.data + place(cols);
    return sums_.data() + cols.begin - plan_.panel(task_.panels.begin).begin;
  }
  bool& started(int64_t row_block, int64_t panel) const {
    return started_[(row_block - task_.rows.begin) * task_.panels.size() + panel - task_.panels.begin];
  }

  void find_rows(int64_t row_block) {
    const Range rows = plan_.rows.at(row_block);
    int64_t* result = places(row_block);
    if (problem_.c.offsets) return problem_.c.offsets(problem_.c.state, rows.begin, rows.size(), result);
    for (int64_t r = 0; r < rows.size(); ++r) result[r] = (rows.begin + r) * problem_.c.row_stride;
  }

  /// Points panels_ at the panels of depth block d.
  void load_b(int64_t d) {
    for (int64_t p = 0; p < task_.panels.size(); ++p) {
      if (shared_) {
        panels_[p] = shared_->panel(task_.batch, d, task_.panels.begin + p);
      } else {
        T* buffer = packed_b_.data() + p * plan_.panel_size;
        panels_[p] = packer_.pack(task_.batch, d, task_.panels.begin + p, buffer) ? buffer : nullptr;
      }
    }
  }

  /// C's row block i += A's block (i, d) · the panels.
  void multiply(int64_t i, int64_t d) {
    const Range rows = plan_.rows.at(i), depths = plan_.depths.at(d);
    Block2d<T> a =
        problem_.a.pack(problem_.a.state,
                        {task_.batch, rows.begin, rows.size(), depths.begin, depths.size(), packed_a_.data(),
                         kernels_.height(rows.size()), plan_.a_row_stride, kernels_.form != nullptr});
    if (a.data != nullptr && kernels_.form) a = formed(a, rows.size(), depths.size());
    for (int64_t p = task_.panels.begin; p < task_.panels.end; ++p) {
      const T* b = panels_[p - task_.panels.begin];
      if (a.data != nullptr && b != nullptr) multiply_panel(i, depths.size(), a, p, b);
      if (d + 1 == task_.depths.end) finish(i, p);
    }
  }

  /// The block in the form that the kernels read.
  Block2d<T> formed(const Block2d<T>& a, int64_t rows, int64_t depth) const {
    const TileForm<T>& form = *kernels_.form;
    const int64_t first = a.skip_front / form.depths * form.depths, lead = a.skip_front - first;
    const int64_t kept = depth - a.skip_front - a.skip_back, units = form.units(lead + kept);
    const int64_t height = kernels_.height(rows), step = units * form.size;
    T* to = formed_a_.data();
    const T* from = a.data;
    for (int64_t row = 0; row < rows; row += height, from += a.tile_step, to += step)
      form.rows({from, a.row_step, a.depth_step, std::min(height, rows - row), lead, kept}, to);
    return {.data = formed_a_.data(),
            .tile_step = step,
            .skip_front = first,
            .skip_back = depth - first - units * form.depths};
  }

  void multiply_panel(int64_t i, int64_t depth, const Block2d<T>& a, int64_t p, const T* b) {
    const Range cols = plan_.panel(p);
    const int64_t rows = plan_.rows.at(i).size();
    const int vectors = plan_.vectors(cols);
    const T* panel = b + kernels_.panel_offset(a.skip_front, vectors);
    depth -= a.skip_front + a.skip_back;
    const int64_t height = kernels_.height(rows);
    const T* tile = a.data;
    bool& accumulate = started(i, p);
    for (int64_t row = 0; row < rows; row += height, tile += a.tile_step) {
      const int64_t tile_rows = std::min(height, rows - row);
      kernels_.at(vectors,
                  tile_rows)({tile_rows, depth, tile, a.row_step, a.depth_step, panel, sums(cols),
                              offsets(i) + row, steps_[i - task_.rows.begin], cols.size(), accumulate});
    }
    accumulate = true;
  }

  /// Zeroes what no product has reached, calls the epilogue, and rounds.
  void finish(int64_t i, int64_t p) {
    const Range rows = plan_.rows.at(i), cols = plan_.panel(p);
    T* c = sums(cols);
    if (!started(i, p)) {
      for (int64_t r = 0; r < rows.size(); ++r) std::fill_n(c + offsets(i)[r], cols.size(), T{});
    }
    if (problem_.epilogue.apply) {
      problem_.epilogue.apply(problem_.epilogue.state, {c, offsets(i), task_.batch, rows.begin, rows.size(),
                                                        cols.begin, cols.size(), place(cols), places(i)});
    }
    for (int64_t r = 0; rounds_ && r < rows.size(); ++r)
      problem_.c.round(c + offsets(i)[r], cols.size(), problem_.c.rounded, place(cols) + places(i)[r]);
  }

  const Gemm<T>& problem_;
  const Plan& plan_;
  const SharedB<T>* shared_;
  const Task task_;
  const TileKernels<T>& kernels_;
  const PanelPacker<T> packer_;
  const bool rounds_;
  Buffer<T> sums_;  ///< of the task's part of C, where that is rounded
  Buffer<T> packed_a_, formed_a_, packed_b_;
  Buffer<const T*> panels_;
  Buffer<bool> started_;  ///< whether a block of C already holds a sum
  Buffer<int64_t> places_, offsets_;
  Buffer<int64_t> steps_;  ///< of each row block: between the offsets of its rows, 0 where it differs
};

template <class T>
void run_tasks(const Gemm<T>& problem, const Plan& plan) {
  std::optional<SharedB<T>> shared;
  if (plan.share_b) shared.emplace(problem, plan);
  parallel_for(plan.tasks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) Worker<T>(problem, plan, shared ? &*shared : nullptr, i).run();
  });
}

/// Depth in several parts: each part's product goes to a buffer of its own, and a second pass adds them in
/// order.
template <class T>
void run_split(const Gemm<T>& problem, const Plan& plan) {
  const int64_t size = problem.m * problem.n;
  Buffer<T> partial(problem.batch * plan.splits * size);
  parallel_for(plan.tasks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Task task = plan.task(i);
      Gemm<T> part = problem;
      part.c = {.data = partial.data() + task.split * size,
                .row_stride = problem.n,
                .batch_stride = plan.splits * size};
      part.accumulate = false;
      part.epilogue = {};
      Worker<T>(part, plan, nullptr, i).run();
    }
  });
  // The sum is a product without depth that adds the parts in its epilogue, ahead of the caller's.
  struct Sum {
    const Gemm<T>& problem;
    int64_t splits;
    const T* parts;
  } sum{problem, plan.splits, partial.data()};
  Gemm<T> total = problem;
  total.k = 0;
  total.depth_group = 0;
  total.epilogue.state = &sum;
  total.epilogue.apply = [](const void* state, const FinishedTile<T>& tile) {
    const auto& [problem, splits, parts] = *static_cast<const Sum*>(state);
    for (int64_t i = 0; i < tile.rows; ++i) {
      T* row = tile.data + tile.row_offsets[i];
      for (int64_t s = 0; s < splits; ++s) {
        const T* part = parts + ((tile.batch * splits + s) * problem.m + tile.row + i) * problem.n + tile.col;
        for (int64_t j = 0; j < tile.cols; ++j) row[j] += part[j];
      }
    }
    if (problem.epilogue.apply) problem.epilogue.apply(problem.epilogue.state, tile);
  };
  run_tasks(total, make_plan(total));
}

}  // namespace

template <class T>
void gemm(const Gemm<T>& problem) {
  if (problem.batch == 0 || problem.m == 0 || problem.n == 0) return;
  TSR_ASSERT(problem.c.rounded == nullptr || !problem.accumulate);
  const Plan plan = make_plan(problem);
  if (plan.splits > 1) {
    run_split(problem, plan);
  } else {
    run_tasks(problem, plan);
  }
}

template <class S>
Output<Compute<S>> output(S* data) {
  if constexpr (std::is_same_v<S, Compute<S>>) {
    return {.data = data};
  } else {
    return {.data = nullptr,
            .rounded = data,
            .round = [](const float* from, int64_t count, void* rounded, int64_t first) {
              round(from, count, static_cast<S*>(rounded) + first);
            }};
  }
}

template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);
template Output<float> output(float*);
template Output<double> output(double*);
template Output<float> output(BFloat16*);
template Output<float> output(Float16*);

}  // namespace tsr::cpu
