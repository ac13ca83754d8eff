#pragma once
// Replay: a method's training on given weights and given views, with nothing random of its own; the other
// side of a comparison with an independent implementation.

#include <filesystem>
#include <iosfwd>
#include <string>

#include "nn/torch_state.h"
#include "ssl/settings.h"
#include "ssl/trainer.h"
#include "tensor/safetensors.h"

namespace tsr {

struct ReplayOptions {
  std::string method, arch = "resnet18", precision = "fp64";
  Settings settings;
};

/// A method on given weights, fed one step of ready-made views after another. Dropout is refused.
///
/// `init` holds every parameter and buffer under its PyTorch name (encoder.*, projector.*, …) and in
/// PyTorch's layout; num_batches_tracked may be missing. `views` holds view0, view1, … float32
/// [steps, N, C, H, W], rand.NAME [steps, …] for each draw that the method declares, rand.LAYER.K
/// [steps, samples] for the Kth time in a step that a layer drops paths, optionally index int64 [steps, N]
/// and labels int64 [steps, N]. Settings read besides the method's and the trainer's: steps_per_epoch and
/// total_steps (default: the steps in the file).
class Replay {
 public:
  /// Throws InputError, with the files' names, when a tensor is missing, unknown or of a wrong shape, or a
  /// setting is.
  Replay(ReplayOptions options, const TensorMap& init, const std::string& init_name, TensorMap views,
         const std::string& views_name);

  std::int64_t steps() const { return steps_; }
  StepReport step();
  /// The state now, under the names of `init`.
  TensorMap state() { return torch_state_dict(*method_); }

 private:
  Batch batch(std::int64_t step) const;

  TensorMap views_;
  DType dtype_;
  std::int64_t steps_ = 0, steps_per_epoch_ = 1;
  std::unique_ptr<Method> method_;
  std::unique_ptr<Trainer> trainer_;
};

/// Prints which tensors replay wants of --init and --views, a line each: file, name, dtype and shape.
void list_replay_state(ReplayOptions options, std::ostream& out);

}  // namespace tsr
