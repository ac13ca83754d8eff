#!/usr/bin/env python3
"""PyTorch as a peer of Tessera's benchmark: asked for one timed repetition at a time, so that both take turns.

tessera-bench starts this script and talks to it over its standard input and output: one JSON object a line each way, an
answer to every request, in order. Nothing else is ever printed on standard output.

    request                          answer
    {"hello": 1, "threads": 2}       {"peer": "PyTorch", "version": "2.9.0", "threads": 2, "flags": "...",
                                      "cases": ["sgemm_1024", ...]}
    {"name": "sgemm_1024"}           {"name": "sgemm_1024", "seconds": 0.0191}
    {"name": "unknown"}              {"name": "unknown", "error": "..."}
    end of input                     the script ends

"threads" may be left out (then PyTorch chooses). The first request for a case builds its data and runs it once without
the clock; the data stays until another case is asked for. After the clock has stopped, the answer waits until PyTorch's
worker threads have left their spinning wait, which would otherwise take the cores from whoever measures next.

Cases (float32, eager, images in channels_last):

    sgemm_N                    C = A B with N x N matrices, into an existing C; N is 256, 512, 1024 or 2048
    conv3x3_fwd_CxS            3x3 convolution, padding 1, no bias, C to C channels, S x S pixels, 128 images
    conv3x3_fwdbwd_CxS         the same forward, then both gradients (of the images and of the weights)
    batch_norm_relu_fwd_64x32  batch norm in training, then relu in place: 256 images, 64 channels, 32 x 32 pixels
    batch_norm_relu_fwdbwd_64x32
                               the same forward, then the gradients of images, weight and bias
    simclr_resnet18_step       a whole SimCLR training step: 128 samples of 32 x 32, two views each (256 images through
                               ResNet-18 with a 3x3 stem of stride 1 and no max-pool, width 64; projector 512 - 512 - 128
                               with batch norm after both layers; NT-Xent at 0.5), backward, and SGD with momentum 0.9 and
                               weight decay 1e-4 on every parameter

    tape_1000_muls             y = y * w a thousand times with four elements each, then the gradients of the first y and of
                               w: what recording and walking the tape costs (Python's own share included)

C x S is 64x32, 128x16, 256x8 or 512x4.
"""

import argparse
import json
import platform
import sys
import time

import torch
import torchvision
from torch import nn
from torch.nn import functional

SETTLE_SECONDS = 0.03


def sgemm(size):
    a, b, c = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    return lambda: torch.mm(a, b, out=c)


def conv3x3(channels, size, backward):
    images = torch.randn(128, channels, size, size).to(memory_format=torch.channels_last).requires_grad_(backward)
    weight = torch.randn(channels, channels, 3, 3).mul_(0.05).to(memory_format=torch.channels_last)
    weight.requires_grad_(backward)
    grad = torch.randn(128, channels, size, size).to(memory_format=torch.channels_last)

    def forward_backward():
        return torch.autograd.grad(functional.conv2d(images, weight, padding=1), (images, weight), grad)

    def forward():
        with torch.no_grad():
            return functional.conv2d(images, weight, padding=1)

    return forward_backward if backward else forward


def batch_norm_relu(backward):
    images = torch.randn(256, 64, 32, 32).to(memory_format=torch.channels_last).requires_grad_(backward)
    weight, bias = torch.ones(64).requires_grad_(backward), torch.zeros(64).requires_grad_(backward)
    mean, variance = torch.zeros(64), torch.ones(64)
    grad = torch.randn(256, 64, 32, 32).to(memory_format=torch.channels_last)

    def forward():
        normed = functional.batch_norm(images, mean, variance, weight, bias, training=True)
        return functional.relu(normed, inplace=True)

    def forward_without_tape():
        with torch.no_grad():
            return forward()

    return (lambda: torch.autograd.grad(forward(), (images, weight, bias), grad)) if backward else forward_without_tape


def nt_xent(projection, temperature):
    z = functional.normalize(projection, dim=1)
    rows = len(z)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(rows, dtype=torch.bool), float("-inf"))
    return functional.cross_entropy(logits, (torch.arange(rows) + rows // 2) % rows)


def simclr_step():
    encoder = torchvision.models.resnet18()
    encoder.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    encoder.maxpool = nn.Identity()
    encoder.fc = nn.Sequential(nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(),
                               nn.Linear(512, 128, bias=False), nn.BatchNorm1d(128))
    model = encoder.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(256, 3, 32, 32).to(memory_format=torch.channels_last)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = nt_xent(model(images), 0.5)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def tape():
    x, w, grad = torch.ones(4, requires_grad=True), torch.ones(4, requires_grad=True), torch.ones(4)

    def step():
        y = x
        for _ in range(1000):
            y = y * w
        return torch.autograd.grad(y, (x, w), grad)

    return step


def make_cases():
    cases = {f"sgemm_{n}": lambda n=n: sgemm(n) for n in (256, 512, 1024, 2048)}
    for channels, size in ((64, 32), (128, 16), (256, 8), (512, 4)):
        for kind, backward in (("fwd", False), ("fwdbwd", True)):
            cases[f"conv3x3_{kind}_{channels}x{size}"] = (
                lambda c=channels, s=size, b=backward: conv3x3(c, s, b))
    for kind, backward in (("fwd", False), ("fwdbwd", True)):
        cases[f"batch_norm_relu_{kind}_64x32"] = lambda b=backward: batch_norm_relu(b)
    return cases | {"simclr_resnet18_step": simclr_step, "tape_1000_muls": tape}


class Peer:
    """Keeps the case in hand between requests."""

    def __init__(self):
        self.cases, self.name, self.body = make_cases(), None, None

    def hello(self, request):
        if "threads" in request:
            torch.set_num_threads(int(request["threads"]))
        return {"peer": "PyTorch", "version": torch.__version__, "threads": torch.get_num_threads(),
                "flags": f"eager, float32, channels_last, {torch.backends.cpu.get_cpu_capability()}, "
                         f"torchvision {torchvision.__version__}, Python {platform.python_version()}",
                "cases": list(self.cases)}

    def measure(self, name):
        if name not in self.cases:
            return {"name": name, "error": f"no such case; there are: {' '.join(self.cases)}"}
        if name != self.name:
            self.body = None  # frees the last case before the next is built
            torch.manual_seed(0)
            self.name, self.body = name, self.cases[name]()
            self.body()
        start = time.perf_counter()
        self.body()
        seconds = time.perf_counter() - start
        time.sleep(SETTLE_SECONDS)
        return {"name": name, "seconds": seconds}

    def answer(self, line):
        try:
            request = json.loads(line)
            return self.hello(request) if "hello" in request else self.measure(request["name"])
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"not a request: {line.strip()!r} ({error!r}); the head of {__file__} tells them"}


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    peer = Peer()
    for line in sys.stdin:
        print(json.dumps(peer.answer(line)), flush=True)


if __name__ == "__main__":
    main()
