#!/usr/bin/env python3
"""torchvision's ResNet-18 on weights from a formula: logits and all gradients, for a comparison without PyTorch.

    resnet18.py            writes resnet18.json beside this script
    resnet18.py --float32  how far PyTorch itself is from that file in single precision
    resnet18.py --margins  how the number in the images' name was chosen (see the end)

Eleven million weights are too many to keep in a repository, so both sides compute them. Every value in play comes from

    hash(name, i) = splitmix64(fnv1a(name) + i)                              64-bit unsigned, wrapping
    unit(name, i) = (hash(name, i) >> 40) / 2^23 - 1                         in [-1, 1), exact in float32

where fnv1a is the 64-bit FNV-1a of the name's bytes (offset 0xcbf29ce484222325, prime 0x100000001b3), and splitmix64(x)
    x += 0x9e3779b97f4a7c15
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb
    x ^ (x >> 31).
`name` is the tensor's torchvision name and i the index of the element in PyTorch's layout ([out, in, kh, kw] for
convolutions), flattened row by row. Then element i of a tensor is

    weights of convolutions and fc.weight   s * unit; s the largest power of two with s * s * fan_in <= 6,
                                            fan_in = in * kh * kw
    batch norm's weight, running_var        1 + unit / 4
    all others (biases, running_mean)       unit / 4
    the images [N, 3, H, W]                 unit of the case's "input" name, which also is in the file

All are exact in float32. The network is in training mode, has 10 classes and in the case "cifar" a 3x3 stem of stride
1, padding 1 (its weight is conv1.weight too) and no max-pool. The loss is sum_i logits_i * unit("grad_logits", i) over
the logits [N, 10].

The file has the logits in full, and three numbers for each gradient (the images' is called "input"), and for each
running statistic after the pass:

    [norm, dot with unit("a:" + name, i), dot with unit("b:" + name, i)]

To compare: both dots and the norm may be off by tolerance * norm. A wrong tensor passes only if its error is orthogonal
to two random vectors and keeps the norm.

The images' name ends in a number. Where an activation before a ReLU lies so near zero that rounding flips its sign, the
gradient jumps, and no tolerance is right; so too for the two largest values of a pooling window. The number is the one
of the first hundred that keeps all of them farthest away, in units of float32's own error in that layer.
"""

import argparse
import json
import pathlib

import numpy
import torch
import torchvision
from torch import nn

CASES = {"imagenet": {"input": "input/94", "shape": [4, 3, 48, 48]}, "cifar": {"input": "input/5", "shape": [4, 3, 16, 16]}}
MASK = (1 << 64) - 1


def unit(name, shape):
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) & MASK
    count = int(numpy.prod(shape))
    x = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(start)  # arrays of unsigned integers wrap
    x += numpy.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    x ^= x >> numpy.uint64(31)
    return torch.from_numpy((x >> numpy.uint64(40)).astype(numpy.float64) / 2.0**23 - 1).view(tuple(shape))


def formula(name, tensor):
    if tensor.ndim > 1:
        scale, fan_in = 1.0, tensor[0].numel()
        while scale * scale * fan_in > 6:
            scale /= 2
        return scale * unit(name, tensor.shape)
    one = name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1)
    return unit(name, tensor.shape) / 4 + (1 if one else 0)


def make_network(case):
    network = torchvision.models.resnet18(num_classes=10)
    if case == "cifar":
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        network.maxpool = nn.Identity()
    network = network.double()
    state = network.state_dict()
    network.load_state_dict({k: v if k.endswith("num_batches_tracked") else formula(k, v) for k, v in state.items()})
    return network.train()


def run(case, settings, dtype):
    """Logits, and every gradient and running statistic by name, as float64."""
    network = make_network(case).to(dtype)
    images = unit(settings["input"], settings["shape"]).to(dtype).requires_grad_()
    logits = network(images)
    (logits * unit("grad_logits", logits.shape).to(dtype)).sum().backward()
    gradients = {"input": images.grad, **{name: p.grad for name, p in network.named_parameters()}}
    statistics = {name: b for name, b in network.named_buffers() if "running" in name}
    return logits.detach().double(), {k: v.double() for k, v in (gradients | statistics).items()}


def checksum(name, tensor):
    return [tensor.norm().item(), (tensor * unit("a:" + name, tensor.shape)).sum().item(),
            (tensor * unit("b:" + name, tensor.shape)).sum().item()]


def describe(case, settings):
    logits, tensors = run(case, settings, torch.float64)
    is_statistic = lambda name: "running" in name
    return {**settings, "logits": logits.tolist(),
            "gradients": {k: checksum(k, v) for k, v in tensors.items() if not is_statistic(k)},
            "statistics": {k: checksum(k, v) for k, v in tensors.items() if is_statistic(k)}}


def compare_float32(file):
    for case, golden in json.loads(file.read_text()).items():
        logits, tensors = run(case, golden, torch.float32)
        want = torch.tensor(golden["logits"], dtype=torch.float64)
        print(f"{case}: logits off by {((logits - want).norm() / want.norm()).item():.1e} of their norm")
        off = {}
        for name, (norm, a, b) in (golden["gradients"] | golden["statistics"]).items():
            ours = checksum(name, tensors[name])
            off[name] = max(abs(x - y) for x, y in zip(ours, (norm, a, b))) / norm
        worst = max(off, key=off.get)
        print(f"{case}: {len(off)} tensors, the worst off by {off[worst]:.1e} of its norm ({worst})")


def decisions(case, settings, dtype):
    """By layer: everything whose sign decides where gradients flow, as float64."""
    network, found = make_network(case).to(dtype), {}

    def before_relu(module, inputs):  # torchvision runs one ReLU module of a block twice: count the calls
        found[len(found)] = inputs[0].detach().double().clone()

    def before_pool(module, inputs):
        x = inputs[0].detach().double()
        windows = nn.functional.unfold(x, 3, padding=1, stride=2).view(len(x), x.shape[1], 9, -1)
        top = windows.topk(2, dim=2).values
        found[len(found)] = (top[:, :, 0] - top[:, :, 1])[top[:, :, 0] > 0]  # zeros tie, but carry no gradient

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(before_relu)
        elif isinstance(module, nn.MaxPool2d):
            module.register_forward_pre_hook(before_pool)
    network(unit(settings["input"], settings["shape"]).to(dtype))
    return found


def margin(case, settings):
    """The smallest distance of a decision from flipping, over the largest error that float32 makes in its layer."""
    exact, rounded = (decisions(case, settings, dtype) for dtype in (torch.float64, torch.float32))
    return min((exact[i].abs().min() / (exact[i] - rounded[i]).abs().max()).item() for i in exact)


def search_margins(case, settings, candidates=100):
    margins = {f"input/{i}": margin(case, {**settings, "input": f"input/{i}"}) for i in range(candidates)}
    for name, value in sorted(margins.items(), key=lambda item: -item[1])[:5]:
        print(f"{case}: {name} keeps {value:.2f} times float32's error")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--margins", action="store_true")
    file = pathlib.Path(__file__).with_suffix(".json")
    torch.set_num_threads(1)
    arguments = parser.parse_args()
    if arguments.margins:
        for case, settings in CASES.items():
            search_margins(case, settings)
    elif arguments.float32:
        compare_float32(file)
    else:
        file.write_text(json.dumps({case: describe(case, s) for case, s in CASES.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
