#include "cuda/check/checker.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "cuda/check/finding.h"
#include "cuda/check/profile.h"
#include "cuda/check/shadow.h"
#include "cuda/emulator/block.h"
#include "cuda/emulator/watch.h"

namespace tsr::emu::check {
namespace {

using Range = std::pair<std::byte*, std::size_t>;

/// What a thread knows of its warp, and its copies under way.
struct Thread {
  std::array<std::uint32_t, 32> known{};  ///< clocks of its warp's lanes; its own among them
  std::vector<Range> group;
  std::deque<std::vector<Range>> groups;
};

struct State {
  std::uint32_t launch = 1, block = 0, epoch = 0;  ///< launch: its first block
  const std::byte* arena = nullptr;
  std::size_t arena_bytes = 0;
  std::vector<std::pair<const std::byte*, const std::byte*>> variables;
  std::vector<Byte> shared;
  std::vector<Thread> threads;
};
State state;

bool in_arena(const std::byte* p) { return p >= state.arena && p < state.arena + state.arena_bytes; }
bool in_device(const std::byte* p) { return p >= device_begin() && p < device_begin() + kDeviceBytes; }

Thread& thread_at(unsigned number) {
  while (number >= state.threads.size()) {
    // nobody knows yet what it does before its warp meets
    state.threads.emplace_back().known[(state.threads.size() - 1) % 32] = 1;
  }
  return state.threads[number];
}

// Atomic accesses that no order separates stand together for one, by several threads of the block, or of the
// launch when its epoch is kNoEpoch.
constexpr std::uint16_t kSeveral = 0xffff;
constexpr std::uint32_t kNoEpoch = 0xffffffff;

/// Whether what `before` did is known to have happened before what `now` does.
bool ordered(const Access& before, const Access& now) {
  if (before.block < state.launch) return true;
  if (before.block != now.block) return false;
  if (before.thread == now.thread || before.epoch < now.epoch) return true;
  return before.thread != kSeveral && before.thread / 32 == now.thread / 32 &&
         before.clock <= thread_at(now.thread).known[before.thread % 32];
}

[[noreturn]] void report_race(const Access& before, const char* did, const Access& now, bool write) {
  const std::string who = before.thread == kSeveral   ? "another thread"
                          : before.block == now.block ? text("thread ", before.thread)
                                                      : text("block ", before.block - state.launch);
  report(now.code, text("race: ", write ? "writes" : "reads", " what ", who, " ", did, " in ",
                        source_of(before.code), ", and nothing orders the two"));
}

/// An atomic access that follows those of `before` in no order.
Access join(const Access& before, Access now) {
  if (before.block != now.block || before.epoch == kNoEpoch) now.epoch = kNoEpoch;
  now.thread = kSeveral;
  return now;
}

void judge(Byte& byte, const Access& now, Kind kind) {
  const auto races = [&](const Access& before) {
    return !ordered(before, now) && !(before.atomic && now.atomic);
  };
  if (races(byte.write)) report_race(byte.write, "wrote", now, kind != Kind::read);
  if (kind == Kind::read) {
    if (Access& first = byte.reads[0]; ordered(first, now)) {
      first = now;
    } else {
      byte.reads[1] = now;
    }
    return;
  }
  for (const Access& read : byte.reads)
    if (races(read)) report_race(read, "read", now, true);
  byte.write = now.atomic && byte.write.atomic && !ordered(byte.write, now) ? join(byte.write, now) : now;
  byte.reads = {};
}

void check_copy(const Byte& byte, const Access& now) {
  if (byte.copying == state.block)
    report(now.code, text("touches what an asynchronous copy of thread ", byte.copying_thread,
                          " may still be writing; wait for its group"));
}

Access access_now(const void* code, Kind kind) {
  const unsigned number = Block::current().thread_number();
  return {state.block,
          state.epoch,
          thread_at(number).known[number % 32],
          static_cast<std::uint16_t>(number),
          kind == Kind::atomic,
          code};
}

/// Shared memory begins anew with each block.
void forget_other_blocks(Byte& byte) {
  for (Access* access : {&byte.write, &byte.reads[0], &byte.reads[1]})
    if (access->block != state.block) *access = {};
}

void access_shared(const std::byte* p, std::size_t bytes, const Access& now, Kind kind) {
  const bool inside = std::any_of(state.variables.begin(), state.variables.end(), [&](const auto& variable) {
    return p >= variable.first && p + bytes <= variable.second;
  });
  if (!inside) report(now.code, text("out of bounds: ", bytes, " bytes of shared memory beyond a variable"));
  for (std::size_t i = 0; i < bytes; ++i) {
    Byte& byte = state.shared[static_cast<std::size_t>(p - state.arena) + i];
    forget_other_blocks(byte);
    check_copy(byte, now);
    if (kind != Kind::write && byte.write.block == 0)
      report(now.code, "unwritten: reads shared memory that nobody wrote in this block");
    judge(byte, now, kind);
  }
}

void access_device(const std::byte* p, std::size_t bytes, const Access& now, Kind kind) {
  for (std::size_t i = 0; i < bytes; ++i)
    if (!in_device(p + i) || !allocated(p + i))
      report(now.code, text("out of bounds: ", bytes, " bytes of device memory outside an allocation"));
  for (std::size_t i = 0; i < bytes; ++i) judge(device_byte(p + i), now, kind);
}

}  // namespace

void access(const void* pointer, std::size_t bytes, std::size_t alignment, Kind kind, const void* code) {
  const auto* p = static_cast<const std::byte*>(pointer);
  const bool shared = in_arena(p);
  if ((!shared && !in_device(p)) || !Block::current().runs()) return;
  if (profiling()) return count_access(p, bytes, shared ? Memory::shared : Memory::global, kind, code);
  if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0)
    report(code, text("misaligned: ", bytes, " bytes at an address that is no multiple of ", alignment));
  const Access now = access_now(code, kind);
  if (shared) {
    access_shared(p, bytes, now, kind);
  } else {
    access_device(p, bytes, now, kind);
  }
}

}  // namespace tsr::emu::check

