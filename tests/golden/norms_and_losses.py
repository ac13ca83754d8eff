#!/usr/bin/env python3
"""Golden values of norms, losses, distances, order and padding, from PyTorch in float64, with all gradients.
Writes tests/golden/norms_and_losses.json. Needs torch.

Element i of floating input k of case number c is scale * unit("c.k", i) + shift, with unit as in resnet18.py; the
gradients are those of the sum of the result times unit("c.upstream", i), null where PyTorch has none. Labels are
(3 i + 1) mod n. Images are NHWC.
"""
import json
import pathlib

import torch
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def filled(name, shape, scale=1.0, shift=0.0):
    name_hash = 0xCBF29CE484222325
    for byte in name.encode():
        name_hash = ((name_hash ^ byte) * 0x100000001B3) & MASK
    count = torch.Size(shape).numel()
    values = [(splitmix64((name_hash + i) & MASK) >> 40) / (1 << 23) - 1 for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape) * scale + shift


def labels(shape, classes):
    return ((3 * torch.arange(torch.Size(shape).numel()) + 1) % classes).reshape(shape)


def nchw(f):
    return lambda x, *rest: f(x.permute(0, 3, 1, 2), *rest).permute(0, 2, 3, 1)


def shape(*sizes, scale=1.0, shift=0.0):
    return {"shape": list(sizes), "scale": scale, "shift": shift}


def share(*sizes):
    return shape(*sizes, scale=0.45, shift=0.5)


def norms():
    yield "layer_norm", {"axes": 1}, [shape(3, 4, 5), shape(5), shape(5)], lambda x, w, b: F.layer_norm(x, [5], w, b)
    yield ("layer_norm", {"axes": 2}, [shape(3, 4, 5, shift=7), shape(4, 5), shape(4, 5)],
           lambda x, w, b: F.layer_norm(x, [4, 5], w, b))
    yield "rms_norm", {}, [shape(3, 5), shape(5)], lambda x, w: F.rms_norm(x, [5], w, 1e-6)
    yield ("group_norm", {"groups": 3}, [shape(2, 3, 2, 6), shape(6), shape(6)],
           nchw(lambda x, w, b: F.group_norm(x, 3, w, b)))
    yield ("instance_norm", {}, [shape(2, 3, 3, 4), shape(4), shape(4)],
           nchw(lambda x, w, b: F.instance_norm(x, weight=w, bias=b)))
    for axis, size in ((0, 3), (1, 2)):
        yield ("weight_norm", {"axis": axis}, [shape(3, 2, 4), shape(size)],
               lambda v, g, a=axis: torch._weight_norm(v, g.reshape([-1 if i == a else 1 for i in range(3)]), a))
    yield ("weight_standardize", {}, [shape(3, 2, 2, 4)],
           lambda w: F.batch_norm(w.reshape(1, 3, -1), None, None, training=True, eps=1e-6).reshape(w.shape))


def label_losses():
    rows = [shape(6, 4, scale=3)]
    weight = torch.tensor([0.5, 0.75, 1.0, 1.25], dtype=torch.float64)
    y = labels([6], 4)
    for smoothing, weighted, ignored, reduction in ((0, False, -100, "mean"), (0.1, True, -100, "mean"),
                                                    (0.2, True, 3, "mean"), (0.3, False, 1, "none"),
                                                    (0, True, 0, "sum")):
        params = {"smoothing": smoothing, "weighted": weighted, "ignored": ignored, "reduction": reduction}
        w = weight if weighted else None
        yield ("cross_entropy", params, rows,
               lambda x, w=w, s=smoothing, i=ignored, r=reduction:
               F.cross_entropy(x, y, w, ignore_index=i, reduction=r, label_smoothing=s))
        yield ("nll_loss", params, rows,
               lambda x, w=w, i=ignored, r=reduction: F.nll_loss(x, y, w, ignore_index=i, reduction=r))
        yield ("cross_entropy_probabilities", params, [shape(6, 4, scale=3), share(6, 4)],
               lambda x, t, w=w, s=smoothing, r=reduction:
               F.cross_entropy(x, t, w, reduction=r, label_smoothing=s))


