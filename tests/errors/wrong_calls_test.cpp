// A hundred and more wrong calls, each with the message that it gives: someone who reads only the message
// should know what to change.
#include <cmath>
#include <doctest/doctest.h>
#include <string>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "data/dataset.h"
#include "nn/adam.h"
#include "nn/clip.h"
#include "nn/dropout.h"
#include "nn/layers.h"
#include "nn/norms.h"
#include "nn/resnet.h"
#include "nn/sgd.h"
#include "nn/torch_state.h"
#include "nn/vit.h"
#include "ssl/method.h"
#include "tensor/random.h"
#include "tensor/safetensors.h"

namespace tsr::test {
namespace {

struct WrongCall {
  std::string code;
  void (*call)();
  std::string message;
};

Generator generator(1);

Tensor leaf(const Shape& shape) { return ones(shape).requires_grad_(); }

void twice() {
  const Tensor x = leaf({2}), y = sum(x * x);
  backward(y);
  backward(y);
}

void changed_after_save() {
  const Tensor x = leaf({2}), w = ones({2}), y = sum(x * w);
  fill_with(w, 3);
  w.bump_version("fill_with");
  backward(y);
}

void second_pass_of_layer_norm() {
  const Tensor x = leaf({2, 3});
  const Tensor first = grad(sum(layer_norm(x, {3}) * x), {x}, {}, {.create_graph = true})[0];
  backward(sum(first));
}

void load_into_linear(const TensorMap& tensors) {
  Linear layer({.in = 4, .out = 3});
  load_torch_state_dict(layer, tensors, "weights.safetensors");
}

void copy_between(const LinearOptions& from, const LinearOptions& to) {
  Linear source(from), target(to);
  copy_state(source, target);
}

#define WRONG(message, ...)                            \
  {                                                    \
#__VA_ARGS__, [] { (void)(__VA_ARGS__); }, message \
  }

// clang-format off
const WrongCall kCalls[] = {
    // shapes that don't meet
    WRONG("add: shapes [2, 3] and [2, 4] don't broadcast: sizes 3 and 4 differ and neither is 1", add(zeros({2, 3}), zeros({2, 4}))),
    WRONG("mul: shapes [5] and [2, 3] don't broadcast: sizes 5 and 3 differ and neither is 1", mul(zeros({5}), zeros({2, 3}))),
    WRONG("where: shapes [2, 3] and [2, 2] don't broadcast: sizes 3 and 2 differ and neither is 1", where(ones({2, 2}, boolean), zeros({2, 3}), zeros({2, 2}))),
    WRONG("matmul: a float32[32, 784] x b float32[10, 784]: inner sizes 784 and 10 differ; did you mean transpose(b)?", matmul(zeros({32, 784}), zeros({10, 784}))),
    WRONG("matmul: a float32[3] x b float32[3, 2]: both need two axes at least; reshape a vector to a row or a column", matmul(zeros({3}), zeros({3, 2}))),
    WRONG("matmul: a float32[2, 3, 4] x b float32[3, 4, 5]: leading sizes 2 and 3 differ and neither is 1", matmul(zeros({2, 3, 4}), zeros({3, 4, 5}))),
    WRONG("linear: x float32[4, 7], weight float32[10, 8]: inner sizes 7 and 8 differ", linear(zeros({4, 7}), zeros({10, 8}))),
    WRONG("linear: bias float32[8] for weight float32[10, 8]; need one value an output, [10]", linear(zeros({4, 8}), zeros({10, 8}), zeros({8}))),
    WRONG("reshape: float32[2, 3] holds 6 elements, which [4, 2] can't hold", reshape(zeros({2, 3}), {4, 2})),
    WRONG("reshape: [-1, -1] has more than one -1", reshape(zeros({2, 3}), {-1, -1})),
    WRONG("reshape: float32[2, 3] holds 6 elements, which [-1, 4] can't hold", reshape(zeros({2, 3}), {-1, 4})),
    WRONG("broadcast_to: shapes [2, 3] and [2, 4] don't broadcast: sizes 3 and 4 differ and neither is 1", broadcast_to(zeros({2, 3}), {2, 4})),
    WRONG("broadcast_to: float32[2, 3] doesn't broadcast to [3]", broadcast_to(zeros({2, 3}), {3})),
    WRONG("permute: order [0, 0] doesn't name each axis once", permute(zeros({2, 3}), {0, 0})),
    WRONG("permute: order [0] for float32[2, 3]; name each axis once", permute(zeros({2, 3}), {0})),
    WRONG("transpose: axis 2 is out of range for a tensor of 2 axes (-2 to 1)", transpose(zeros({2, 3}), 0, 2)),
    WRONG("squeeze: axis 0 of float32[2, 3] has size 2, not 1", squeeze(zeros({2, 3}), 0)),
    WRONG("unsqueeze: axis 4 is out of range for a tensor of 3 axes (-3 to 2)", unsqueeze(zeros({2, 3}), 4)),
    WRONG("concat: float32[2, 3] and float32[2, 4] differ along axis 1; only axis 0 may", concat({zeros({2, 3}), zeros({2, 4})}, 0)),
    WRONG("concat: no tensors given", concat({}, 0)),
    WRONG("stack: float32[2, 3] and float32[3, 2] differ in shape", stack({zeros({2, 3}), zeros({3, 2})}, 0)),
    WRONG("sum_to: shapes [2, 3] and [4] don't broadcast: sizes 3 and 4 differ and neither is 1", sum_to(zeros({2, 3}), {4})),
    // axes and positions
    WRONG("sum: axis 2 is out of range for a tensor of 2 axes (-2 to 1)", sum(zeros({2, 3}), {2})),
    WRONG("sum: axis 0 of float32[2, 3] is named twice", sum(zeros({2, 3}), {0, 0})),
    WRONG("softmax: axis 5 is out of range for a tensor of 2 axes (-2 to 1)", softmax(zeros({2, 3}), 5)),
    WRONG("select: position 2 of axis 0 of float32[2, 3]; choose one below 2", select(zeros({2, 3}), 0, 2)),
    WRONG("slice: 1 to 4 by 0 of axis 0 of float32[5]; need 0 ≤ begin ≤ end ≤ 5 and a positive step", slice(zeros({5}), 0, 1, 4, 0)),
    WRONG("slice: axis 1 is out of range for a tensor of 1 axes (-1 to 0)", slice(zeros({5}), 1, 0, 2)),
    WRONG("split: the sizes add up to 4, axis 0 of float32[5] has 5", split(zeros({5}), std::vector<std::int64_t>{2, 2})),
    WRONG("split: parts of size 0 of float32[5]; it must be positive", split(zeros({5}), 0)),
    WRONG("chunk: 0 parts of float32[5]; there must be at least one", chunk(zeros({5}), 0)),
    WRONG("roll: shifts [1, 2] and axes [0] differ in number; name an axis for each shift", roll(zeros({5}), {1, 2}, {0})),
    WRONG("tile: negative count in repeats [-1]", tile(zeros({5}), {-1})),
    WRONG("pad: 2 amounts for the 1 axes of float32[5]; give (before, after) for each axis", pad(zeros({5}), {{1, 1}, {2, 2}})),
    WRONG("pad: 3 before and 0 behind axis 0 of float32[3]; that needs a size of at least 4", pad(zeros({3}), {{3, 0}}, PadMode::reflect)),
    WRONG("flip: axis 1 is out of range for a tensor of 1 axes (-1 to 0)", flip(zeros({5}), {1})),
    WRONG("tril: float32[5] is not a matrix [..., m, n]", tril(zeros({5}))),
    WRONG("max: float32[0, 3] has nothing to reduce along axes [0]; an empty set has no largest value", max(zeros({0, 3}), {0})),
    WRONG("argmax: float32[2, 0] has nothing to reduce along axes [1]; an empty set has no largest value", argmax(zeros({2, 0}), 1)),
    WRONG("var: float32[1, 3] has 1 elements along axes [0], too few for a correction of 1", var(zeros({1, 3}), {0})),
    WRONG("norm: p is -1; it must be 1 or more (or infinity)", norm(zeros({3}), {}, false, -1)),
    WRONG("cumsum: axis 1 is out of range for a tensor of 1 axes (-1 to 0)", cumsum(zeros({3}), 1)),
    // dtypes
    WRONG("add: float32[2] and float64[2] differ in dtype; convert one with cast(x, float32)", add(zeros({2}), zeros({2}, float64))),
    WRONG("exp: int64[2] is not floating; convert it with cast(x, float32)", exp(zeros({2}, int64))),
    WRONG("matmul_fwd: no cpu kernel for int64 (has: cpu float32, float64, bfloat16, float16; emu float32, bfloat16, float16)", matmul(zeros({2, 2}, int64), zeros({2, 2}, int64))),
    WRONG("where: the condition is float32[2], not bool; compare first, as in eq(x, y)", where(zeros({2}), zeros({2}), zeros({2}))),
    WRONG("masked_fill: the mask is float32[2], not bool; compare first, as in lt(x, y)", masked_fill(zeros({2}), zeros({2}), 1)),
    WRONG("logical_and: float32[2] is not bool; compare first, as in ne(x, 0)", logical_and(zeros({2}), zeros({2}))),
    WRONG("eq: float32[2] and int64[2] differ in dtype; convert one with cast(x, float32)", eq(zeros({2}), zeros({2}, int64))),
    WRONG("index_select: the index is float32[2]; convert it with to(int64)", index_select(zeros({3}), 0, zeros({2}))),
    WRONG("cross_entropy: logits float32[4, 3] and probabilities float32[4] differ in shape", cross_entropy(zeros({4, 3}), zeros({4}))),
    WRONG("data: asked for float64 of a tensor that is float32[2]; convert with to(float64)", zeros({2}).data<double>()),
    WRONG("requires_grad_: int64[2] is not of a floating dtype", zeros({2}, int64).requires_grad_()),
    // devices and undefined tensors
    WRONG("add: input 0 is undefined", add(Tensor(), zeros({2}))),
    WRONG("matmul: input 1 is undefined", matmul(zeros({2, 2}), Tensor())),
    WRONG("tensor: undefined (default-constructed, or a gradient that doesn't exist)", Tensor().shape()),
    WRONG("device: unknown name 'gpu'; known: cpu, emu, cuda", device_from_name("gpu")),
    WRONG("item: float32[2] has 2 elements; it must have one", zeros({2}).item()),
    // indices
    WRONG("index_select: index 3 at position 0 is out of range for an axis of size 3 (0 to 2)", index_select(zeros({3}), 0, from_values(std::vector<std::int64_t>{3}, {1}))),
    WRONG("gather: index 5 at position 1 is out of range for an axis of size 3 (0 to 2)", gather(zeros({3, 2}), 0, from_values(std::vector<std::int64_t>{0, 5}, {1, 2}))),
    WRONG("embedding: index -1 at position 0 is out of range for an axis of size 3 (0 to 2)", embedding(zeros({3, 2}), from_values(std::vector<std::int64_t>{-1}, {1}))),
    WRONG("one_hot: index 4 at position 0 is out of range for an axis of size 3 (0 to 2)", one_hot(from_values(std::vector<std::int64_t>{4}, {1}), 3)),
    WRONG("cross_entropy: label 3 of row 0 is out of range for 3 classes (0 to 2)", cross_entropy(zeros({1, 3}), from_values(std::vector<std::int64_t>{3}, {1}))),
    WRONG("topk: k = 4 of axis 0 of float32[3]; choose 0 to 3", topk(zeros({3}), 4)),
    WRONG("masked_select: the mask is bool[2]; x float32[3] needs a bool of its shape", masked_select(zeros({3}), ones({2}, boolean))),
    WRONG("scatter_add: index 7 at position 1 is out of range for an axis of size 3 (0 to 2)", scatter_add(zeros({2}), 0, from_values(std::vector<std::int64_t>{0, 7}, {2}), 3)),
    // images
    WRONG("conv2d: x float32[1, 8, 8, 3] has 3 channels, weight float32[4, 3, 3, 2] takes 2 in each of 1 groups", conv2d(zeros({1, 8, 8, 3}), zeros({4, 3, 3, 2}))),
    WRONG("conv2d: x float32[1, 8, 8], weight float32[4, 3, 3, 3]; need x [N, H, W, in] and weight [out, kernel_h, kernel_w, in/groups]", conv2d(zeros({1, 8, 8}), zeros({4, 3, 3, 3}))),
    WRONG("conv2d: weight float32[4, 3, 3, 3] reaches over 3x3 pixels, x float32[1, 2, 2, 3] with padding 0x0 has 2x2; pad more", conv2d(zeros({1, 2, 2, 3}), zeros({4, 3, 3, 3}))),
    WRONG("conv2d: bias float32[3] for weight float32[4, 3, 3, 3]; need one value a channel, [4]", conv2d(zeros({1, 8, 8, 3}), zeros({4, 3, 3, 3}), zeros({3}))),
    WRONG("conv2d: stride 0x1, dilation 1x1, padding 0x0; strides and dilations must be positive, padding at least 0", conv2d(zeros({1, 8, 8, 3}), zeros({4, 3, 3, 3}), {}, {.stride_h = 0})),
    WRONG("conv2d: x float32[1, 8, 8, 4] has 4 channels, weight float32[3, 3, 3, 2] takes 2 in each of 2 groups", conv2d(zeros({1, 8, 8, 4}), zeros({3, 3, 3, 2}), {}, {.groups = 2})),
    WRONG("conv_transpose2d: x float32[1, 8, 8, 3] has 3 channels, weight float32[4, 3, 3, 2] takes 4 in 1 groups; they must agree and divide evenly", conv_transpose2d(zeros({1, 8, 8, 3}), zeros({4, 3, 3, 2}))),
    WRONG("max_pool2d: float32[1, 8, 8] is not a batch of images [N, H, W, C]", max_pool2d(zeros({1, 8, 8}))),
    WRONG("max_pool2d: a 3x3 kernel does not fit float32[1, 1, 1, 3] with padding 0x0; use a smaller one", max_pool2d(zeros({1, 1, 1, 3}), {.kernel_h = 3, .kernel_w = 3})),
    WRONG("avg_pool2d: kernel 2x2, stride 0x2, dilation 1x1; all must be positive", avg_pool2d(zeros({1, 8, 8, 3}), {.stride_h = 0})),
    WRONG("adaptive_avg_pool2d: 0x2 windows; both must be positive", adaptive_avg_pool2d(zeros({1, 8, 8, 3}), 0, 2)),
    WRONG("resize: float32[1, 8, 8, 3] to 0x4; every size must be positive", resize(zeros({1, 8, 8, 3}), 0, 4)),
    WRONG("grid_sample: x float32[1, 8, 8, 3], grid float32[1, 4, 4, 3]; need x [N, H, W, C] and grid [N, H', W', 2] for the same N", grid_sample(zeros({1, 8, 8, 3}), zeros({1, 4, 4, 3}))),
    WRONG("flatten_image: float32[8, 8, 3] is not a batch of images [N, H, W, C]", flatten_image(zeros({8, 8, 3}))),
    // norms, dropout, losses
    WRONG("batch_norm: x float32[4, 3] has 3 channels, but weight, bias, running mean or variance is float32[2]", batch_norm(zeros({4, 3}), zeros({2}), zeros({2}), zeros({3}), zeros({3}), {})),
    WRONG("batch_norm: x float32[1, 3] has one value a channel, whose variance is 0; train on more than one row", batch_norm(zeros({1, 3}), ones({3}), zeros({3}), zeros({3}), ones({3}), {})),
    WRONG("layer_norm: x float32[4, 3] doesn't end in [4], a shape of at least one element", layer_norm(zeros({4, 3}), {4})),
    WRONG("group_norm: 4 groups of the 6 channels of float32[4, 6]; the number of groups must divide that of channels", group_norm(zeros({4, 6}), 4)),
    WRONG("dropout: p = 1.5 is not a probability; choose 0 to 1", dropout(zeros({3}), 1.5, generator)),
    WRONG("cross_entropy: logits float32[4, 3] and labels int64[5]; need logits [..., n] and labels int64 [...]", cross_entropy(zeros({4, 3}), zeros({5}, int64))),
    WRONG("cross_entropy: label smoothing is 2; choose 0 to 1", cross_entropy(zeros({4, 3}), zeros({4}, int64), {.label_smoothing = 2})),
    WRONG("mse_loss: float32[3] and float32[4] differ in shape; broadcast_to() makes repeating explicit", mse_loss(zeros({3}), zeros({4}))),
    WRONG("smooth_l1_loss: beta = -1; it can't be negative", smooth_l1_loss(zeros({3}), zeros({3}), -1)),
    WRONG("cdist: a float32[3, 2] and b float32[3, 4]; need [..., m, d] and [..., n, d]", cdist(zeros({3, 2}), zeros({3, 4}))),
    WRONG("clamp: the bounds are 2 and 1; low must not exceed high", clamp(zeros({3}), 2, 1)),
    WRONG("clamp: neither bound is given; give one of them at least", clamp(zeros({3}), {})),
    // the tape
    WRONG("backward: float32[] depends on nothing that requires a gradient; mark leaves with requires_grad_() and record outside of NoGrad", backward(zeros({}))),
    WRONG("backward: float32[2] is not a scalar; reduce it (sum, mean) or pass the gradient of the output", backward(leaf({2}) * 2.0)),
    WRONG("backward: the gradient is float32[2] but the output is float32[]", backward(sum(leaf({2})), zeros({2}))),
    WRONG("grad: no inputs given", grad(sum(leaf({2})), {})),
    WRONG("grad: input float32[2] doesn't require a gradient; mark it with requires_grad_() before it is used", grad(sum(leaf({2})), {zeros({2})})),
    WRONG("backward: the graph of sum was freed by an earlier backward; pass retain_graph = true to that one", twice()),
    WRONG("backward: float32[2] saved by mul was changed in place by fill_with since; change a clone, or change it after backward", changed_after_save()),
    WRONG("layer_norm: is differentiable only once (a fused op); gradients of gradients need its composed form", second_pass_of_layer_norm()),
    WRONG("requires_grad_: float32[2] is the result of mul, not a leaf; use detach() first", (leaf({2}) * 2.0).requires_grad_()),
    WRONG("set_grad: gradient float32[3] for a tensor float32[2]", leaf({2}).set_grad(zeros({3}))),
    WRONG("copy_: float32[2] takes part in a tape and can't be changed in place; use a NoGrad scope, or detach()", check_in_place("copy_", leaf({2}))),
    // modules, optimisers, state
    WRONG("Linear: in = 0, out = 3; both must be positive", Linear({.in = 0, .out = 3})),
    WRONG("linear: x float32[2, 5], weight float32[3, 4]: inner sizes 5 and 4 differ", Linear({.in = 4, .out = 3})(zeros({2, 5}))),
    WRONG("Conv2d: in = 3, out = 4, kernel = 0x0, stride = 1x1, dilation = 1x1, padding = 0x0; all must be positive, padding at least 0", Conv2d({.in = 3, .out = 4, .kernel = 0})),
    WRONG("ResNet: depth 20 is not known; choose 18, 34 or 50", ResNet({.depth = 20})),
    WRONG("ResNet: images float32[1, 32, 32, 1] are not [N, H, W, 3]", ResNet({.depth = 18, .width = 8})(zeros({1, 32, 32, 1}))),
    WRONG("ViT: image_size = 30, patch = 4; both must be positive, and patch must divide image_size", ViT({.image_size = 30, .patch = 4})),
    WRONG("ViT: depth = 0, registers = 0, layer_scale = 0; the first must be positive, the others not negative", ViT({.depth = 0})),
    WRONG("MultiHeadAttention: dim = 192, heads = 5; both must be positive, and heads must divide dim", ViT({.heads = 5})),
    WRONG("MultiHeadAttention: x float32[2, 5] is not [N, n, 8]", MultiHeadAttention({.dim = 8, .heads = 2})(zeros({2, 5}))),
    WRONG("attention: q float32[1, 2, 5, 4], k float32[1, 3, 5, 4]; need [N, heads, n, head_dim] and [N, heads, m, head_dim]", attention(zeros({1, 2, 5, 4}), zeros({1, 3, 5, 4}), zeros({1, 3, 5, 4}))),
    WRONG("attention_qkv: qkv float32[1, 5, 2, 2, 4]; need [N, n, 3, heads, head_dim]", attention_qkv(zeros({1, 5, 2, 2, 4}))),
    WRONG("attention: k float32[1, 2, 5, 4] and v float32[1, 2, 6, 4] differ in shape", attention(zeros({1, 2, 5, 4}), zeros({1, 2, 5, 4}), zeros({1, 2, 6, 4}))),
    WRONG("PatchEmbed: images float32[1, 32, 30, 3] are not whole patches of 4x4 pixels; crop or resize them", PatchEmbed({.dim = 8, .patch = 4})(zeros({1, 32, 30, 3}))),
    WRONG("PatchEmbed: images float32[1, 32, 32, 1] are not [N, H, W, 3]", PatchEmbed({.dim = 8, .patch = 4})(zeros({1, 32, 32, 1}))),
    WRONG("PatchEmbed: patch = 6, dim = 12; the conv stem needs a patch that is a power of 2, and half of which divides dim", PatchEmbed({.dim = 12, .patch = 6, .stem = PatchStem::conv})),
    WRONG("sincos_positions: dim = 6; 4 must divide it", sincos_positions(2, 6)),
    WRONG("resize_positions: float32[1, 17, 8] is not [1, 2 + 4·4, dim]", resize_positions(zeros({1, 17, 8}), 2, 4, 7)),
    WRONG("LayerNorm: x float32[2, 5] is not [..., 4]", LayerNorm({.features = 4})(zeros({2, 5}))),
    WRONG("Dropout: p = 1; choose 0 ≤ p < 1", Dropout({.p = 1})),
    WRONG("optimizer: momentum = -1; choose 0 ≤ momentum < 1", Sgd({}, {.momentum = -1})),
    WRONG("optimizer: beta2 = 1; choose 0 ≤ beta2 < 1", Adam({}, {.beta2 = 1})),
    WRONG("Adam: epsilon = nan; it must be finite and not negative", AdamW({}, {.epsilon = NAN})),
    WRONG("clip_gradient_norm: max_norm -1; must be positive", clip_gradient_norm({}, -1)),
    WRONG("weights.safetensors: doesn't fit the model: 2 tensors missing (weight, bias)", load_into_linear({})),
    WRONG("weights.safetensors: doesn't fit the model: 1 tensor of another shape or type (weight is float32[3, 5], the model's is float32[3, 4])", load_into_linear({{"weight", zeros({3, 5})}, {"bias", zeros({3})}})),
    WRONG("weights.safetensors: doesn't fit the model: 1 tensor unknown to the model (extra)", load_into_linear({{"weight", zeros({3, 4})}, {"bias", zeros({3})}, {"extra", zeros({1})}})),
    WRONG("copy_state: 'weight' float32[3, 4] against 'weight' float32[2, 4]", copy_between({.in = 4, .out = 3}, {.in = 4, .out = 2})),
    WRONG("no-such-file.safetensors: no such file, or not readable", read_safetensors("no-such-file.safetensors")),
    WRONG("data set 'fashion-mist': unknown; did you mean 'fashion-mnist'?", open_dataset("fashion-mist", Split::train)),
    WRONG("method 'simcrl': unknown; did you mean 'simclr'?", find_method("simcrl")),
    WRONG("from_values: 3 values for shape [2, 2], which holds 4", from_values({1, 2, 3}, {2, 2})),
    WRONG("empty: negative size in shape [-1]", empty({-1})),
};
// clang-format on

TEST_CASE("a wrong call says what is wrong and what to change") {
  for (const WrongCall& wrong : kCalls) {
    CAPTURE(wrong.code);
    std::string message;
    try {
      wrong.call();
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK(message == wrong.message);
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("there are a hundred of them at least") { CHECK(std::size(kCalls) >= 100); }

}  // namespace
}  // namespace tsr::test
