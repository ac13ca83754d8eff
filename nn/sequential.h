#pragma once
// Sequential: modules one after another, of any types, named "0", "1", ….

#include <memory>
#include <utility>
#include <vector>

#include "nn/module.h"

namespace tsr {

/// A module that maps one tensor to one tensor: what a Sequential holds.
template <class M>
concept Layer = std::derived_from<M, Module> && requires(M& module, const Tensor& x) {
  { module(x) } -> std::convertible_to<Tensor>;
};

/// x → last(…second(first(x))). Holds modules by value, or takes them over as unique_ptr:
///
///   Sequential head(Linear({.in = 8, .out = 4}), ReLU(), Linear({.in = 4, .out = 2}));
class Sequential : public Module {
 public:
  Sequential() = default;
  /// Takes modules (std::move a named one) and unique_ptrs to modules.
  template <class First, class... Rest>
  requires(!std::same_as<std::remove_cvref_t<First>, Sequential>) explicit Sequential(First first,
                                                                                      Rest... rest) {
    push(std::move(first));
    (push(std::move(rest)), ...);
  }

  template <Layer M>
  void push(M module) {
    push(std::make_unique<M>(std::move(module)));
  }
  template <Layer M>
  void push(std::unique_ptr<M> module) {
    slots_.push_back(std::make_unique<Holder<M>>(std::move(module)));
  }

  Tensor operator()(const Tensor& x);
  void visit(Visitor& v) override;

  std::size_t size() const { return slots_.size(); }
  /// Throws Error beyond the last.
  Module& operator[](std::size_t index) const;
  /// The module at an index as what it is; throws Error when it is something else.
  template <class M>
  M& at(std::size_t index) const {
    Module& module = (*this)[index];
    auto* const found = dynamic_cast<M*>(&module);
    TSR_CHECK(found != nullptr, "Sequential: ", index, " is ", module.label(), ", not what was asked for");
    return *found;
  }
  /// The same modules with parameters of their own. Throws Error for one that fresh_like() can't make.
  Sequential fresh() const;

 private:
  struct Slot {
    virtual ~Slot() = default;
    virtual Tensor call(const Tensor& x) = 0;
    virtual Module& module() = 0;
    virtual std::unique_ptr<Slot> fresh() const = 0;
  };
  template <class M>
  struct Holder;

  std::vector<std::unique_ptr<Slot>> slots_;
};

template <class M>
struct Sequential::Holder final : Slot {
  std::unique_ptr<M> held;
  explicit Holder(std::unique_ptr<M> module) : held(std::move(module)) {
    TSR_CHECK(held != nullptr, "Sequential: a null pointer holds no module");
  }
  Tensor call(const Tensor& x) override { return (*held)(x); }
  Module& module() override { return *held; }
  std::unique_ptr<Slot> fresh() const override {
    if constexpr (Fresh<M>) {
      return std::make_unique<Holder>(std::make_unique<M>(fresh_like(*held)));
    } else {
      throw Error(text("Sequential: ", held->label(),
                       " can't be made anew; give it options, a default constructor or fresh()"));
    }
  }
};

}  // namespace tsr
