#pragma once
// TensorSource: named tensors that can be had one at a time, whether they lie in a file or in memory.

#include <map>
#include <string>

#include "tensor/tensor.h"

namespace tsr {

using TensorMap = std::map<std::string, Tensor>;

/// What is known of a tensor before it is read. Prints like a tensor's description: "float32[2, 3]".
struct TensorInfo {
  DType dtype = float32;
  Shape shape;
  bool operator==(const TensorInfo&) const = default;
};
std::ostream& operator<<(std::ostream& out, const TensorInfo& info);

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual const std::map<std::string, TensorInfo>& entries() const = 0;
  /// Throws InputError when there is none of that name, or it can't be read.
  virtual Tensor read(const std::string& name) const = 0;
};

/// Tensors in memory; read() gives handles on them.
class MapSource final : public TensorSource {
 public:
  explicit MapSource(TensorMap tensors);
  const std::map<std::string, TensorInfo>& entries() const override { return entries_; }
  Tensor read(const std::string& name) const override;

 private:
  TensorMap tensors_;
  std::map<std::string, TensorInfo> entries_;
};

}  // namespace tsr