namespace tsr::emu::watch {

using check::state;

void launch_begins(std::string_view kernel, std::size_t blocks, std::size_t threads) {
  state.launch = state.block + 1;
  if (check::profiling()) check::count_launch(kernel, blocks, threads);
}

void block_begins(const void* arena, std::size_t bytes) {
  ++state.block;
  state.epoch = 0;
  if (state.arena != arena) state.shared.assign(bytes, {});
  state.arena = static_cast<const std::byte*>(arena);
  state.arena_bytes = bytes;
  state.variables.clear();
  state.threads.clear();
  if (check::profiling()) check::count_block();
}

void shared_begins(const void* begin, std::size_t bytes) {
  const auto* p = static_cast<const std::byte*>(begin);
  state.variables.emplace_back(p, p + bytes);
}

void barrier_met(const Site& site) {
  ++state.epoch;
  if (check::profiling()) check::count_barrier(site);
}

void warp_met(const Site& site, unsigned first, unsigned mask) {
  if (check::profiling()) return check::count_meeting(site, first, mask);
  std::array<std::uint32_t, 32> all{};
  for (unsigned lanes = mask; lanes != 0; lanes &= lanes - 1) {
    const auto& known = check::thread_at(first + static_cast<unsigned>(std::countr_zero(lanes))).known;
    for (std::size_t i = 0; i < 32; ++i) all.at(i) = std::max(all.at(i), known.at(i));
  }
  for (unsigned lanes = mask; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(lanes));
    auto& known = check::thread_at(first + lane).known;
    known = all;
    ++known.at(lane);  // what it does from now on, the others don't know
  }
}

void copy_issued(void* to, std::size_t bytes, const void* from, std::size_t valid) {
  auto* p = static_cast<std::byte*>(to);
  check::access(p, bytes, 1, check::Kind::write, __builtin_return_address(0));
  check::access(from, valid, 1, check::Kind::read, __builtin_return_address(0));
  const unsigned number = Block::current().thread_number();
  check::thread_at(number).group.emplace_back(p, bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    check::Byte& byte = state.shared.at(static_cast<std::size_t>(p - state.arena) + i);
    byte.copying = state.block;
    byte.copying_thread = static_cast<std::uint16_t>(number);
  }
}

void group_committed() {
  check::Thread& thread = check::thread_at(Block::current().thread_number());
  thread.groups.push_back(std::exchange(thread.group, {}));
}

void group_wait(std::size_t groups) {
  check::Thread& thread = check::thread_at(Block::current().thread_number());
  for (; thread.groups.size() > groups; thread.groups.pop_front())
    for (const auto& [p, bytes] : thread.groups.front())
      for (std::size_t i = 0; i < bytes; ++i) {
        check::Byte& byte = state.shared.at(static_cast<std::size_t>(p - state.arena) + i);
        byte.copying = 0;
        byte.write = check::access_now(__builtin_return_address(0), check::Kind::write);
      }
}

}  // namespace tsr::emu::watch
