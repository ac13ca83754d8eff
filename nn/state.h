#pragma once
// The state protocol: one walk that saves and restores everything that must survive a restart.

#include <cstdint>
#include <memory>
#include <set>
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
  enum class Collect {
    copies,   ///< what is collected doesn't change afterwards
    handles,  ///< for writing it down at once
  };
  /// A walk that collects.
  explicit State(Collect how = Collect::copies) : how_(how) {}
  /// A walk that restores from what an earlier one collected.
  explicit State(TensorMap saved) : State(std::make_shared<MapSource>(std::move(saved))) {}
  /// A walk that restores from a file, reading one tensor at a time.
  explicit State(std::shared_ptr<const TensorSource> saved) : source_(std::move(saved)) {}

  bool reading() const { return source_ != nullptr; }
  /// While restoring: whether something was saved under this name.
  bool contains(std::string_view name) const;

  /// Restored in place when defined (shape and dtype must agree), else taken over. An undefined tensor is
  /// saved as absent.
  void tensor(std::string_view name, Tensor& tensor);
  void integer(std::string_view name, std::int64_t& value);
  void real(std::string_view name, double& value);
  void generator(std::string_view name, Generator& generator);
  /// All parameters and buffers of a module, in our own layout. Throws InputError, before anything is
  /// restored, naming what is missing or of another shape.
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
  void put(const std::string& name, Tensor tensor);
  void check_module(std::string_view name, Module& module) const;

  Collect how_ = Collect::copies;
  std::string prefix_;
  TensorMap tensors_;
  std::shared_ptr<const TensorSource> source_;
  std::set<std::string> taken_;  ///< what of the source was asked for
};

/// Writes `object`'s state to a file, with the format's version and `metadata`; copies none of it.
template <class T>
void save_state(const std::filesystem::path& path, T& object, Metadata metadata = {});
/// Restores it, reading one tensor at a time. Throws InputError when the file is of another format version or
/// doesn't fit; then the object may be partly restored.
template <class T>
void load_state(const std::filesystem::path& path, T& object);

/// The version of the checkpoint format; a file of another is refused.
inline constexpr const char* kStateVersion = "2";
/// Opens a checkpoint and checks its version.
std::shared_ptr<const TensorSource> open_state_file(const std::filesystem::path& path);

template <class T>
void save_state(const std::filesystem::path& path, T& object, Metadata metadata) {
  State state(State::Collect::handles);
  object.state(state);
  metadata["tessera_state_version"] = kStateVersion;
  write_safetensors(path, state.tensors(), metadata);
}

template <class T>
void load_state(const std::filesystem::path& path, T& object) {
  State state(open_state_file(path));
  object.state(state);
  state.finish();
}

}  // namespace tsr