def element_losses():
    pair = [shape(3, 4, scale=2), shape(3, 4, scale=2)]
    for reduction in ("mean", "sum", "none"):
        r = {"reduction": reduction}
        yield "mse_loss", r, pair, lambda a, b, r=reduction: F.mse_loss(a, b, reduction=r)
        yield "l1_loss", r, pair, lambda a, b, r=reduction: F.l1_loss(a, b, reduction=r)
        yield "smooth_l1_loss", r, pair, lambda a, b, r=reduction: F.smooth_l1_loss(a, b, beta=0.7, reduction=r)
        yield "huber_loss", r, pair, lambda a, b, r=reduction: F.huber_loss(a, b, delta=1.3, reduction=r)
        yield ("binary_cross_entropy", r, [share(3, 4), share(3, 4)],
               lambda p, t, r=reduction: F.binary_cross_entropy(p, t, reduction=r))
        yield ("binary_cross_entropy_with_logits", r, [shape(3, 4, scale=5), share(3, 4), shape(4, shift=2)],
               lambda x, t, w, r=reduction:
               F.binary_cross_entropy_with_logits(x, t, pos_weight=w.detach(), reduction=r))
    for reduction in ("batchmean", "sum", "none"):
        yield ("kl_div", {"reduction": reduction, "log": False}, [shape(3, 4, shift=-1), share(3, 4)],
               lambda p, t, r=reduction: F.kl_div(p, t, reduction=r))
        yield ("kl_div", {"reduction": reduction, "log": True}, [shape(3, 4, shift=-1), shape(3, 4, shift=-1)],
               lambda p, t, r=reduction: F.kl_div(p, t, reduction=r, log_target=True))


def others():
    for axis in (0, 1):
        yield ("cosine_similarity", {"axis": axis}, [shape(3, 4), shape(3, 4)],
               lambda a, b, axis=axis: F.cosine_similarity(a, b, axis))
    for p in (1.0, 2.0, 3.5, float("inf")):
        name = "inf" if p == float("inf") else p
        yield ("cdist", {"p": name}, [shape(2, 3, 4), shape(2, 5, 4)],
               lambda a, b, p=p: torch.cdist(a, b, p, "donot_use_mm_for_euclid_dist"))
    for axis, descending in ((0, False), (1, True)):
        yield ("sort", {"axis": axis, "descending": descending}, [shape(4, 5)],
               lambda x, a=axis, d=descending: torch.sort(x, a, d).values)
        yield ("topk", {"axis": axis, "largest": descending}, [shape(4, 5)],
               lambda x, a=axis, d=descending: torch.topk(x, 3, a, d).values)
    for mode in ("constant", "reflect", "replicate"):
        yield ("pad", {"mode": mode}, [shape(1, 4, 3, 2)],
               nchw(lambda x, m=mode: F.pad(x, (2, 1, 0, 3), m, 0.25 if m == "constant" else None)))
    index = labels([2, 4], 5)
    yield "embedding", {}, [shape(5, 3)], lambda w: F.embedding(index, w, padding_idx=2)


def rounded(x):
    return [float(f"{v:.15g}") for v in x.flatten().tolist()]


def main():
    entries = []
    for number, (op, params, inputs, f) in enumerate(
            case for group in (norms, label_losses, element_losses, others) for case in group()):
        leaves = [filled(f"{number}.{k}", i["shape"], i["scale"], i["shift"]).requires_grad_()
                  for k, i in enumerate(inputs)]
        y = f(*leaves)
        grads = torch.autograd.grad((y * filled(f"{number}.upstream", y.shape)).sum(), leaves, allow_unused=True)
        entries.append({"op": op, "params": params, "inputs": inputs, "shape": list(y.shape), "values": rounded(y),
                        "grads": [None if g is None else rounded(g) for g in grads]})
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    path = HERE / "norms_and_losses.json"
    path.write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(entries)} cases in {path}")


if __name__ == "__main__":
    main()
