#pragma once
// Draws: a method's random numbers, each under a name, so that replay can hand in ready-made ones.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/state.h"
#include "tensor/random.h"
#include "tensor/safetensors.h"

namespace tsr {

/// A draw that a method makes once a step at most, or under a repeated name as often as it likes.
struct DrawInfo {
  std::string name;       ///< replay's file has it as rand.NAME [steps, …]
  DType dtype = float32;  ///< there; a real draw may be asked for in any floating dtype
  std::string shape;      ///< of one step, in words: "N, D"
  bool repeated = false;  ///< the file has rand.NAME.0, rand.NAME.1, … in the order in which a step draws

  /// Of the file's tensor; `call` counts the draws of a step under a repeated name.
  std::string tensor_name(int call = 0) const;
};

/// The draws that a method has declared, from a random stream or from a file. Every draw throws Error for a
/// name that isn't declared, or isn't repeated and was drawn in this step already.
class Draws {
 public:
  /// None declared.
  Draws() = default;
  Draws(std::vector<DrawInfo> declared, const Generator& generator)
      : declared_(std::move(declared)), generator_(generator) {}

  void declare(DrawInfo draw) { declared_.push_back(std::move(draw)); }
  const std::vector<DrawInfo>& declared() const { return declared_; }
  /// How often the name was drawn in this step.
  int made(std::string_view name) const;
  /// From now on step s takes rand.NAME[s] of `tensors`. A draw then throws InputError when the tensor is
  /// missing, or of another dtype or shape than asked for.
  void replay(TensorMap tensors) { given_ = std::move(tensors); }
  /// Steps count from 0.
  void begin_step(std::int64_t step);

  /// Uniform in [0, 1).
  Tensor uniform(std::string_view name, const Shape& shape, DType dtype = float32);
  /// N(0, 1).
  Tensor normal(std::string_view name, const Shape& shape, DType dtype = float32);
  /// A random order of 0 … count-1: int64 [count].
  Tensor permutation(std::string_view name, std::int64_t count);

  void state(State& s);

 private:
  /// Notes the draw; what the file holds for it, or an undefined tensor when there is no file.
  Tensor take(std::string_view name, const Shape& shape, DType dtype);

  std::vector<DrawInfo> declared_;
  Generator generator_;
  std::optional<TensorMap> given_;
  std::int64_t step_ = 0;
  std::map<std::string, int, std::less<>> made_;  ///< in this step
};

}  // namespace tsr
