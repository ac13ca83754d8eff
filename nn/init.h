#pragma once
// Initialisers: each fills a tensor in place from a generator. Weights are [out, …, in], so that fan_in is
// the product of all sizes but the first, fan_out of all but the last.

#include "nn/module.h"
#include "tensor/random.h"

namespace tsr::init {

enum class Fan { in, out };

void zeros(const Tensor& tensor);
void ones(const Tensor& tensor);
void constant(const Tensor& tensor, double value);
void uniform(const Tensor& tensor, double low, double high, Generator& generator = init_generator());
void normal(const Tensor& tensor, double mean, double std, Generator& generator = init_generator());

/// Normal cut to [low, high], drawn by the inverse of its distribution function; ViT's usual start has std
/// 0.02.
void trunc_normal(const Tensor& tensor, double mean = 0, double std = 1, double low = -2, double high = 2,
                  Generator& generator = init_generator());

/// He et al. 2015, for layers followed by a (leaky) relu of this negative slope: N(0, 2/((1 + slope²)·fan)),
/// or uniform of the same variance.
void kaiming_normal(const Tensor& weight, Fan fan = Fan::in, double slope = 0,
                    Generator& generator = init_generator());
void kaiming_uniform(const Tensor& weight, Fan fan = Fan::in, double slope = 0,
                     Generator& generator = init_generator());

/// Glorot and Bengio 2010: N(0, gain²·2/(fan_in + fan_out)), or uniform of the same variance.
void xavier_normal(const Tensor& weight, double gain = 1, Generator& generator = init_generator());
void xavier_uniform(const Tensor& weight, double gain = 1, Generator& generator = init_generator());

/// Saxe et al. 2014: as a matrix [out, …·in], gain times one with orthonormal rows (or columns, where there
/// are fewer), uniformly drawn.
void orthogonal(const Tensor& weight, double gain = 1, Generator& generator = init_generator());

}  // namespace tsr::init
