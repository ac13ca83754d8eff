#pragma once
// Block: runs the threads of one block on one OS thread. A fiber runs thread after thread until one must
// wait, at a barrier or for the rest of its warp; only then is another fiber made. Those that a meeting
// releases run on first, the last released before the others, so that warps drift apart as far as the program
// lets them.

#include <array>
#include <bit>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "cuda/emulator/copies.h"
#include "cuda/emulator/fiber.h"
#include "cuda/emulator/grid.h"
#include "cuda/emulator/shared_memory.h"
#include "cuda/emulator/site.h"
#include "cuda/emulator/watch.h"

namespace tsr::emu {

inline constexpr unsigned kMostThreads = 1024;
inline constexpr unsigned kWholeWarp = 0xffffffffu;

class Block {
 public:
  /// The block whose thread runs on this OS thread, else the one that would.
  static Block& current();

  /// Runs block `index` of a grid to its end. Throws Error for a mistake of the kernel.
  void run(const Grid& grid, const uint3& index, std::uint64_t seed);

  // What the built-ins of a kernel call, always from one of its threads.
  SharedMemory& shared() { return shared_; }
  /// Position of the running thread in its warp.
  unsigned lane() const { return lane_->number % 32; }
  /// Of the running thread.
  Copies& copies() { return lane_->copies; }

  /// What the predicates of all threads come to at a barrier.
  struct Votes {
    int count = 0;
    bool all = true, any = false;
  };
  Votes barrier(const Site& site, bool predicate);

  /// The lanes of `mask` meet; the last to arrive calls work(operands), which sees the operand of each lane
  /// that the mask names (the others are null) and may write to them all.
  template <class Operand, class Work>
  void meet(const Site& site, unsigned mask, Operand& operand, Work&& work) {
    if (Meeting* complete = arrive(site, mask, &operand)) {
      work(reinterpret_cast<Operand* const*>(complete->operands.data()));
      watch::warp_met(site, lane_->number / 32 * 32, mask);
      release(*complete);
    }
  }
  /// The lanes of the warp that are at this site, once nobody can go on without being told.
  unsigned active_mask(const Site& site);

  /// " block (0, 0, 0), thread (3, 0, 0)", as far as something runs.
  std::string where() const;

  // For the checking build.
  bool runs() const { return lane_ != nullptr; }
  unsigned thread_number() const { return lane_->number; }
  /// Ends the block from one of its threads, whose stacks are left as they are: run() throws the error.
  [[noreturn]] void stop(std::exception_ptr error);

 private:
  struct Lane {
    unsigned number = 0;
    uint3 index;
    Fiber* fiber = nullptr;
    const Site* waits_at = nullptr;
    unsigned active = 0;  ///< what active_mask tells it
    Votes votes;
    Copies copies;
  };
  struct Meeting {
    unsigned mask = 0, here = 0;
    Site site;
    std::array<void*, 32> operands{};
  };
  struct Warp {
    unsigned alive = 0;   ///< lanes that have not returned
    unsigned asking = 0;  ///< lanes in active_mask
    std::vector<Meeting> meetings;
  };
  struct Barrier {
    unsigned here = 0;
    Site site;
    Votes votes;
  };

  Block() = default;
  void prepare(const Grid& grid, const uint3& index, std::uint64_t seed);
  static void fiber_body(void* fiber);
  void run_threads(Fiber& fiber);
  void run_thread(Lane& lane, Fiber& fiber);
  void enter(Lane& lane);
  void leave(Lane& lane);
  void wait(const Site& site);
  Fiber& next();
  Meeting* arrive(const Site& site, unsigned mask, void* operand);
  void release(Meeting& meeting);
  void ready(Lane& lane);
  bool answer_active_masks();
  [[noreturn]] void report_stuck();
  void abandon();
  Lane& lane_of(const Warp& warp, int bit) {
    return lanes_[static_cast<std::size_t>(&warp - warps_.data()) * 32 + bit];
  }
  std::uint64_t random();

  const Grid* grid_ = nullptr;
  SharedMemory shared_;
  std::vector<Lane> lanes_;
  std::vector<unsigned> order_;  ///< in which threads start
  std::vector<Warp> warps_;
  Barrier barrier_;
  unsigned started_ = 0, finished_ = 0;
  Lane* lane_ = nullptr;  ///< that runs
  Lane* first_returned_ = nullptr;
  std::vector<Lane*> ready_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  Fiber main_;
  std::exception_ptr error_;
  std::uint64_t random_state_ = 0;  ///< 0: threads run in the cheapest order
};

}  // namespace tsr::emu
