#include "tensor/cpu/attention.h"

#include <limits>

#include "tensor/random.h"

namespace tsr::cpu {
namespace {

using std::int64_t;

template <class T>
T* zeroed(Context& context, int64_t count) {
  T* data = context.workspace_of<T>(static_cast<std::size_t>(count));
  std::fill_n(data, count, T(0));
  return data;
}

}  // namespace

template <class T>
Scores<T>::Scores(Context& context, const AttentionOperands& operands, const AttentionParams& params,
                  int64_t most_keys)
    : operands_(operands), params_(params) {
  if (operands.key_mask.data) hidden_ = zeroed<T>(context, padded(most_keys));
  if (operands.bias.data) added_ = zeroed<T>(context, padded(most_keys));
  if (params.dropout > 0) kept_ = zeroed<T>(context, padded(most_keys));
}

template <class T>
void Scores<T>::choose_keys(int64_t head, Range keys) {
  head_ = head, keys_ = keys;
  if (!hidden_) return;
  const View& mask = operands_.key_mask;
  const bool* seen = mask.as<bool>() + head_ / operands_.q.size[1] * mask.stride[0];
  for (int64_t j = 0; j < keys.size(); ++j)
    hidden_[j] = seen[(keys.begin + j) * mask.stride[1]] ? T(0) : -std::numeric_limits<T>::infinity();
}

template <class T>
ScoreRow<T> Scores<T>::row(int64_t query, T* products) {
  const int64_t seen = visible(query);
  if (added_) add_bias(query, seen);
  if (kept_) draw_dropout(query);
  return {products, keys_.size(), seen, added_ ? added_ : hidden_, kept_};
}

template <class T>
void Scores<T>::add_bias(int64_t query, int64_t seen) {
  const View& bias = operands_.bias;
  const int64_t step = bias.stride[3];
  const T* from = AttentionOperands::head<const T>(bias, head_).row(query) + keys_.begin * step;
  for (int64_t j = 0; j < seen; ++j) added_[j] = from[j * step];
  for (int64_t j = 0; hidden_ && j < seen; ++j) added_[j] += hidden_[j];
  std::fill(added_ + seen, added_ + keys_.size(), T(0));
}

template <class T>
void Scores<T>::draw_dropout(int64_t query) {
  const T inside = static_cast<T>(1 / (1 - params_.dropout));
  const auto first =
      static_cast<std::uint64_t>((head_ * operands_.n() + query) * operands_.m() + keys_.begin);
  std::array<std::uint32_t, 4> words{};
  for (int64_t j = 0; j < keys_.size(); ++j) {
    const std::uint64_t word = first + static_cast<std::uint64_t>(j);
    if (j == 0 || word % 4 == 0) words = philox_words(word / 4, params_.seed, params_.draw);
    kept_[j] = static_cast<double>(words[word % 4]) >= params_.dropout * 0x1p32 ? inside : T(0);
  }
}

template class Scores<float>;
template class Scores<double>;

}  // namespace tsr::cpu
