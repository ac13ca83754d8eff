#pragma once
// The weighted nearest-neighbour classifier (Wu, Xiong, Yu and Lin, "Unsupervised Feature Learning via
// Non-Parametric Instance Discrimination", CVPR 2018, section 3.4).

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

/// A query's class is the one with the most weight among its k nearest in cosine similarity s, each weighing
/// exp(s/T). T = infinity gives every neighbour one vote.
struct KnnSetting {
  std::int64_t k = 200;
  double temperature = 0.1;
  bool centred = false;  ///< subtract the training features' mean before normalising
};

/// Unit vectors for kNN: (features - centre) / ‖·‖; centre [D] may be undefined.
Tensor unit_features(const Tensor& features, const Tensor& centre = {});
/// The mean over rows, [D].
Tensor feature_mean(const Tensor& features);

struct Neighbours {
  Tensor similarity;  ///< [queries, k], falling
  Tensor index;       ///< int64 [queries, k]: rows of the bank; equal similarities in rising order
};

/// The k nearest rows of bank [N, D] for each of queries [Q, D], both unit vectors. Works through the queries
/// in blocks, so that memory stays bounded whatever Q is. Throws Error unless 1 ≤ k ≤ N.
Neighbours nearest_neighbours(const Tensor& queries, const Tensor& bank, std::int64_t k);

/// Classes, int64 [Q], by the first `k` of the neighbours; `labels` int64 [N] are the bank's, in 0 …
/// classes-1. Of classes with equal weight the lowest wins. Throws Error when there are fewer than k
/// neighbours.
Tensor knn_classify(const Neighbours& neighbours, const Tensor& labels, std::int64_t classes, std::int64_t k,
                    double temperature);

/// Accuracy (0 … 1) for each pair of `ks` and `temperatures` from one set of neighbours: result[i][j] belongs
/// to ks[i], temperatures[j].
std::vector<std::vector<double>> knn_accuracies(const Neighbours& neighbours, const Tensor& labels,
                                                std::int64_t classes, const Tensor& query_labels,
                                                const std::vector<std::int64_t>& ks,
                                                const std::vector<double>& temperatures);

/// The share of equal entries in two int64 tensors of one shape.
double accuracy(const Tensor& predicted, const Tensor& labels);

}  // namespace tsr
