#include "cuda/emulator/block.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

namespace tsr::emu {

thread_local constinit uint3 threadIdx;
thread_local constinit uint3 blockIdx;
thread_local constinit dim3 blockDim;
thread_local constinit dim3 gridDim;

namespace {

std::string triple(const uint3& index) { return text("(", index.x, ", ", index.y, ", ", index.z, ")"); }

unsigned bit(unsigned lane) { return 1u << lane; }

template <class Body>
void for_each_bit(unsigned mask, Body&& body) {
  for (; mask != 0; mask &= mask - 1) body(std::countr_zero(mask));
}

}  // namespace

std::string describe(const Site& site) { return text(site.file, ":", site.line); }

void fail_with(const Site& site, const std::string& message) {
  const std::string place = site.line == 0 ? "" : text(", ", describe(site), ": ", site.call);
  throw Error(text("emu: ", Block::current().where(), place, ": ", message));
}

Block& Block::current() {
  static thread_local Block block;
  return block;
}

std::string Block::where() const {
  std::string result(grid_ != nullptr ? grid_->kernel : "no kernel");
  if (grid_ != nullptr) result += ", block " + triple(blockIdx);
  if (lane_ != nullptr) result += ", thread " + triple(lane_->index);
  return result;
}

void Block::run(const Grid& grid, const uint3& index, std::uint64_t seed) {
  prepare(grid, index, seed);
  struct Leaving {  // whatever happens, nothing runs afterwards
    Block& block;
    ~Leaving() { block.grid_ = nullptr, block.lane_ = nullptr; }
  } const leaving{*this};
  while (finished_ < lanes_.size()) {
    Fiber& fiber = next();
    if (&fiber == &main_) {
      if (!answer_active_masks()) {
        lane_ = nullptr;
        try {
          report_stuck();
        } catch (...) {
          abandon();
          throw;
        }
      }
      continue;
    }
    Fiber::switch_from(main_, fiber);
    if (error_) {
      abandon();
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }
  lane_ = nullptr;
  shared_.check_red_zones();
}

void Block::prepare(const Grid& grid, const uint3& index, std::uint64_t seed) {
  const dim3& size = grid.shape.block;
  const unsigned count = size.x * size.y * size.z;
  if (grid_ = &grid; lanes_.size() != count || blockDim.x != size.x || blockDim.y != size.y) {
    lanes_.resize(count);
    order_.resize(count);
    warps_.resize((count + 31) / 32);
    for (unsigned i = 0; i < count; ++i)
      lanes_[i].number = i, lanes_[i].index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
  }
  std::iota(order_.begin(), order_.end(), 0u);
  for (std::size_t w = 0; w < warps_.size(); ++w) {
    const auto lanes = std::min<std::size_t>(32, count - w * 32);
    warps_[w].alive = lanes == 32 ? ~0u : bit(static_cast<unsigned>(lanes)) - 1;
    warps_[w].asking = 0;
    warps_[w].meetings.clear();
  }
  blockIdx = index, blockDim = size, gridDim = grid.shape.grid;
  barrier_ = {};
  started_ = finished_ = 0;
  first_returned_ = nullptr;
  ready_.clear();
  shared_.begin_block(grid.shape.shared_bytes);
  const std::uint64_t number =
      index.x + grid.shape.grid.x * (index.y + std::uint64_t{grid.shape.grid.y} * index.z);
  random_state_ = seed == 0 ? 0 : (seed * 0x9E3779B97F4A7C15u ^ number) | 1;
  if (random_state_ != 0)
    for (unsigned i = count; i > 1; --i) std::swap(order_[i - 1], order_[random() % i]);
}

std::uint64_t Block::random() {  // xorshift64 (Marsaglia 2003)
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  return (random_state_ ^= random_state_ << 17) >> 8;
}

// ---- fibers ----

/// Who can run: a released thread, else a thread that has not begun, else the loop in run().
Fiber& Block::next() {
  const bool more = started_ < lanes_.size();
  if (!ready_.empty() && (random_state_ == 0 || !more || random() % 2 == 0)) {
    if (random_state_ != 0) std::swap(ready_[random() % ready_.size()], ready_.back());
    Lane& lane = *ready_.back();
    ready_.pop_back();
    return *lane.fiber;
  }
  if (!more) return main_;
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&fiber_body, nullptr));
    idle_.push_back(fibers_.back().get());
  }
  return *idle_.back();
}

void Block::fiber_body(void*) {
  Block& block = current();
  Fiber& fiber = *block.idle_.back();  // next() chose it
  for (;;) block.run_threads(fiber);
}

/// Begins threads until none is left, and then lends its place to whoever can run.
void Block::run_threads(Fiber& fiber) {
  idle_.pop_back();
  while (started_ < lanes_.size() && !error_) run_thread(lanes_[order_[started_++]], fiber);
  idle_.push_back(&fiber);
  Fiber::switch_from(fiber, error_ ? main_ : next());
}

void Block::run_thread(Lane& lane, Fiber& fiber) {
  lane.fiber = &fiber;
  lane.copies.forget();
  enter(lane);
  try {
    grid_->call(grid_->arguments);
    leave(lane);
  } catch (...) {
    error_ = std::current_exception();
  }
}

void Block::enter(Lane& lane) {
  lane_ = &lane;
  threadIdx = lane.index;
}

