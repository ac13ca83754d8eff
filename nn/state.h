#pragma once
// The state protocol: one walk that saves and restores everything that must survive a restart.

#include <cstdint>
#include <string>
#include <string_view>

#include "nn/module.h"
#include "tensor/random.h"
#include "tensor/safetensors.h"

namespace tsr {

/// A walk over named state, either writing it out or reading it back. A class takes part with a member
/// `void state(State&)` that names what it holds; the same lines serve both directions.
///
///   void Queue::state(State& s) { s.tensor("keys", keys_); s.integer("next", next_); }
class State {
 public:
  /// A walk that collects.
  State() = default;
  /// A walk that restores from what an earlier one collected.
  explicit State(TensorMap saved) : reading_(true), tensors_(std::move(saved)) {}

  bool reading() const { return reading_; }

  /// Restored in place when defined (shape and dtype must agree), else taken over. An undefined tensor is
  /// saved as absent.
  void tensor(std::string_view name, Tensor& tensor);
  void integer(std::string_view name, std::int64_t& value);
  void real(std::string_view name, double& value);
  void generator(std::string_view name, Generator& generator);
  /// All parameters and buffers of a module, in our own layout.
  void module(std::string_view name, Module& module);
  /// Whatever has a member state(State&).
  template <class T>
  void child(std::string_view name, T& object) {
    const std::string outer = prefix_;
    prefix_ = path(name);
    object.state(*this);
    prefix_ = outer;
  }

  /// What was collected.
  const TensorMap& tensors() const { return tensors_; }
  /// After a restoring walk: throws InputError naming what was in the file and nobody asked for.
  void finish() const;

 private:
  std::string path(std::string_view name) const;
  Tensor take(const std::string& name);

  bool reading_ = false;
  std::string prefix_;
  TensorMap tensors_;
};

/// Writes `object`'s state to a file, with the format's version and `metadata`.
template <class T>
void save_state(const std::filesystem::path& path, T& object, Metadata metadata = {});
/// Restores it. Throws InputError when the file is of another format version or doesn't fit; then the object
/// may be partly restored.
template <class T>
void load_state(const std::filesystem::path& path, T& object);

/// The version of the checkpoint format; a file of another is refused.
inline constexpr const char* kStateVersion = "1";
/// Reads a checkpoint and checks its version.
TensorMap read_state_file(const std::filesystem::path& path);

/// A module's tensors under their names, with PyTorch's layout (conv weights [out, in, kh, kw]).
TensorMap torch_state_dict(Module& module, const std::string& prefix = "");
/// Loads such tensors into the module, converting dtypes. Every tensor of the module must be there
/// (num_batches_tracked excepted); throws InputError, with `source` in front, naming what is missing, of the
/// wrong shape, or under the prefix but unknown.
void load_torch_state_dict(Module& module, const TensorMap& tensors, const std::string& source,
                           const std::string& prefix = "");

template <class T>
void save_state(const std::filesystem::path& path, T& object, Metadata metadata) {
  State state;
  object.state(state);
  metadata["tessera_state_version"] = kStateVersion;
  write_safetensors(path, state.tensors(), metadata);
}

template <class T>
void load_state(const std::filesystem::path& path, T& object) {
  State state(read_state_file(path));
  object.state(state);
  state.finish();
}

}  // namespace tsr
