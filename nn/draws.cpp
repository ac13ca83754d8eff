#include "nn/draws.h"

#include <algorithm>

#include "autograd/ops.h"
#include "tensor/suggest.h"

namespace tsr {

std::string DrawInfo::tensor_name(int call) const {
  return "rand." + name + (repeated ? "." + std::to_string(call) : "");
}

void Draws::begin_step(std::int64_t step) {
  step_ = step;
  made_.clear();
}

int Draws::made(std::string_view name) const {
  const auto found = made_.find(name);
  return found == made_.end() ? 0 : found->second;
}

Tensor Draws::uniform(std::string_view name, const Shape& shape, DType dtype) {
  const Tensor given = take(name, shape, dtype);
  return given.defined() ? given : tsr::uniform(shape, generator_, 0, 1, dtype);
}

Tensor Draws::normal(std::string_view name, const Shape& shape, DType dtype) {
  const Tensor given = take(name, shape, dtype);
  return given.defined() ? given : tsr::normal(shape, generator_, 0, 1, dtype);
}

Tensor Draws::permutation(std::string_view name, std::int64_t count) {
  const Tensor given = take(name, {count}, int64);
  return given.defined() ? given : tsr::permutation(count, generator_);
}

Tensor Draws::take(std::string_view name, const Shape& shape, DType dtype) {
  const auto info = std::ranges::find(declared_, name, &DrawInfo::name);
  std::vector<std::string> known;
  for (const DrawInfo& draw : declared_) known.push_back(draw.name);
  TSR_CHECK(info != declared_.end(), "draw '", name, "': the method doesn't declare it; ",
            did_you_mean(name, known));
  TSR_CHECK(info->dtype == dtype || (is_floating(info->dtype) && is_floating(dtype)), "draw '", name,
            "': declared as ", info->dtype, " but drawn as ", dtype);
  const int earlier = made_[info->name]++;
  TSR_CHECK(earlier == 0 || info->repeated, "draw '", name,
            "': made twice in a step; declare each under a name of its own");
  if (!given_) return {};

  const std::string file_name = info->tensor_name(earlier);
  const auto found = given_->find(file_name);
  TSR_CHECK_INPUT(found != given_->end(), "tensor '", file_name, "' is missing: the method draws it");
  const Tensor& all = found->second;
  Shape expected = shape;
  expected.insert(0, all.rank() > 0 ? all.shape()[0] : 0);
  const bool fits = is_floating(dtype) ? is_floating(all.dtype()) : all.dtype() == dtype;
  TSR_CHECK_INPUT(fits && all.shape() == expected && step_ < expected[0], "tensor '", file_name, "' is ",
                  describe(all), " but step ", step_, " of the method draws ", info->dtype, shape,
                  "; put an axis of steps before it");
  const NoGrad guard;
  return contiguous(select(all, 0, step_)).to(dtype);
}

void Draws::state(State& s) {
  if (!declared_.empty()) s.generator("generator", generator_);
}

}  // namespace tsr
