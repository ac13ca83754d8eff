#!/usr/bin/env python3
"""Golden values of the spatial ops, from PyTorch in float64. Writes tests/golden/spatial.json. Needs torch.

Element i of input number k (from 0) of a case, in the order NHWC (convolution weights [out, kh, kw, in/groups]; grids
[N, H', W', 2]), is sin(1.7 i + k) + 0.3 sin(0.37 i); grids are half as large again. Both sides compute it. Values are
the op's result in the order NHWC.
"""
import itertools
import json
import pathlib

import torch
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent


def numbers(shape, which, scale=1.0):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * (torch.sin(1.7 * i + which) + 0.3 * torch.sin(0.37 * i))).reshape(shape)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def case(op, shapes, params, y):
    y = y.permute(0, 2, 3, 1)
    return {"op": op, "inputs": shapes, "params": params, "shape": list(y.shape),
            "values": [float(f"{v:.15g}") for v in y.flatten().tolist()]}


def resizes():
    for shape, size in (([1, 4, 5, 2], [7, 3]), ([1, 3, 2, 1], [3, 6]), ([1, 9, 7, 1], [4, 2])):
        x = nchw(numbers(shape, 0))
        yield case("resize", [shape], {"size": size, "mode": "nearest", "align": False, "antialias": False},
                   F.interpolate(x, size, mode="nearest"))
        for mode, align, antialias in itertools.product(("bilinear", "bicubic"), (False, True), (False, True)):
            yield case("resize", [shape], {"size": size, "mode": mode, "align": align, "antialias": antialias},
                       F.interpolate(x, size, mode=mode, align_corners=align, antialias=antialias))


def grid_samples():
    shapes = [1, 4, 3, 2], [1, 3, 3, 2]
    x, grid = nchw(numbers(shapes[0], 0)), numbers(shapes[1], 1, 1.5)
    for mode, padding, align in itertools.product(("bilinear", "nearest", "bicubic"),
                                                  ("zeros", "border", "reflection"), (False, True)):
        yield case("grid_sample", list(shapes), {"mode": mode, "padding": padding, "align": align},
                   F.grid_sample(x, grid, mode=mode, padding_mode=padding, align_corners=align))


def pools():
    shape = [1, 7, 6, 2]
    x = nchw(numbers(shape, 0))
    for kernel, stride, pad, dilation, ceil in (
        ([2, 2], [2, 2], [0, 0], [1, 1], False),
        ([3, 2], [2, 3], [1, 1], [1, 1], True),
        ([3, 4], [3, 2], [1, 2], [1, 1], True),
        ([2, 3], [1, 2], [1, 1], [3, 2], False),
        ([3, 2], [2, 2], [1, 0], [2, 3], True),
    ):
        params = {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation, "ceil": ceil}
        yield case("max_pool2d", [shape], params, F.max_pool2d(x, kernel, stride, pad, dilation, ceil))
        for count_pad in (True, False):
            if dilation == [1, 1]:
                yield case("avg_pool2d", [shape], params | {"count_pad": count_pad},
                           F.avg_pool2d(x, kernel, stride, pad, ceil, count_pad))
    for size in ([1, 1], [3, 4], [9, 5]):
        yield case("adaptive_avg_pool2d", [shape], {"size": size}, F.adaptive_avg_pool2d(x, size))
        yield case("adaptive_max_pool2d", [shape], {"size": size}, F.adaptive_max_pool2d(x, size))


def convolutions():
    for shape, weight, stride, pad, dilation, groups in (
        ([1, 5, 6, 4], [2, 3, 2, 4], [2, 1], [1, 0], [1, 2], 1),
        ([1, 5, 4, 4], [6, 3, 3, 2], [1, 2], [1, 2], [1, 1], 2),
        ([1, 6, 5, 3], [3, 3, 3, 1], [2, 2], [1, 1], [1, 1], 3),
        ([1, 5, 5, 3], [6, 2, 3, 1], [1, 1], [1, 2], [2, 1], 3),
    ):
        x, w, b = nchw(numbers(shape, 0)), nchw(numbers(weight, 1)), numbers(weight[:1], 2)
        params = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
        yield case("conv2d", [shape, weight, weight[:1]], params, F.conv2d(x, w, b, stride, pad, dilation, groups))


def transposed_convolutions():
    for shape, weight, stride, pad, output_pad, dilation, groups in (
        ([1, 3, 2, 2], [2, 3, 2, 3], [1, 1], [0, 1], [0, 0], [1, 1], 1),
        ([1, 3, 2, 4], [4, 3, 3, 1], [2, 3], [1, 1], [1, 2], [1, 1], 2),
        ([1, 2, 3, 3], [3, 3, 2, 1], [2, 2], [1, 0], [0, 1], [2, 3], 3),
    ):
        bias = [weight[3] * groups]
        # PyTorch's [in, out/groups, kh, kw] is our [in, kh, kw, out/groups] permuted as an image is.
        x, w, b = nchw(numbers(shape, 0)), nchw(numbers(weight, 1)), numbers(bias, 2)
        params = {"stride": stride, "pad": pad, "output_pad": output_pad, "dilation": dilation, "groups": groups}
        yield case("conv_transpose2d", [shape, weight, bias], params,
                   F.conv_transpose2d(x, w, b, stride, pad, output_pad, groups, dilation))


def main():
    cases = [*resizes(), *grid_samples(), *pools(), *convolutions(), *transposed_convolutions()]
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in cases)
    (HERE / "spatial.json").write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
