#pragma once
// Kernel: a slot that holds one function a device and dtype, looked up at the call.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/context.h"
#include "tensor/view.h"

namespace tsr {

/// The part of a slot that doesn't depend on its signature: its name and who is registered.
class KernelSlot {
 public:
  explicit KernelSlot(const char* name);
  KernelSlot(const KernelSlot&) = delete;
  KernelSlot& operator=(const KernelSlot&) = delete;

  const char* name() const { return name_; }
  bool has(Device device, DType dtype) const { return table_[index(device, dtype)] != nullptr; }
  bool has(Device device) const;
  /// "cpu float32, float64".
  std::string available() const;
  /// Makes the named variant of each of its dtypes the one that is called on this device; throws Error when
  /// there is no such variant.
  void choose(Device device, std::string_view variant);

  /// Every slot of the program.
  static const std::vector<KernelSlot*>& all();

 protected:
  using Erased = void (*)();
  void add(Device device, DType dtype, Erased function, const char* variant);
  Erased find(Device device, DType dtype) const {
    const Erased function = table_[index(device, dtype)];
    if (function == nullptr) [[unlikely]]
      fail_missing(device, dtype);
    return function;
  }

 private:
  struct Variant {
    Device device;
    DType dtype;
    Erased function;
    const char* name;
  };
  static std::size_t index(Device device, DType dtype) {
    return static_cast<std::size_t>(device) * kDTypeCount + static_cast<std::size_t>(dtype);
  }
  [[noreturn]] void fail_missing(Device device, DType dtype) const;

  const char* name_;
  std::array<Erased, std::size_t{kDeviceCount} * kDTypeCount> table_{};
  std::vector<Variant> variants_;
};

template <class Signature>
class Kernel;

/// A slot for functions void(Context&, View first, …). The dtype of `first` picks the function.
template <class... Args>
class Kernel<void(Context&, View, Args...)> : public KernelSlot {
 public:
  using Function = void (*)(Context&, View, Args...);
  using KernelSlot::KernelSlot;

  /// The first variant registered for a device and dtype is the default.
  void add(Device device, DType dtype, Function function, const char* variant = "default") {
    KernelSlot::add(device, dtype, reinterpret_cast<Erased>(function), variant);
  }
  void operator()(Context& context, View first, Args... rest) const {
    reinterpret_cast<Function>(find(context.device(), first.dtype))(context, first, rest...);
  }
};

/// Registers function templates: `const Register<float, double> r(softmax_fwd, Device::cpu, [](auto type) {
/// return &kernel<decltype(type)>; });`
template <class... Types>
struct Register {
  template <class Slot, class Pick>
  Register(Slot& slot, Device device, Pick pick, const char* variant = "default") {
    (slot.add(device, dtype_of<Types>, pick(Types{}), variant), ...);
  }
};

}  // namespace tsr

#define TSR_JOIN_(a, b) a##b
#define TSR_JOIN(a, b) TSR_JOIN_(a, b)

/// TSR_CPU_KERNEL(slot, function template, types…): one line that registers function<T> for each type.
#define TSR_CPU_KERNEL(slot, function, ...)                                         \
  static const ::tsr::Register<__VA_ARGS__> TSR_JOIN(register_##slot##_, __LINE__)( \
      slot, ::tsr::Device::cpu, [](auto type) { return &function<decltype(type)>; })
