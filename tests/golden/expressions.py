#!/usr/bin/env python3
"""Random expression graphs: PyTorch's values, gradients and gradients of gradients, for a comparison without PyTorch.

    expressions.py                                       writes expressions.json beside this script
    expressions.py --seed 7 --count 500 --out FILE.json  other graphs; then TESSERA_EXPRESSIONS=FILE.json ./run test -R expressions

Each case is a list of steps. Step k makes value number (leaves + k) of earlier values: {"op": name, "in": [numbers], ...}
with the op's parameters under their names. Leaf j of case c has the elements

    1.5 * unit("SEED/c/j", i)        unit(name, i) as in resnet18.py: in [-1, 1), i counts row by row.

The outputs are the values that no step uses. With weights of the same kind,

    loss   = sum over outputs o of sum_i o_i * unit("SEED/c/out/o", i)          o is the value's number
    second = sum over leaves j of sum_i (d loss / d leaf_j)_i * unit("SEED/c/grad/j", i)

and the file holds for each case, row by row, "values" of every output, "grads" d loss / d leaf and, where every op in
the case can be differentiated twice, "second" d second / d leaf. Everything is float64.

A case is taken only when its numbers move by less than 1e-9 while its leaves move by 1e-12: near a kink (a tie, a relu
at 0) or a pole no tolerance would be right.

To add an op, write a line in OPS here and a line of the same name in tests/autograd/expressions.cpp.
"""

import argparse
import json
import pathlib
import random

import torch
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1