void Block::wait(const Site& site) {
  Lane& self = *lane_;
  self.waits_at = &site;
  Fiber::switch_from(*self.fiber, next());
  enter(self);
}

void Block::ready(Lane& lane) {
  lane.waits_at = nullptr;
  ready_.push_back(&lane);
}

void Block::stop(std::exception_ptr error) {
  error_ = std::move(error);
  Fiber::switch_from(*lane_->fiber, main_);
  std::abort();  // run() has forgotten this stack
}

/// After a mistake: nobody goes on, and their stacks are used anew.
void Block::abandon() {
  for (Lane& lane : lanes_) lane.waits_at = nullptr;
  idle_.clear();
  for (auto& fiber : fibers_) {
    fiber->restart();
    idle_.push_back(fiber.get());
  }
}

// ---- meetings ----

void Block::leave(Lane& lane) {
  Warp& warp = warps_[lane.number / 32];
  if (barrier_.here > 0)
    fail(barrier_.site, "this thread returned while ", barrier_.here,
         " wait there; every thread of a block must reach its barriers");
  for (const Meeting& meeting : warp.meetings)
    if (meeting.mask & bit(lane.number % 32))
      fail(meeting.site, "this thread returned, though mask ", Hex{meeting.mask},
           " of that call names its lane");
  warp.alive &= ~bit(lane.number % 32);
  if (first_returned_ == nullptr) first_returned_ = &lane;
  ++finished_;
}

Block::Votes Block::barrier(const Site& site, bool predicate) {
  if (first_returned_ != nullptr)
    fail(site, "thread ", triple(first_returned_->index),
         " has returned already; every thread of a block must reach its barriers");
  if (barrier_.here > 0 && !(barrier_.site == site))
    fail(site, "other threads wait at another barrier, ", describe(barrier_.site));
  barrier_.site = site;
  barrier_.votes.count += predicate;
  barrier_.votes.all &= predicate;
  barrier_.votes.any |= predicate;
  Lane& self = *lane_;
  if (++barrier_.here < lanes_.size()) {
    wait(site);
    return self.votes;
  }
  watch::barrier_met(site);
  const Votes votes = std::exchange(barrier_, {}).votes;
  for (auto lane = lanes_.rbegin(); lane != lanes_.rend(); ++lane) {
    lane->votes = votes;
    if (&*lane != &self) ready(*lane);
  }
  return votes;
}

Block::Meeting* Block::arrive(const Site& site, unsigned mask, void* operand) {
  Lane& self = *lane_;
  Warp& warp = warps_[self.number / 32];
  if ((mask & bit(lane())) == 0) fail(site, "mask ", Hex{mask}, " does not name the calling lane ", lane());
  if (mask & ~warp.alive)
    fail(site, "mask ", Hex{mask}, " names lane ", std::countr_zero(mask & ~warp.alive),
         ", which has returned or is beyond the block");
  auto meeting = std::find_if(warp.meetings.begin(), warp.meetings.end(),
                              [&](const Meeting& m) { return m.mask == mask; });
  if (meeting == warp.meetings.end()) {
    meeting = warp.meetings.insert(meeting, Meeting{.mask = mask, .site = site});
  } else if (meeting->site.call != site.call || (site.one_place && !(meeting->site == site))) {
    fail(site, "other lanes of mask ", Hex{mask}, " are at ", meeting->site.call, ", ",
         describe(meeting->site));
  }
  meeting->here |= bit(lane());
  meeting->operands[lane()] = operand;
  if (meeting->here == mask) return &*meeting;
  wait(site);
  return nullptr;
}

void Block::release(Meeting& meeting) {
  Warp& warp = warps_[lane_->number / 32];
  for_each_bit(meeting.mask & ~bit(lane()), [&](int lane) { ready(lane_of(warp, lane)); });
  std::swap(meeting, warp.meetings.back());
  warp.meetings.pop_back();
}

unsigned Block::active_mask(const Site& site) {
  Lane& self = *lane_;
  warps_[self.number / 32].asking |= bit(lane());
  wait(site);
  return self.active;
}

/// When nobody else can run, those who ask meet by site. Whether somebody could be told.
bool Block::answer_active_masks() {
  for (Warp& warp : warps_) {
    if (warp.asking == 0) continue;
    const Site& site = *lane_of(warp, std::countr_zero(warp.asking)).waits_at;
    unsigned active = 0;
    for_each_bit(warp.asking, [&](int lane) {
      if (*lane_of(warp, lane).waits_at == site) active |= 1u << lane;
    });
    warp.asking &= ~active;
    for_each_bit(active, [&](int lane) {
      lane_of(warp, lane).active = active;
      ready(lane_of(warp, lane));
    });
    return true;
  }
  return false;
}

/// Nobody can go on: tells who waits where, one line a place.
void Block::report_stuck() {
  std::string places;
  for (const Lane& lane : lanes_) {
    if (lane.waits_at == nullptr) continue;
    const std::string place = text(lane.waits_at->call, " in ", describe(*lane.waits_at));
    if (places.find(place) == std::string::npos)
      places += text(places.empty() ? "" : "; ", "thread ", triple(lane.index), " waits at ", place);
  }
  fail({}, "nobody can go on: ", places);
}

}  // namespace tsr::emu
