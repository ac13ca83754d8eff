#pragma once
// Method: a self-supervised method as the rest of the program sees it, and the list of them.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nn/draws.h"
#include "nn/encoder.h"
#include "nn/module.h"
#include "ssl/settings.h"
#include "tensor/batch.h"

namespace tsr {

/// A method is the module of all its networks: visit() lists them as encoder, projector, … with whatever
/// buffers must survive a restart.
struct Method : Module {
  /// The scalar to minimise.
  virtual Tensor loss(const Batch& batch) = 0;
  /// What happens after the optimiser's step: moving averages, queues.
  virtual void after_step() {}
  virtual Encoder& encoder() = 0;
  /// The loss of a batch of N samples when every feature is the same: what a collapsed run shows.
  virtual double collapsed_loss(std::int64_t samples) const = 0;
  /// The last loss's embeddings, for the collapse meter; [rows, D], unknown to autograd.
  Tensor embeddings;
  /// Where loss takes its random numbers: those that MethodInfo declares.
  Draws draws;
};

/// An entry of the list of methods.
struct MethodInfo {
  std::string name;
  std::string paper;
  int views = 2;                        ///< views of each sample that a batch carries
  std::string augmentation = "simclr";  ///< that makes them, unless the setting says otherwise
  std::vector<DrawInfo> draws = {};     ///< every random draw of loss
  std::unique_ptr<Method> (*make)(std::unique_ptr<Encoder> encoder, Settings& settings) = nullptr;
};

/// `const RegisterMethod simclr({.name = "simclr", …});` at namespace scope enters a method.
struct RegisterMethod {
  explicit RegisterMethod(MethodInfo info);
};

/// Throws InputError naming the nearest method when there is none of that name.
const MethodInfo& find_method(std::string_view name);
std::vector<std::string> method_names();

/// Builds a method around an encoder; its draws are a stream of `seed`.
std::unique_ptr<Method> make_method(const MethodInfo& info, std::unique_ptr<Encoder> encoder,
                                    Settings& settings, std::uint64_t seed = 0);

}  // namespace tsr
