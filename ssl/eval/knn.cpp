#include "ssl/eval/knn.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "tensor/parallel.h"

namespace tsr {
namespace {

/// Similarities held at a time, in elements: 128 MiB of float32. Fewer would pack the bank for the matrix
/// product too often.
constexpr std::int64_t kBlockElements = std::int64_t{1} << 25;

/// What voting needs of the neighbours, on the host.
struct Ballot {
  Tensor similarity;       // float64 [queries, k]
  Tensor neighbour_class;  // int64 [queries, k]
  std::int64_t queries, neighbours, classes;

  Ballot(const Neighbours& n, const Tensor& labels, std::int64_t classes)
      : similarity(n.similarity.to(float64)),
        neighbour_class(
            reshape(index_select(labels, 0, reshape(n.index, {n.index.numel()})), n.index.shape())),
        queries(n.index.size(0)),
        neighbours(n.index.size(1)),
        classes(classes) {}

  /// Votes of one query, neighbour by neighbour: calls after(count, leader) once `count` have voted.
  template <class After>
  void count(std::int64_t query, double temperature, std::vector<double>& votes, After after) const {
    const double* s = similarity.data<double>() + query * neighbours;
    const std::int64_t* c = neighbour_class.data<std::int64_t>() + query * neighbours;
    votes.assign(static_cast<std::size_t>(classes), 0.0);
    for (std::int64_t j = 0; j < neighbours; ++j) {
      // Relative to the nearest, so that no temperature overflows; infinity gives exp(-0) = 1.
      votes[static_cast<std::size_t>(c[j])] += std::exp((s[j] - s[0]) / temperature);
      after(j + 1, votes);
    }
  }
};

std::int64_t leader(const std::vector<double>& votes) {
  return std::max_element(votes.begin(), votes.end()) - votes.begin();
}

void check_votable(const Neighbours& n, std::int64_t k, double temperature) {
  TSR_CHECK(k >= 1 && k <= n.index.size(1), "knn: k = ", k, ", with ", n.index.size(1),
            " neighbours at hand");
  TSR_CHECK(temperature > 0, "knn: temperature ", temperature, " must be positive");
}

}  // namespace

Tensor feature_mean(const Tensor& features) {
  NoGrad guard;
  return mean(features, {0});
}

Tensor unit_features(const Tensor& features, const Tensor& centre) {
  NoGrad guard;
  return l2_normalize(centre.defined() ? features - centre : features);
}

Neighbours nearest_neighbours(const Tensor& queries, const Tensor& bank, std::int64_t k) {
  TSR_CHECK(queries.rank() == 2 && bank.rank() == 2 && queries.size(1) == bank.size(1),
            "nearest_neighbours: queries ", describe(queries), " and bank ", describe(bank),
            " are not [Q, D] and [N, D]");
  TSR_CHECK(k >= 1 && k <= bank.size(0), "nearest_neighbours: k = ", k, " of ", bank.size(0), " rows");
  NoGrad guard;
  const std::int64_t count = queries.size(0),
                     block = std::max<std::int64_t>(1, kBlockElements / bank.size(0));
  Neighbours all{empty({count, k}, queries.dtype()), empty({count, k}, int64)};
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const std::int64_t end = std::min(begin + block, count);
    const auto [similarity, index] = topk(matmul(slice(queries, 0, begin, end), transpose(bank)), k);
    copy_into(slice(all.similarity, 0, begin, end), similarity);
    copy_into(slice(all.index, 0, begin, end), index);
  }
  return all;
}

Tensor knn_classify(const Neighbours& neighbours, const Tensor& labels, std::int64_t classes, std::int64_t k,
                    double temperature) {
  check_votable(neighbours, k, temperature);
  const Ballot ballot(neighbours, labels, classes);
  Tensor predicted = empty({ballot.queries}, int64);
  parallel_for(ballot.queries, 64, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> votes;
    for (std::int64_t query = begin; query < end; ++query)
      ballot.count(query, temperature, votes, [&](std::int64_t count, const std::vector<double>& votes) {
        if (count == k) predicted.data<std::int64_t>()[query] = leader(votes);
      });
  });
  return predicted;
}

std::vector<std::vector<double>> knn_accuracies(const Neighbours& neighbours, const Tensor& labels,
                                                std::int64_t classes, const Tensor& query_labels,
                                                const std::vector<std::int64_t>& ks,
                                                const std::vector<double>& temperatures) {
  for (std::int64_t k : ks)
    for (double temperature : temperatures) check_votable(neighbours, k, temperature);
  const Ballot ballot(neighbours, labels, classes);
  const auto cells = static_cast<std::int64_t>(ks.size() * temperatures.size());
  const std::int64_t grain = 64;
  std::vector<std::int64_t> correct(static_cast<std::size_t>((ballot.queries + grain - 1) / grain * cells));
  parallel_for(ballot.queries, grain, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t* mine = correct.data() + begin / grain * cells;
    std::vector<double> votes;
    for (std::int64_t query = begin; query < end; ++query)
      for (std::size_t t = 0; t < temperatures.size(); ++t)
        ballot.count(query, temperatures[t], votes,
                     [&](std::int64_t count, const std::vector<double>& votes) {
                       for (std::size_t i = 0; i < ks.size(); ++i)
                         if (ks[i] == count && leader(votes) == query_labels.data<std::int64_t>()[query])
                           ++mine[i * temperatures.size() + t];
                     });
  });
  std::vector<std::vector<double>> result(ks.size(), std::vector<double>(temperatures.size()));
  for (std::size_t cell = 0; cell < correct.size(); ++cell) {
    const std::size_t place = cell % static_cast<std::size_t>(cells);
    result[place / temperatures.size()][place % temperatures.size()] +=
        static_cast<double>(correct[cell]) / static_cast<double>(ballot.queries);
  }
  return result;
}

double accuracy(const Tensor& predicted, const Tensor& labels) {
  TSR_CHECK(predicted.shape() == labels.shape() && predicted.numel() > 0, "accuracy: ", describe(predicted),
            " against ", describe(labels));
  const Tensor p = contiguous(predicted), l = contiguous(labels);
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < p.numel(); ++i)
    equal += p.data<std::int64_t>()[i] == l.data<std::int64_t>()[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(p.numel());
}

}  // namespace tsr
