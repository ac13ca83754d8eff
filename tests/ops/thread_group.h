#pragma once
// A group of two processes played by two threads.

#include <barrier>
#include <functional>
#include <thread>

#include "autograd/ops.h"
#include "tensor/group.h"

namespace tsr::test {

/// Every thread that calls is the process `my_rank` says; all threads meet at each collective.
class ThreadGroup final : public Group {
 public:
  static constexpr int kSize = 2;
  inline static thread_local int my_rank = 0;

  int rank() const override { return my_rank; }
  int size() const override { return kSize; }

  void all_reduce(const Tensor& tensor) override {
    const Tensors parts = meet(tensor);
    NoGrad guard;
    const Tensor sum = parts[0] + parts[1];
    meet_.arrive_and_wait();  // nobody writes before all have read
    copy_into(tensor, sum);
    meet_.arrive_and_wait();
  }
  Tensor all_gather(const Tensor& tensor) override {
    const Tensors parts = meet(tensor);
    NoGrad guard;
    Tensor all = concat(parts, 0);
    meet_.arrive_and_wait();
    return all;
  }
  void broadcast(const Tensor& tensor, int root) override {
    const Tensor source = meet(tensor)[static_cast<std::size_t>(root)];
    if (my_rank != root) copy_into(tensor, source);
    meet_.arrive_and_wait();
  }

  /// Runs body(rank) in each process.
  void run(const std::function<void(int)>& body) {
    set_current(this);
    std::thread other([&] {
      my_rank = 1;
      body(1);
    });
    body(0);
    other.join();
    set_current(nullptr);
  }

 private:
  Tensors meet(const Tensor& tensor) {
    parts_[static_cast<std::size_t>(my_rank)] = tensor;
    meet_.arrive_and_wait();
    return parts_;
  }

  Tensors parts_ = Tensors(kSize);
  std::barrier<> meet_{kSize};
};

}  // namespace tsr::test
