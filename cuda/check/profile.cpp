#include "cuda/check/profile.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "cuda/check/finding.h"
#include "cuda/emulator/block.h"

namespace tsr::emu::check {
namespace {

/// An instruction, and which memory it touches: a pointer may lead to either.
struct Instruction {
  const void* code;
  Memory memory;
  Kind kind;
  auto operator<=>(const Instruction&) const = default;
};
struct HashInstruction {
  std::size_t operator()(const Instruction& i) const {
    return std::hash<const void*>()(i.code) * 2 + (i.memory == Memory::shared ? 1 : 0);
  }
};

/// A warp's requests by one instruction since its lanes last met.
struct Turns {
  std::array<std::uint32_t, 32> executed{};
  std::vector<WarpRequest> requests;
};
using Warp = std::unordered_map<Instruction, Turns, HashInstruction>;

/// What is counted of a kernel, not yet by line.
struct Counts {
  std::string kernel;
  std::uint64_t launches = 0, blocks = 0, threads = 0;
  std::map<Instruction, Traffic> traffic;
  std::map<std::pair<std::string, std::string>, std::uint64_t> meetings;  ///< by source and call
};

struct Collector {
  std::vector<Counts> kernels;
  Counts* running = nullptr;  ///< the kernel that was launched last
  std::vector<Warp> warps;    ///< of the block that runs

  void finish(Warp& warp);
  void finish_block() {
    for (Warp& warp : warps) finish(warp);
  }
};
std::optional<Collector> collector;

/// Nobody can join the requests of the warp any more.
void Collector::finish(Warp& warp) {
  for (auto& [instruction, turns] : warp) {
    if (turns.requests.empty()) continue;
    Traffic& traffic = running->traffic[instruction];
    for (const WarpRequest& request : turns.requests) {
      const auto lanes = static_cast<unsigned>(std::popcount(request.lanes));
      const Transactions all = instruction.memory == Memory::global ? sectors(request) : wavefronts(request);
      traffic.accesses += lanes;
      traffic.bytes += lanes * request.bytes;
      ++traffic.requests;
      traffic.transactions += all.actual;
      traffic.ideal += all.ideal;
      traffic.worst = std::max(traffic.worst, all.actual);
    }
    turns.executed.fill(0);
    turns.requests.clear();
  }
}

std::vector<LineTraffic> traffic_by_line(const Counts& counts) {
  std::vector<const void*> codes;
  codes.reserve(counts.traffic.size());
  for (const auto& [instruction, traffic] : counts.traffic) codes.push_back(instruction.code);
  const std::vector<std::string> sources = sources_of(codes);
  std::map<std::tuple<std::string, Memory, Kind>, Traffic> lines;
  auto source = sources.begin();
  for (const auto& [instruction, traffic] : counts.traffic)
    lines[{*source++, instruction.memory, instruction.kind}] += traffic;
  std::vector<LineTraffic> result;
  result.reserve(lines.size());
  for (const auto& [line, traffic] : lines)
    result.push_back({std::get<0>(line), std::get<1>(line), std::get<2>(line), traffic});
  std::stable_sort(result.begin(), result.end(), [](const LineTraffic& a, const LineTraffic& b) {
    return a.traffic.transactions > b.traffic.transactions;
  });
  return result;
}

KernelProfile by_line(const Counts& counts) {
  KernelProfile result{.kernel = counts.kernel,
                       .launches = counts.launches,
                       .blocks = counts.blocks,
                       .threads = counts.threads,
                       .traffic = traffic_by_line(counts),
                       .meetings = {}};
  for (const auto& [place, count] : counts.meetings)
    result.meetings.push_back({place.first, place.second, count});
  std::stable_sort(result.meetings.begin(), result.meetings.end(),
                   [](const LineMeetings& a, const LineMeetings& b) { return a.count > b.count; });
  return result;
}

}  // namespace

Traffic& Traffic::operator+=(const Traffic& other) {
  accesses += other.accesses;
  bytes += other.bytes;
  requests += other.requests;
  transactions += other.transactions;
  ideal += other.ideal;
  worst = std::max(worst, other.worst);
  return *this;
}

Meeting meeting_of(std::string_view call) {
  if (call.starts_with("__syncthreads")) return Meeting::barrier;
  return call.starts_with("mma") ? Meeting::tensor_core : Meeting::collective;
}

Traffic KernelProfile::total(Memory memory, Kind kind) const {
  Traffic sum;
  for (const LineTraffic& line : traffic)
    if (line.memory == memory && line.kind == kind) sum += line.traffic;
  return sum;
}

std::uint64_t KernelProfile::total(Meeting meeting) const {
  std::uint64_t sum = 0;
  for (const LineMeetings& line : meetings)
    if (meeting_of(line.call) == meeting) sum += line.count;
  return sum;
}

void begin_profile() { collector.emplace(); }

std::vector<KernelProfile> end_profile() {
  collector->finish_block();
  std::vector<KernelProfile> result;
  result.reserve(collector->kernels.size());
  for (const Counts& counts : collector->kernels) result.push_back(by_line(counts));
  collector.reset();
  return result;
}

bool profiling() { return collector.has_value(); }

void count_launch(std::string_view kernel, std::uint64_t blocks, std::uint64_t threads) {
  collector->finish_block();
  collector->warps.clear();
  auto& kernels = collector->kernels;
  auto found =
      std::find_if(kernels.begin(), kernels.end(), [&](const Counts& c) { return c.kernel == kernel; });
  if (found == kernels.end()) {
    found = kernels.emplace(found);
    found->kernel = kernel;
  }
  ++found->launches;
  found->blocks += blocks;
  found->threads += blocks * threads;
  collector->running = &*found;
}

void count_block() { collector->finish_block(); }

void count_access(const void* p, std::size_t bytes, Memory memory, Kind kind, const void* code) {
  constexpr std::size_t kMost = 16;  // of one instruction
  const unsigned thread = Block::current().thread_number(), lane = thread % 32;
  if (collector->warps.size() <= thread / 32) collector->warps.resize(thread / 32 + 1);
  Turns& turns = collector->warps[thread / 32][{code, memory, kind}];
  for (std::size_t done = 0; done < bytes; done += kMost) {
    const std::size_t size = std::min(bytes - done, kMost);
    const std::uint32_t turn = turns.executed.at(lane)++;
    if (turn >= turns.requests.size()) turns.requests.emplace_back();
    turns.requests[turn].add(lane, static_cast<const std::byte*>(p) + done, size);
  }
}

void count_barrier(const Site& site) {
  collector->finish_block();
  ++collector->running->meetings[{describe(site), site.call}];
}

void count_meeting(const Site& site, unsigned first, unsigned mask) {
  if (mask == ~0u && first / 32 < collector->warps.size()) collector->finish(collector->warps[first / 32]);
  collector->running->meetings[{describe(site), site.call}] += static_cast<unsigned>(site.instructions);
}

}  // namespace tsr::emu::check
