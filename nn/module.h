#pragma once
// Module: a struct that holds parameters and sub-modules by value and lists them in visit().

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

/// What a parameter is: by it the reader and writer permute from and to PyTorch's order, and optimisers
/// choose what decays.
enum class ParamKind { linear_weight, conv_weight, embedding_weight, norm_weight, bias };

/// A learned tensor. It moves but does not copy, so that no module ever shares weights by accident; clone()
/// copies a whole module.
class Parameter {
 public:
  Parameter() = default;
  explicit Parameter(Tensor value) : tensor_(std::move(value)) { tensor_.requires_grad_(); }
  Parameter(Parameter&&) = default;
  Parameter& operator=(Parameter&&) = default;
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  /// A handle on the same tensor: what ops and optimisers take.
  const Tensor& tensor() const { return tensor_; }
  operator const Tensor&() const { return tensor_; }
  bool defined() const { return tensor_.defined(); }
  /// Ends its training: it gets no gradient any more, so optimisers pass it over; it stays part of the state.
  void freeze() { tensor_.requires_grad_(false); }

 private:
  Tensor tensor_;
};

class Generator;
class Module;

/// Walks a module tree; full names are joined by dots ("layer1.0.conv1.weight").
class Visitor {
 public:
  virtual ~Visitor() = default;

  /// An undefined parameter or buffer (a layer without bias) is passed over.
  void param(std::string_view name, Parameter& parameter, ParamKind kind);
  /// A tensor that is state but not learned: running statistics, queues.
  void buffer(std::string_view name, Tensor& tensor);
  void child(std::string_view name, Module& module);
  /// Children "name.0", "name.1", …; with an empty name "0", "1", ….
  template <class M>
  void children(std::string_view name, std::vector<M>& modules) {
    for (std::size_t i = 0; i < modules.size(); ++i)
      child(name.empty() ? std::to_string(i) : std::string(name) + '.' + std::to_string(i), modules[i]);
  }

 protected:
  virtual void on_param(const std::string& name, Parameter& parameter, ParamKind kind) = 0;
  virtual void on_buffer(const std::string& name, Tensor& tensor) = 0;
  /// Around a child's own entries; `name` is its full name.
  virtual void on_module(const std::string& name, Module& module);
  virtual void on_module_end();

 private:
  std::string path(std::string_view name) const;
  std::string prefix_;
};

class Module {
 public:
  Module() = default;
  Module(Module&&) = default;
  Module& operator=(Module&&) = default;
  virtual ~Module() = default;

  /// Lists parameters, buffers and children under the field's names.
  virtual void visit(Visitor& v) = 0;

  /// How the module prints: "Linear(in = 2, out = 3)". The type's name unless a module says more.
  virtual std::string label() const;

  /// Whether layers behave as in training (batch statistics, dropout).
  bool training() const { return training_; }
  void train(bool on = true);
  void eval() { train(false); }
  /// Converts all parameters and floating buffers in place; handles elsewhere see the change.
  void to(DType dtype);
  /// Moves all parameters and buffers to a device in place.
  void to(Device device);
  void zero_grad();

 private:
  bool training_ = true;
};

/// One entry of a module's state.
struct NamedTensor {
  std::string name;
  Tensor tensor;  ///< a handle on the module's own
  ParamKind kind = ParamKind::bias;
  bool learned = false;  ///< a parameter, not a buffer
};

/// Parameters and buffers in the order of visit().
std::vector<NamedTensor> named_tensors(Module& module);
/// Parameters alone.
std::vector<NamedTensor> named_parameters(Module& module);
/// Learned numbers in all.
std::int64_t parameter_count(Module& module);
/// The entries of two modules of one structure side by side; throws Error, naming `op`, when names, shapes or
/// dtypes differ.
std::vector<std::pair<NamedTensor, NamedTensor>> paired_tensors(const char* op, Module& a, Module& b);
/// Copies every parameter and buffer; throws Error when names, shapes or dtypes differ.
void copy_state(Module& from, Module& to);

/// Prints the tree of modules, each with its label and how many numbers it has learned:
///
///   Mlp, 162 parameters
///   ├── fc1: Linear(in = 2, out = 32), 96
///   └── fc2: Linear(in = 32, out = 2), 66
std::ostream& operator<<(std::ostream& out, Module& module);

/// A module of the same structure with parameters of its own: by M's `M fresh() const` if it has one, from
/// its member `options`, or by its default constructor.
template <class M>
M fresh_like(const M& module);
/// A module of the same structure with its own copy of the state.
template <class M>
M clone(M& module);

/// The stream that initialises parameters of modules made on this thread.
Generator& init_generator();
/// Restarts it: modules made after the same seed in the same order are equal.
void seed_init(std::uint64_t seed);

/// The stream that layers of this thread draw from while they train: dropout, dropped paths. It is part of
/// what must survive a restart.
Generator& layer_generator();
/// Restarts it, unrelated to the initialisation of the same seed.
void seed_layers(std::uint64_t seed);

/// Whether fresh_like() knows how to make another M.
template <class M>
concept Fresh = requires(const M& module) {
  { module.fresh() } -> std::same_as<M>;
}
|| requires(const M& module) { M(module.options); }
|| std::default_initializable<M>;

template <class M>
M fresh_like(const M& module) {
  static_assert(Fresh<M>,
                "fresh_like, clone: the module has no fresh(), no options and no default constructor");
  if constexpr (requires { module.fresh(); }) {
    return module.fresh();
  } else if constexpr (requires { M(module.options); }) {
    return M(module.options);
  } else {
    return M();
  }
}

template <class M>
M clone(M& module) {
  M copy = fresh_like(module);
  for (const NamedTensor& entry : named_tensors(module)) {
    if (!is_floating(entry.tensor.dtype())) continue;
    copy.to(entry.tensor.dtype());
    break;
  }
  copy_state(module, copy);
  copy.train(module.training());
  return copy;
}

}  // namespace tsr
