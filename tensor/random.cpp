#include "tensor/random.h"

#include <numeric>

#include "tensor/kernels.h"

namespace tsr {

/// Stands between the generators of a thread and those who ask them; scopes nest.
class DrawScope {
 public:
  DrawScope(DrawLog* recorded, const DrawLog* replayed)
      : outer_(current), recorded_(recorded), replayed_(replayed) {
    current = this;
  }
  ~DrawScope() { current = outer_; }
  DrawScope(const DrawScope&) = delete;
  DrawScope& operator=(const DrawScope&) = delete;

  bool replaying() const { return replayed_ != nullptr || (outer_ != nullptr && outer_->replaying()); }
  bool at_end() const { return next_ == replayed_->size(); }
  /// What is handed out in the place of `own`.
  std::uint64_t pass(std::uint64_t own) {
    if (replayed_ != nullptr) {
      TSR_CHECK(!at_end(),
                "random: run again, a computation draws more than the first time; it must do the "
                "same each time");
      return (*replayed_)[next_++];
    }
    const std::uint64_t value = outer_ != nullptr ? outer_->pass(own) : own;
    recorded_->push_back(value);
    return value;
  }

  static thread_local DrawScope* current;

 private:
  DrawScope* outer_;
  DrawLog* recorded_;
  const DrawLog* replayed_;
  std::size_t next_ = 0;
};

thread_local DrawScope* DrawScope::current = nullptr;

namespace {

std::uint64_t pass(std::uint64_t own) {
  return DrawScope::current == nullptr ? own : DrawScope::current->pass(own);
}

}  // namespace

RecordDraws::RecordDraws(DrawLog& log) : scope_(std::make_unique<DrawScope>(&log, nullptr)) {}
RecordDraws::~RecordDraws() = default;
ReplayDraws::ReplayDraws(const DrawLog& log) : scope_(std::make_unique<DrawScope>(nullptr, &log)) {}
ReplayDraws::~ReplayDraws() = default;
bool ReplayDraws::at_end() const { return scope_->at_end(); }

std::uint64_t Generator::seed() const { return pass(seed_); }
std::uint64_t Generator::draw() const { return pass(draw_); }

std::uint64_t Generator::next_draw() {
  const bool replayed = DrawScope::current != nullptr && DrawScope::current->replaying();
  return pass(replayed ? draw_ : draw_++);
}

Generator Generator::fork(std::uint64_t stream) const {
  const auto words =
      philox_words(stream, seed_, std::uint64_t{0xF0F0F0F0u} << 32 | static_cast<std::uint32_t>(draw_));
  return Generator(pass(words[0] | std::uint64_t{words[1]} << 32));
}

std::uint32_t RandomWords::next() {
  if (position_ % 4 == 0) words_ = philox_words(position_ / 4, seed_, draw_);
  return words_[position_++ % 4];
}

Tensor uniform(const Shape& shape, Generator& generator, double low, double high, DType dtype,
               Device device) {
  Tensor y(shape, dtype, device);
  Context context(device);
  uniform_fwd(context, y.view(), generator.seed(), generator.next_draw(), low, high);
  return y;
}

Tensor normal(const Shape& shape, Generator& generator, double mean, double std, DType dtype, Device device) {
  Tensor y(shape, dtype, device);
  Context context(device);
  normal_fwd(context, y.view(), generator.seed(), generator.next_draw(), mean, std);
  return y;
}

Tensor permutation(std::int64_t count, Generator& generator) {
  Tensor order = arange(count);
  auto* values = order.data<std::int64_t>();
  RandomWords words(generator);
  for (std::int64_t i = count - 1; i > 0; --i)
    std::swap(values[i], values[words.below(static_cast<std::uint32_t>(i + 1))]);
  return order;
}

}  // namespace tsr
