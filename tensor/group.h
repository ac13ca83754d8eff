#pragma once
// Group: the processes that train together. One process today; callers already go through it.

#include <cstdint>

#include "tensor/tensor.h"

namespace tsr {

/// Collective operations over the processes of one training run. Every process must make the same calls in
/// the same order. Tensors are dense; results are the same bits in every process.
class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Sums `tensor` over the processes, in place.
  virtual void all_reduce(const Tensor& tensor) = 0;
  /// Concatenates every process's tensor along axis 0, in rank order.
  virtual Tensor all_gather(const Tensor& tensor) = 0;
  /// Copies the tensor of process `root` into everyone's, in place.
  virtual void broadcast(const Tensor& tensor, int root) = 0;

  /// The group of this process; a group of one unless set.
  static Group& current();
  /// Sets it; null restores the group of one. The caller keeps `group` alive and calls this before any other
  /// thread uses the group.
  static void set_current(Group* group);
};

}  // namespace tsr
