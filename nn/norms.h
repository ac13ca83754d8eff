#pragma once
// Layer norm and group norm: statistics of each sample alone, the same in training and evaluation.

#include "nn/module.h"

namespace tsr {

struct LayerNormOptions {
  std::int64_t features = 0;  ///< size of the last axis
  double epsilon = 1e-5;
  bool affine = true;  ///< learned scale and shift
};

/// (x - mean)/√(var + ε)·weight + bias along the last axis of x [..., features] (Ba, Kiros and Hinton 2016).
struct LayerNorm : Module {
  LayerNormOptions options;
  Parameter weight, bias;

  explicit LayerNorm(const LayerNormOptions& options);
  Tensor operator()(const Tensor& x) const;
  void visit(Visitor& v) override;
  std::string label() const override;
};

struct GroupNormOptions {
  std::int64_t groups = 1, channels = 0;  ///< groups divides channels
  double epsilon = 1e-5;
  bool affine = true;  ///< learned scale and shift a channel
};

/// The same over each sample's channels of a group, wherever they are: x [N, ..., channels] (Wu and He 2018).
struct GroupNorm : Module {
  GroupNormOptions options;
  Parameter weight, bias;

  explicit GroupNorm(const GroupNormOptions& options);
  Tensor operator()(const Tensor& x) const;
  void visit(Visitor& v) override;
  std::string label() const override;
};

}  // namespace tsr
