#pragma once
// Module: a struct that holds parameters and sub-modules by value and lists them in visit().

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

/// What a parameter is: by it the reader and writer permute from and to PyTorch's order, and optimisers
/// choose what decays.
enum class ParamKind { linear_weight, conv_weight, norm_weight, bias };

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
  virtual void on_module(const std::string& name, Module& module);

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

  /// Whether layers behave as in training (batch statistics, dropout).
  bool training() const { return training_; }
  void train(bool on = true);
  void eval() { train(false); }
  /// Converts all parameters and floating buffers in place; handles elsewhere see the change.
  void to(DType dtype);
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
/// Copies every parameter and buffer; throws Error when names, shapes or dtypes differ.
void copy_state(Module& from, Module& to);

/// A module of the same options with its own copy of the state. M holds its options as `options`.
template <class M>
M clone(M& module);

/// The stream that initialises parameters of modules made on this thread.
Generator& init_generator();
/// Restarts it: modules made after the same seed in the same order are equal.
void seed_init(std::uint64_t seed);

template <class M>
M clone(M& module) {
  M copy(module.options);
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