def unit(name, shape):
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) & MASK
    values = []
    for i in range(int(torch.Size(shape).numel())):
        x = (start + i + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        values.append(((x ^ (x >> 31)) >> 40) / 2**23 - 1)
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


# ---- drawing operands and parameters: each sampler gets the graph so far, and gives (inputs, parameters) or None ----


class Graph:
    """Values so far, by number, and a random source."""

    LARGEST, RANK = 48, 4

    def __init__(self, rng):
        self.rng, self.values, self.steps, self.used = rng, [], [], set()

    def pick(self, accept=lambda x: True):
        """Some value that fits, recent and unused ones rather than others; None where none fits."""
        fitting = [k for k, x in enumerate(self.values) if accept(x)]
        weights = [(1 + k) * (1 if k in self.used else 3) for k in fitting]
        return self.rng.choices(fitting, weights)[0] if fitting else None

    def shape(self, k):
        return tuple(self.values[k].shape)


def one(accept=lambda x: True, **parameters):
    """One operand, and parameters made by functions of (rng, its shape)."""

    def sample(g):
        k = g.pick(accept)
        if k is None:
            return None
        return [k], {name: make(g.rng, g.shape(k)) for name, make in parameters.items()}

    return sample


def two(right=lambda x: True):
    """Two operands whose shapes broadcast."""

    def sample(g):
        a = g.pick()
        b = g.pick(lambda x: right(x) and broadcasts(g.values[a].shape, x.shape))
        return None if b is None else ([a, b], {})

    return sample


def several(count, fits, **parameters):
    """`count` operands, the later ones fitting the first."""

    def sample(g):
        first = g.pick(lambda x: x.dim() > 0)
        if first is None:
            return None
        rest = [g.pick(lambda x: fits(g.values[first], x)) for _ in range(count - 1)]
        return None if None in rest else ([first] + rest, {n: f(g.rng, g.shape(first)) for n, f in parameters.items()})

    return sample


def broadcasts(a, b):
    try:
        return torch.broadcast_shapes(a, b).numel() <= Graph.LARGEST
    except RuntimeError:
        return False


def ranked(low, high=Graph.RANK):
    return lambda x: low <= x.dim() <= high


def within(low, high):
    """Only values in a range: for domains, and to keep exponentials small."""
    return lambda x: bool((x > low).all() and (x < high).all())


def apart(x):
    """No two elements nearly equal: safe to sort or to take extremes of."""
    gaps = x.flatten().sort().values.diff()
    return x.numel() > 0 and bool((gaps > 1e-3).all())


def axis(rng, shape):
    return rng.randrange(-len(shape), len(shape))


def axes(rng, shape):
    return sorted(rng.sample(range(len(shape)), rng.randint(0, len(shape))))


def flag(rng, shape):
    return rng.random() < 0.5


def number(low, high):
    return lambda rng, shape: round(rng.uniform(low, high), 3)


def order(rng, shape):
    return rng.sample(range(len(shape)), len(shape))


def another_shape(rng, shape):
    count, sizes = int(torch.Size(shape).numel()), []
    while count > 1:
        factor = rng.choice([d for d in range(2, count + 1) if count % d == 0])
        sizes.append(factor)
        count //= factor
    for _ in range(rng.randint(0, 1)):
        sizes.insert(rng.randint(0, len(sizes)), 1)
    return sizes if len(sizes) <= Graph.RANK + 1 else list(shape)


def axis_and(make):
    """An axis, and what depends on its size, as one parameter: a list or an object."""

    def draw(rng, shape):
        a = rng.randrange(len(shape))
        return [a, *make(rng, shape[a], shape)]

    return draw


def span(rng, size, shape):
    begin = rng.randrange(size)
    return begin, rng.randint(begin + 1, size), rng.randint(1, 2)


def indices(rng, size, shape):
    return ([rng.randrange(size) for _ in range(rng.randint(1, 4))],)


def amounts(rng, shape):
    return [[rng.randint(0, 1), rng.randint(0, 2)] for _ in shape]


def backwards(pairs):
    """F.pad's order: the last axis first."""
    return [n for pair in reversed(pairs) for n in pair]


def all_axes(x, a):
    return tuple(a) or tuple(range(x.dim()))


def bigger(g):
    """broadcast_to: an operand and a shape that it broadcasts to."""
    k = g.pick()
    shape = [size if size != 1 else g.rng.randint(1, 3) for size in g.shape(k)]
    if len(shape) < Graph.RANK and g.rng.random() < 0.5:
        shape.insert(0, g.rng.randint(1, 3))
    return ([k], {"shape": shape}) if torch.Size(shape).numel() <= Graph.LARGEST else None


def product(g):
    """matmul: inner sizes agree, leading ones broadcast."""
    a = g.pick(ranked(2))
    if a is None:
        return None
    b = g.pick(lambda x: x.dim() >= 2 and x.shape[-2] == g.values[a].shape[-1]
               and broadcasts(g.values[a].shape[:-2], x.shape[:-2]))
    return None if b is None else ([a, b], {})


def affine(g):
    """linear: x [..., in], weight [out, in], perhaps bias [out]."""
    x = g.pick(ranked(1))
    w = None if x is None else g.pick(lambda w: w.dim() == 2 and w.shape[1] == g.values[x].shape[-1])
    if w is None:
        return None
    b = g.pick(lambda b: b.shape == g.values[w].shape[:1])
    return ([x, w] if b is None else [x, w, b]), {}


def image(g):
    """A convolution: x [N, H, W, in], made by reshaping, and weight [out, k, k, in]."""
    x = g.pick(lambda x: x.dim() == 4 and min(x.shape[1:3]) >= 2)
    if x is None:
        return None
    w = g.pick(lambda w: w.dim() == 4 and w.shape[3] == g.values[x].shape[3] and w.shape[1] <= g.values[x].shape[1] + 2
               and w.shape[2] <= g.values[x].shape[2] + 2)
    return None if w is None else ([x, w], {"stride": g.rng.randint(1, 2), "pad": 1})


def pooling(accept=lambda x: True):
    def sample(g):
        x = g.pick(lambda x: x.dim() == 4 and min(x.shape[1:3]) >= 2 and accept(x))
        return None if x is None else ([x], {"kernel": 2, "stride": g.rng.randint(1, 2), "pad": g.rng.randint(0, 1)})

    return sample


def picks(g):
    """gather and scatter_add: an index of the operand's shape, but for its axis."""
    k = g.pick(ranked(1))
    if k is None:
        return None
    shape = list(g.shape(k))
    a = g.rng.randrange(len(shape))
    size, count = shape[a], g.rng.randint(1, 3)
    shape[a] = count
    index = [g.rng.randrange(size) for _ in range(int(torch.Size(shape).numel()))]
    return [k], {"axis": a, "index": index, "shape": shape}


def places(g):
    k = g.pick(ranked(1))
    if k is None:
        return None
    shape, count = list(g.shape(k)), g.rng.randint(2, 4)
    return [k], {"axis": g.rng.randrange(len(shape)), "count": count, "shape": shape,
                 "index": [g.rng.randrange(count) for _ in range(int(torch.Size(shape).numel()))]}


def classes(g):
    k = g.pick(ranked(2, 2))
    if k is None:
        return None
    rows, columns = g.shape(k)
    return [k], {"labels": [g.rng.randrange(columns) for _ in range(rows)]}


def normed(g):
    """batch norm: x [rows, channels], and weight and bias [channels]."""
    x = g.pick(lambda x: x.dim() >= 2 and x.numel() // x.shape[-1] >= 3)
    w = None if x is None else g.pick(lambda w: w.shape == g.values[x].shape[-1:])
    return None if w is None else ([x, w, w], {"relu": False})


# ---- the same in PyTorch ----


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1)


def long(values):
    return torch.tensor(values, dtype=torch.int64)


def pool(f, x, kernel, stride, pad):
    return channels_last(f(channels_first(x), kernel, stride, pad))


def batch_norm(x, weight, bias, training):
    """By its formula: F.batch_norm's own gradient of x was found to disagree with finite
    differences where the weight is strided (PyTorch 2.15 on the CPU)."""
    flat = x.reshape(-1, x.shape[-1])
    mean, var = (flat.mean(0), flat.var(0, correction=0)) if training else (0.25, 1.5)
    return ((flat - mean) / (var + 1e-5) ** 0.5 * weight + bias).reshape(x.shape)


def l2_normalize(x):
    return F.normalize(x, dim=-1, eps=1e-12)


class Op:
    def __init__(self, name, sample, compute, once=False, share=1.0):
        self.name, self.sample, self.compute, self.once, self.share = name, sample, compute, once, share


OPS = [
    # pointwise
    Op("add", two(), torch.add, share=2),
    Op("sub", two(), torch.sub),
    Op("mul", two(), torch.mul, share=3),
    Op("div", two(lambda x: bool((x.abs() > 0.3).all())), torch.div, share=2),
    Op("maximum", two(), torch.maximum),
    Op("minimum", two(), torch.minimum),
    Op("neg", one(), torch.neg),
    Op("exp", one(within(-5, 3)), torch.exp),
    Op("log", one(within(0.2, 1e3)), torch.log, share=2),
    Op("sqrt", one(within(0.1, 1e3)), torch.sqrt, share=2),
    Op("abs", one(), torch.abs),
    Op("sign", one(), torch.sign, share=0.3),
    Op("relu", one(), torch.relu),
    Op("sigmoid", one(), torch.sigmoid),
    Op("tanh", one(), torch.tanh, share=2),
    Op("scale", one(factor=number(-2, 2)), lambda x, factor: x * factor),
    Op("shift", one(by=number(-2, 2)), lambda x, by: x + by),
    Op("reciprocal", one(lambda x: bool((x.abs() > 0.3).all())), lambda x: 1 / x),
    Op("square_plus", one(within(-9, 9), by=number(0.3, 1)), lambda x, by: x * x + by, share=2),
    Op("where_lt", several(3, lambda a, x: x.shape == a.shape), lambda a, b, c: torch.where(a < b, b, c)),
    Op("where_le", several(3, lambda a, x: x.shape == a.shape), lambda a, b, c: torch.where(a <= b, a * c, c)),
    Op("masked_fill", several(2, lambda a, x: x.shape == a.shape, value=number(-2, 2)),
       lambda a, b, value: a.masked_fill(a < b, value)),
    Op("pow", two(lambda x: bool((x.abs() < 3).all())), lambda a, b: (a.abs() + 0.5) ** b),
    Op("pow_scalar", one(within(0.2, 20), exponent=number(-2, 3)), lambda x, exponent: x ** exponent),
    Op("cube", one(within(-5, 5)), lambda x: x ** 3),
    Op("rsqrt", one(within(0.1, 1e3)), torch.rsqrt),
    Op("erf", one(), torch.erf),
    Op("expm1", one(within(-5, 3)), torch.expm1),
    Op("log1p", one(within(-0.8, 1e3)), torch.log1p),
    Op("log2", one(within(0.2, 1e3)), torch.log2),
    Op("sin", one(within(-20, 20)), torch.sin),
    Op("cos", one(within(-20, 20)), torch.cos),
    Op("asin", one(within(-0.9, 0.9)), torch.asin),
    Op("atan", one(), torch.atan),
    Op("atan2", two(lambda x: bool((x.abs() > 0.3).all())), torch.atan2),
    Op("sinh", one(within(-4, 4)), torch.sinh),
    Op("cosh", one(within(-4, 4)), torch.cosh),
    Op("clamp", one(low=number(-1, 0), high=number(0, 1)), lambda x, low, high: x.clamp(low, high)),
    Op("gelu", one(), F.gelu),
    Op("gelu_tanh", one(), lambda x: F.gelu(x, approximate="tanh")),
    Op("silu", one(), F.silu),
    Op("softplus", one(), F.softplus),
    Op("mish", one(), F.mish),
    Op("elu", one(within(-9, 1e3), alpha=number(0.5, 2)), lambda x, alpha: F.elu(x, alpha)),
    Op("leaky_relu", one(slope=number(0, 0.5)), lambda x, slope: F.leaky_relu(x, slope)),
    # shape
    Op("pad", one(ranked(1), amounts=amounts, value=number(-1, 1)), lambda x, amounts, value: F.pad(x, backwards(amounts), value=value)),
    Op("flip", one(ranked(1), axes=axes), lambda x, axes: x.flip(axes)),
    Op("roll", one(ranked(1), at=axis_and(lambda rng, size, shape: (rng.randint(-5, 5),))), lambda x, at: x.roll(at[1], at[0])),
    Op("tile", one(lambda x: 0 < x.numel() <= 16, repeats=lambda rng, shape: [rng.randint(1, 2) for _ in shape]),
       lambda x, repeats: x.tile(repeats)),
    Op("tril", one(ranked(2)), torch.tril),
    Op("last_chunk", one(lambda x: x.dim() > 0 and x.shape[0] >= 2), lambda x: x.chunk(2)[-1]),
    Op("reshape", one(shape=another_shape), lambda x, shape: x.reshape(shape), share=2),
    Op("transpose", one(ranked(2), axis0=axis, axis1=axis), lambda x, axis0, axis1: x.transpose(axis0, axis1), share=2),
    Op("permute", one(ranked(2), order=order), lambda x, order: x.permute(order), share=2),
    Op("broadcast_to", bigger, lambda x, shape: x.broadcast_to(shape), share=2),
    Op("slice", one(ranked(1), at=axis_and(span)), lambda x, at: x[(slice(None),) * at[0] + (slice(*at[1:]),)], share=3),
    Op("select", one(ranked(1), at=axis_and(lambda rng, size, shape: (rng.randrange(size),))),
       lambda x, at: x.select(*at), share=2),
    Op("unsqueeze", one(ranked(0, 3), axis=lambda rng, shape: rng.randint(0, len(shape))), torch.unsqueeze),
    Op("squeeze", one(lambda x: 1 in x.shape, axis=lambda rng, shape: rng.choice([i for i, n in enumerate(shape) if n == 1])),
       torch.squeeze),
    Op("contiguous", one(), lambda x: x.contiguous(), share=0.5),
    Op("flatten_image", one(ranked(4, 4)), lambda x: channels_first(x).flatten(1)),
    Op("concat", several(2, lambda a, x: x.shape == a.shape, axis=axis), lambda *x, axis: torch.cat(x, axis)),
    Op("concat3", several(3, lambda a, x: x.shape[1:] == a.shape[1:] and x.dim() == a.dim()), lambda *x: torch.cat(x, 0)),
    Op("stack", several(2, lambda a, x: x.shape == a.shape and x.dim() < 4, axis=axis), lambda *x, axis: torch.stack(x, axis)),
    # reductions
    Op("sum", one(axes=axes, keepdim=flag), lambda x, axes, keepdim: x.sum(all_axes(x, axes), keepdim)),
    Op("mean", one(axes=axes, keepdim=flag), lambda x, axes, keepdim: x.mean(all_axes(x, axes), keepdim)),
    Op("max", one(lambda x: x.dim() > 0 and apart(x), axes=axes, keepdim=flag),
       lambda x, axes, keepdim: x.amax(all_axes(x, axes), keepdim)),
    Op("norm", one(lambda x: bool((x.abs() > 0.1).all()), axes=axes, keepdim=flag),
       lambda x, axes, keepdim: x.square().sum(all_axes(x, axes), keepdim).sqrt()),
    Op("var", one(lambda x: x.dim() > 0 and min(x.shape) >= 2, axes=axes, keepdim=flag),
       lambda x, axes, keepdim: x.var(all_axes(x, axes), keepdim=keepdim)),
    Op("min", one(lambda x: x.dim() > 0 and apart(x), axes=axes, keepdim=flag),
       lambda x, axes, keepdim: x.amin(all_axes(x, axes), keepdim)),
    Op("prod", one(lambda x: x.dim() > 0 and bool((x.abs() < 3).all()), axis=axis), lambda x, axis: x.prod(axis)),
    Op("stddev", one(lambda x: x.dim() > 0 and x.shape[-1] >= 2 and bool((x.var(-1) > 0.01).all())), lambda x: x.std(-1)),
    Op("cumsum", one(ranked(1), axis=axis), lambda x, axis: x.cumsum(axis)),
    # softmax family
    Op("logsumexp_over", one(ranked(1), axes=axes, keepdim=flag), lambda x, axes, keepdim: x.logsumexp(all_axes(x, axes), keepdim)),
    Op("softmax", one(ranked(1), axis=axis), lambda x, axis: x.softmax(axis), share=2),
    Op("log_softmax", one(ranked(1), axis=axis), lambda x, axis: x.log_softmax(axis)),
    Op("logsumexp", one(ranked(1)), lambda x: x.logsumexp(-1)),
    Op("cross_entropy", classes, lambda x, labels: F.cross_entropy(x, long(labels))),
    Op("l2_normalize", one(lambda x: x.dim() > 0 and bool((x.norm(dim=-1) > 0.3).all())), l2_normalize),
    # indexing
    Op("index_select", one(ranked(1), at=axis_and(indices)), lambda x, at: x.index_select(at[0], long(at[1])), share=2),
    Op("index_add", one(ranked(1), at=axis_and(lambda rng, size, shape: ([rng.randrange(3) for _ in range(size)], 3))),
       lambda x, at: torch.zeros(*x.shape[:at[0]], at[2], *x.shape[at[0] + 1:], dtype=x.dtype).index_add(at[0], long(at[1]), x)),
    Op("gather", picks, lambda x, axis, index, shape: x.gather(axis, long(index).reshape(shape))),
    Op("scatter_add", places, lambda x, axis, index, count, shape: torch.zeros(
        *x.shape[:axis], count, *x.shape[axis + 1:], dtype=x.dtype).scatter_add(axis, long(index).reshape(shape), x)),
    Op("topk", one(lambda x: x.dim() > 0 and x.shape[-1] >= 2 and apart(x)), lambda x: x.topk(2).values),
    Op("sort", one(lambda x: x.dim() > 0 and apart(x), axis=axis, descending=flag),
       lambda x, axis, descending: x.sort(axis, descending).values),
    # losses and distances
    Op("smooth_l1_loss", several(2, lambda a, x: x.shape == a.shape), F.smooth_l1_loss),
    Op("bce_with_logits", several(2, lambda a, x: x.shape == a.shape),
       lambda a, b: F.binary_cross_entropy_with_logits(a, b.sigmoid())),
    Op("cosine_similarity", several(2, lambda a, x: x.shape == a.shape and bool((x.norm(dim=-1) > 0.3).all())
                                    and bool((a.norm(dim=-1) > 0.3).all())), lambda a, b: F.cosine_similarity(a, b, dim=-1)),
    # products, images, normalisation
    Op("matmul", product, torch.matmul, share=4),
    Op("linear", affine, F.linear, share=3),
    Op("conv2d", image, lambda x, w, stride, pad: channels_last(
        F.conv2d(channels_first(x), channels_first(w), stride=stride, padding=pad)), share=3),
    Op("max_pool2d", pooling(apart), lambda x, **p: pool(F.max_pool2d, x, **p)),
    Op("avg_pool2d", pooling(), lambda x, **p: pool(F.avg_pool2d, x, **p)),
    Op("global_avg_pool", one(ranked(4, 4)), lambda x: x.mean((1, 2))),
    Op("resize", one(ranked(4, 4)), lambda x: channels_last(F.interpolate(channels_first(x), (3, 4), mode="bilinear"))),
    Op("layer_norm", normed, lambda x, w, b, relu: F.layer_norm(x, x.shape[-1:], w, b), once=True),
    Op("batch_norm", normed, lambda x, w, b, relu: batch_norm(x, w, b, True), once=True),
    Op("batch_norm_eval", normed, lambda x, w, b, relu: batch_norm(x, w, b, False)),
]


# ---- cases ----

BY_NAME = {op.name: op for op in OPS}


def evaluate(case, name, nudge=0.0):
    """Every number of a case, as lists of tensors; leaves moved by `nudge`, to see whether that matters."""
    noise = torch.Generator().manual_seed(1)
    leaves = []
    for j, shape in enumerate(case["leaves"]):
        leaf = 1.5 * unit(f"{name}/{j}", shape)
        leaves.append((leaf + nudge * torch.randn(shape, dtype=torch.float64, generator=noise)).requires_grad_())
    values = list(leaves)
    for step in case["steps"]:
        parameters = {k: v for k, v in step.items() if k not in ("op", "in")}
        values.append(BY_NAME[step["op"]].compute(*(values[k] for k in step["in"]), **parameters))
    used = {k for step in case["steps"] for k in step["in"]}
    outputs = [k for k in range(len(values)) if k not in used]
    loss = sum((values[k] * unit(f"{name}/out/{k}", values[k].shape)).sum() for k in outputs)
    twice = not any(BY_NAME[step["op"]].once for step in case["steps"])
    grads = torch.autograd.grad(loss, leaves, create_graph=twice, materialize_grads=True)
    result = {"values": [values[k] for k in outputs], "grads": grads}
    if twice:
        second = sum((g * unit(f"{name}/grad/{j}", g.shape)).sum() for j, g in enumerate(grads))
        zero = [torch.zeros_like(leaf) for leaf in leaves]
        result["second"] = (torch.autograd.grad(second, leaves, materialize_grads=True) if second.requires_grad else zero)
    return result


def steady(case, name):
    """Whether a small move of the leaves moves every number little, and all are of moderate size."""
    here, there = evaluate(case, name), evaluate(case, name, 1e-12)
    return all(bool((a - b).abs().max() < 1e-9 and a.abs().max() < 1e3)
               for key in here for a, b in zip(here[key], there[key]) if a.numel())


def leaf_shapes(rng):
    a, b, c = (rng.randint(1, 4) for _ in range(3))
    menu = [(a,), (b, a), (a, b), (c, b, a), (1, a), (b, 1), (), (a, a), (2, a, b)]
    shapes = rng.sample(menu, rng.randint(2, 4))
    if rng.random() < 0.25:  # images, and weights that fit
        shapes += [(2, 4, 3, a), (2, 2, 2, a)]
    return shapes


def draw_case(rng, name):
    g = Graph(rng)
    case = {"leaves": [list(shape) for shape in leaf_shapes(rng)], "steps": g.steps}
    g.values = [1.5 * unit(f"{name}/{j}", shape) for j, shape in enumerate(case["leaves"])]
    wanted = rng.randint(5, 14)
    while len(g.steps) < wanted:
        op = rng.choices(OPS, [op.share for op in OPS])[0]
        drawn = op.sample(g)
        if drawn is None:
            continue
        inputs, parameters = drawn
        value = op.compute(*(g.values[k] for k in inputs), **parameters)
        if value.numel() > Graph.LARGEST or value.dim() > Graph.RANK or not bool(value.abs().max() < 30):
            continue
        g.steps.append({"op": op.name, "in": inputs, **parameters})
        g.used.update(inputs)
        g.values.append(value)
    return case


def rows(tensors):
    return [(t.detach() + torch.zeros(())).flatten().tolist() for t in tensors]  # + 0: a zero without storage gets one


def make(seed, count):
    cases, counts = [], dict.fromkeys(BY_NAME, 0)
    while len(cases) < count:
        name, attempt = f"{seed}/{len(cases)}", 0
        while True:
            case = draw_case(random.Random(f"{name}/{attempt}"), name)
            if steady(case, name):
                break
            attempt += 1
        cases.append(case | {key: rows(found) for key, found in evaluate(case, name).items()})
        for step in case["steps"]:
            counts[step["op"]] += 1
    return cases, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "expressions.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases, counts = make(arguments.seed, arguments.count)
    head = {"torch": torch.__version__, "seed": arguments.seed}
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    arguments.out.write_text(f'{json.dumps(head)[:-1]}, "cases": [\n{lines}\n]}}\n')
    print(f"{arguments.out}: {len(cases)} cases, {sum(counts.values())} steps, "
          f"{sum('second' in case for case in cases)} with second gradients, {arguments.out.stat().st_size // 1024} KiB")
    print(" ".join(f"{name}:{n}" for name, n in sorted(counts.items(), key=lambda item: item[1])))


if __name__ == "__main__":
    main()
