#pragma once
// Kernel: a slot that holds one function a device and dtype, looked up at the call.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/context.h"
#include "tensor/view.h"
#include "tensor/widening.h"

namespace tsr {

/// Whether a variant is called as long as no other is chosen.
enum class Standing : std::uint8_t { standard, alternative };

/// The name of a slot of Tessera's headers, `"exp_fwd"_slot`. Such a slot is a constant: a file that only
/// sees it holds no code for it; dozens of files see more than a hundred.
struct SlotName {
  const char* text;
};
consteval SlotName operator""_slot(const char* name, std::size_t) { return {name}; }

/// The part of a slot that doesn't depend on its signature: its name and who is registered.
class KernelSlot {
 public:
  /// `widens`: on the CPU the kernel for float32 serves bfloat16 and float16 too, unless they have their own.
  KernelSlot(const char* name, bool widens);
  constexpr KernelSlot(SlotName name, bool widens) : name_(name.text), widens_(widens) {}
  KernelSlot(const KernelSlot&) = delete;
  KernelSlot& operator=(const KernelSlot&) = delete;

  const char* name() const { return name_; }
  bool has(Device device, DType dtype) const {
    return table_[index(device, dtype)] != nullptr || widens(device, dtype);
  }
  bool has(Device device) const;
  /// "cpu float32, float64".
  std::string available() const;
  bool has_variant(Device device, std::string_view variant) const;
  /// Makes the named variant of each of its dtypes the one that is called on this device; throws Error when
  /// there is no such variant. Not while another thread calls the slot.
  void choose(Device device, std::string_view variant);

  /// Every slot; a constant one (SlotName) from its first kernel on.
  static const std::vector<KernelSlot*>& all();

 protected:
  using Erased = void (*)();
  void add(Device device, DType dtype, Erased function, const char* variant, Standing standing);
  Erased find(Device device, DType dtype) const { return table_[index(device, dtype)]; }
  bool widens(Device device, DType dtype) const {
    return widens_ && device == Device::cpu && is_low_precision(dtype) && table_[index(device, float32)];
  }
  [[noreturn]] void fail_missing(Device device, DType dtype) const;

 private:
  static std::size_t index(Device device, DType dtype) {
    return static_cast<std::size_t>(device) * kDTypeCount + static_cast<std::size_t>(dtype);
  }

  const char* name_;
  bool widens_;
  std::array<Erased, std::size_t{kDeviceCount} * kDTypeCount> table_{};
};

/// Chooses the named variant in every slot that has it on this device: "library" or "handwritten" for matrix
/// products and convolutions of a CUDA device (cuda/variants.h). Throws Error when no slot has it.
void choose_variant(Device device, std::string_view variant);

template <class Signature>
class Kernel;

/// A slot for functions void(Context&, View first, …). The dtype of `first` picks the function.
///
/// A signature that marks its results as `Out` (the functions themselves take View) serves bfloat16 and
/// float16 by the kernel for float32: operands are widened and results rounded once, block by block when the
/// slot is Pointwise.
template <class... Args>
class Kernel<void(Context&, View, Args...)> : public KernelSlot {
  template <class T>
  using Plain = std::conditional_t<std::is_same_v<T, Out>, View, T>;
  static constexpr bool kHasResults = (std::is_same_v<Args, Out> || ...);

 public:
  using Function = void (*)(Context&, View, Plain<Args>...);
  template <class Name>
  explicit constexpr Kernel(Name name, Locality locality = Locality::whole)
      : KernelSlot(name, kHasResults), locality_(locality) {}

  /// Of the standard variants of a device and dtype the first registered is called.
  void add(Device device, DType dtype, Function function, const char* variant = "default",
           Standing standing = Standing::standard) {
    KernelSlot::add(device, dtype, reinterpret_cast<Erased>(function), variant, standing);
  }
  void operator()(Context& context, View first, Plain<Args>... rest) const {
    if (const Erased own = find(context.device(), first.dtype)) [[likely]]
      return call(own, context, first, rest...);
    if (!widens(context.device(), first.dtype)) fail_missing(context.device(), first.dtype);
    if constexpr (kHasResults) widened(context, first, rest...);
  }

 private:
  static void call(Erased function, Context& context, View first, Plain<Args>... rest) {
    reinterpret_cast<Function>(function)(context, first, rest...);
  }

  void widened(Context& context, View first, Plain<Args>... rest) const {
    const Erased function = find(context.device(), float32);
    const auto blocks =
        locality_ == Locality::pointwise ? WideningBlocks(result<Args...>(rest...)) : WideningBlocks();
    blocks.run([&](std::int64_t block) {
      Context own(context.device());
      Widening wide(own);
      call(function, own, wide.read(blocks.part(first, block)), stand_in<Args>(wide, blocks, block, rest)...);
      wide.round();
    });
  }
  template <class T>
  static decltype(auto) stand_in(Widening& wide, const WideningBlocks& blocks, std::int64_t block,
                                 const Plain<T>& argument) {
    if constexpr (std::is_same_v<T, Out>) {
      return wide.write(blocks.part(argument, block));
    } else if constexpr (std::is_same_v<T, View>) {
      return wide.read(blocks.part(argument, block));
    } else {
      return (argument);
    }
  }
  /// The last of the results.
  template <class... T>
  static View result(const Plain<T>&... arguments) {
    View last;
    ((std::is_same_v<T, Out> ? void(last = as_view(arguments)) : void()), ...);
    return last;
  }
  static View as_view(const View& view) { return view; }
  template <class T>
  static View as_view(const T&) {
    return {};
  }

  Locality locality_;
};

/// A slot of this type whose results depend on the operands' elements at the same place alone: widening then
/// needs no copy of a whole tensor.
template <class Slot>
struct Pointwise : Slot {
  template <class Name>
  explicit constexpr Pointwise(Name name) : Slot(name, Locality::pointwise) {}
};

/// Registers function templates: `const Register<float, double> r(softmax_fwd, Device::cpu, [](auto type) {
/// return &kernel<decltype(type)>; });`
template <class... Types>
struct Register {
  template <class Slot, class Pick>
  Register(Slot& slot, Device device, Pick pick, const char* variant = "default",
           Standing standing = Standing::standard) {
    (slot.add(device, dtype_of<Types>, pick(Types{}), variant, standing), ...);
  }
};

}  // namespace tsr

#define TSR_JOIN_(a, b) a##b
#define TSR_JOIN(a, b) TSR_JOIN_(a, b)

/// TSR_CPU_KERNEL(slot, function template, types…): one line that registers function<T> for each type.
#define TSR_CPU_KERNEL(slot, function, ...)                                         \
  static const ::tsr::Register<__VA_ARGS__> TSR_JOIN(register_##slot##_, __LINE__)( \
      slot, ::tsr::Device::cpu, [](auto type) { return &function<decltype(type)>; })
