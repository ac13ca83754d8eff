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

"threads" may be left out (then PyTorch chooses); "device": "cuda" asks for the cases of a GPU. The first request for a case builds its data and runs it once without
the clock; the data stays until another case is asked for. After the clock has stopped, the answer waits until PyTorch's
worker threads have left their spinning wait, which would otherwise take the cores from whoever measures next.

Cases (float32, eager, images in channels_last):

    sgemm_N                    C = A B with N x N matrices, into an existing C; N is 256, 512, 1024 or 2048
    conv3x3_fwd_CxS            3x3 convolution, padding 1, no bias, C to C channels, S x S pixels, 128 images
    conv3x3_fwdbwd_CxS         the same forward, then both gradients (of the images and of the weights)
    conv1x1_fwd_256x16         1x1 convolution of 128 images, no bias; then _fwdbwd_ as above
    conv3x3_groups8_fwd_128x28
                               3x3 convolution in 8 groups, padding 1, of 32 images; then _fwdbwd_
    depthwise3x3_fwd_128x28    3x3 convolution in 128 groups of one channel, padding 1, of 32 images; then _fwdbwd_
    max_pool3x3s2_64x112_fwd   3x3 max-pool of stride 2, padding 1: 32 images, 64 channels, 112 x 112; then _fwdbwd
    resize2x_64x56_fwd         bilinear to twice the size: 32 images, 64 channels, 56 x 56; then _fwdbwd
    batch_norm_relu_fwd_64x32  batch norm in training, then relu in place: 256 images, 64 channels, 32 x 32 pixels
    batch_norm_relu_fwdbwd_64x32
                               the same forward, then the gradients of images, weight and bias
    attention_fwd_N            scaled_dot_product_attention, batch 8, 3 heads of size 64, N = 197 or 1024 tokens
    attention_fwdbwd_N         the same forward, then the gradients of queries, keys and values
    vit_tiny_step              a training step of ViT-Tiny/16 (192 wide, 12 deep, 3 heads) on 16 images of 224 x 224: forward,
                               cross-entropy of 1000 classes, backward, and SGD with momentum 0.9 and weight decay 1e-4
    simclr_resnet18_step       a whole SimCLR training step: 128 samples of 32 x 32, two views each (256 images through
                               ResNet-18 with a 3x3 stem of stride 1 and no max-pool, width 64; projector 512 - 512 - 128
                               with batch norm after both layers; NT-Xent at 0.5), backward, and SGD with momentum 0.9 and
                               weight decay 1e-4 on every parameter

    op_NAME                    one op without a tape, on the tensors of its OpCase's benchmark (tests/ops/)
    sum_axis_A                 sums of a 4096 x 4096 matrix along axis A, 0 or 1
    layer_norm_fwdbwd          8192 rows of 384, then the gradients of rows, weight and bias
    group_norm_fwdbwd          64 images of 64 channels in 8 groups, 32 x 32 pixels, then the same gradients
    cross_entropy_fwdbwd       the mean over 4096 rows of 1000 logits, then their gradient
    embedding_fwdbwd           64 x 256 of 32000 rows of 384, then the (dense) gradient of the rows
    dropout_fwdbwd             8192 x 384 with probability 0.1, then the gradient
    cdist_fwdbwd               1024 x 1024 Euclidean distances of vectors of 128, then both gradients
    tape_1000_muls             y = y * w a thousand times with four elements each, then the gradients of the first y and of
                               w: what recording and walking the tape costs (Python's own share included)

C x S is 64x32, 128x16, 256x8 or 512x4. On a GPU the same, without TF32, a repetition being ten in a row, and also

    attention_fwd_bfloat16_N   as above in bfloat16, N = 197, 1024 or 4096 tokens; then _fwdbwd_
    simclr_resnet18_step_bfloat16_library, simclr_resnet18_step_bfloat16_handwritten
                               the step above with 512 samples, under autocast in bfloat16, by torch.compile
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

SETTLE_SECONDS = WAKE_SECONDS = 0.03


def sgemm(size):
    a, b, c = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    return lambda: torch.mm(a, b, out=c)


def channels_last(*shape):
    return torch.randn(*shape).to(memory_format=torch.channels_last)


def convolution(images, channels, size, kernel, groups, backward):
    x = channels_last(images, channels, size, size).requires_grad_(backward)
    weight = torch.randn(channels, channels // groups, kernel, kernel).mul_(0.05)
    weight = weight.to(memory_format=torch.channels_last).requires_grad_(backward)
    grad = channels_last(images, channels, size, size)

    def forward_backward():
        y = functional.conv2d(x, weight, padding=kernel // 2, groups=groups)
        return torch.autograd.grad(y, (x, weight), grad)

    def forward():
        with torch.no_grad():
            return functional.conv2d(x, weight, padding=kernel // 2, groups=groups)

    return forward_backward if backward else forward


def of_images(function, shape, backward):
    x = channels_last(*shape).requires_grad_(backward)
    grad = channels_last(*function(x.detach()).shape)

    def forward():
        with torch.no_grad():
            return function(x)

    return (lambda: torch.autograd.grad(function(x), x, grad)) if backward else forward


def max_pool(x):
    return functional.max_pool2d(x, 3, 2, 1)


def resize_twice(x):
    return functional.interpolate(x, scale_factor=2, mode="bilinear")


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


def attention(tokens, backward, dtype=torch.float32):
    heads = [torch.randn(8, 3, tokens, 64, dtype=dtype, requires_grad=backward) for _ in range(3)]
    upstream = torch.randn(8, 3, tokens, 64, dtype=dtype)

    def forward():
        with torch.no_grad():
            return functional.scaled_dot_product_attention(*heads)

    def forward_backward():
        return torch.autograd.grad(functional.scaled_dot_product_attention(*heads), heads, upstream)

    return forward_backward if backward else forward


def vit_step():
    model = torchvision.models.VisionTransformer(224, 16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768)
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images, labels = torch.randn(16, 3, 224, 224), torch.randint(1000, (16,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def nt_xent(projection, temperature):
    z = functional.normalize(projection, dim=1)
    rows = len(z)
    itself = torch.eye(rows, dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(itself, float("-inf"))
    return functional.cross_entropy(logits, (torch.arange(rows, device=z.device) + rows // 2) % rows)


def simclr_step(device="cpu", samples=128, compiled=False):
    encoder = torchvision.models.resnet18()
    encoder.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    encoder.maxpool = nn.Identity()
    encoder.fc = nn.Sequential(nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(),
                               nn.Linear(512, 128, bias=False), nn.BatchNorm1d(128))
    model = encoder.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(2 * samples, 3, 32, 32).to(device, memory_format=torch.channels_last)

    def loss_of(images):
        with torch.autocast(device, torch.bfloat16, enabled=compiled):
            return nt_xent(model(images), 0.5)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(images)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def op_cases():
    def pointwise(function, *draws):
        tensors = [draw(256, 32, 32, 64) for draw in draws]
        return lambda: function(*tensors)

    def positive(*shape):
        return torch.rand(*shape) * 1.5 + 0.5

    def mask(*shape):
        return torch.rand(*shape) < 0.5

    def reduction(function, *shape):
        tensor = torch.randn(*shape)
        return lambda: function(tensor)

    randn = torch.randn
    unary = {"exp": torch.exp, "tanh": torch.tanh, "sin": torch.sin, "erf": torch.erf, "sigmoid": torch.sigmoid,
             "gelu": functional.gelu, "silu": functional.silu, "relu": functional.relu, "abs": torch.abs,
             "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"), "softplus": functional.softplus,
             "clamp": lambda x: torch.clamp(x, -0.7, 1.2)}
    binary = {"add": torch.add, "mul": torch.mul, "lt": torch.lt, "maximum": torch.maximum}
    cases = {name: lambda f=f: pointwise(f, randn) for name, f in unary.items()}
    cases |= {name: lambda f=f: pointwise(f, randn, randn) for name, f in binary.items()}
    cases |= {"log": lambda: pointwise(torch.log, positive), "pow": lambda: pointwise(torch.pow, positive, positive),
              "where": lambda: pointwise(lambda a, b, c: torch.where(c, a, b), randn, randn, mask),
              "sum": lambda: reduction(torch.sum, 256, 1024, 64), "max": lambda: reduction(torch.amax, 256, 1024, 64),
              "argmax": lambda: reduction(lambda x: torch.argmax(x, 0), 512, 1, 4096),
              "norm": lambda: reduction(torch.linalg.vector_norm, 256, 1024, 64),
              "cumsum": lambda: reduction(lambda x: torch.cumsum(x, 2), 16, 1024, 1024),
              "sort": lambda: reduction(lambda x: torch.sort(x, 2), 256, 1, 4096),
              "topk": lambda: reduction(lambda x: torch.topk(x, 5, 2), 256, 1, 50000),
              "flip": lambda: reduction(lambda x: torch.flip(x, (0, 1)), 4096, 4096)}
    return {f"op_{name}": case for name, case in cases.items()}


def forward_backward(function, *shapes):
    leaves = [torch.randn(*shape).requires_grad_() for shape in shapes]
    upstream = torch.randn_like(function(*leaves))
    return lambda: torch.autograd.grad(function(*leaves), leaves, upstream)


def norm_and_loss_cases():
    def group_norm(images, weight, bias):
        return functional.group_norm(images.permute(0, 3, 1, 2), 8, weight, bias)  # channels_last

    labels, indices = torch.randint(1000, (4096,)), torch.randint(32000, (64, 256))
    cases = {"layer_norm": (lambda x, w, b: functional.layer_norm(x, (384,), w, b), (8192, 384), (384,), (384,)),
             "group_norm": (group_norm, (64, 32, 32, 64), (64,), (64,)),
             "cross_entropy": (lambda x: functional.cross_entropy(x, labels), (4096, 1000)),
             "embedding": (lambda w: functional.embedding(indices, w), (32000, 384)),
             "dropout": (lambda x: functional.dropout(x, 0.1), (8192, 384)),
             "cdist": (torch.cdist, (1024, 128), (1024, 128))}
    return {f"{name}_fwdbwd": lambda a=arguments: forward_backward(*a) for name, arguments in cases.items()}


def sum_axis(axis):
    matrix = torch.randn(4096, 4096)
    return lambda: torch.sum(matrix, axis)


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
                lambda c=channels, s=size, b=backward: convolution(128, c, s, 3, 1, b))
    for kind, backward in (("fwd", False), ("fwdbwd", True)):
        for name, *sizes in (("conv1x1", 128, 256, 16, 1, 1), ("conv3x3_groups8", 32, 128, 28, 3, 8),
                             ("depthwise3x3", 32, 128, 28, 3, 128)):
            cases[f"{name}_{kind}_{sizes[1]}x{sizes[2]}"] = lambda a=sizes, b=backward: convolution(*a, b)
        cases[f"max_pool3x3s2_64x112_{kind}"] = lambda b=backward: of_images(max_pool, (32, 64, 112, 112), b)
        cases[f"resize2x_64x56_{kind}"] = lambda b=backward: of_images(resize_twice, (32, 64, 56, 56), b)
    for kind, backward in (("fwd", False), ("fwdbwd", True)):
        cases[f"batch_norm_relu_{kind}_64x32"] = lambda b=backward: batch_norm_relu(b)
        for tokens in (197, 1024):
            cases[f"attention_{kind}_{tokens}"] = lambda t=tokens, b=backward: attention(t, b)
    cases |= {f"sum_axis_{axis}": lambda a=axis: sum_axis(a) for axis in (0, 1)}
    return cases | op_cases() | norm_and_loss_cases() | {"vit_tiny_step": vit_step, "simclr_resnet18_step": simclr_step,
                                                         "tape_1000_muls": tape}


def make_gpu_cases():
    cases = make_cases()
    for kind, backward in (("fwd", False), ("fwdbwd", True)):
        for tokens in (197, 1024, 4096):
            cases[f"attention_{kind}_bfloat16_{tokens}"] = (
                lambda t=tokens, b=backward: attention(t, b, torch.bfloat16))
    cases["simclr_resnet18_step"] = lambda: simclr_step("cuda")
    return cases | {f"simclr_resnet18_step_bfloat16_{variant}": lambda: simclr_step("cuda", 512, compiled=True)
            for variant in ("library", "handwritten")}


class Peer:
    """Keeps the case in hand between requests."""

    def __init__(self):
        self.cases, self.name, self.body, self.gpu = make_cases(), None, None, False

    def hello(self, request):
        if request.get("device", "cpu") != "cpu":
            self.gpu = torch.cuda.is_available()
            if self.gpu:
                torch.set_default_device("cuda")  # of whatever a case makes
                torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
            self.cases = make_gpu_cases() if self.gpu else {}
        if "threads" in request:
            torch.set_num_threads(int(request["threads"]))
        return {"peer": "PyTorch", "version": torch.__version__, "threads": torch.get_num_threads(),
                "flags": f"eager, float32{' without TF32' if self.gpu else ''}, channels_last, "
                         f"{torch.backends.cpu.get_cpu_capability()}, "
                         f"torchvision {torchvision.__version__}, Python {platform.python_version()}",
                "cases": list(self.cases)}

    def measure(self, name):
        if name not in self.cases:
            return {"name": name, "error": f"no such case; there are: {' '.join(self.cases)}"}
        if name != self.name:
            self.body = None  # frees the last case before the next is built
            torch.manual_seed(0)
            self.name, self.body = name, self.cases[name]()
            self.repeat(1)
        awake = time.perf_counter() + WAKE_SECONDS
        self.repeat(1)  # wakes the threads, and lets them find a core each; ours take the same turn
        while not self.gpu and time.perf_counter() < awake:
            self.repeat(1)
        seconds = self.repeat(10) / 10 if self.gpu else self.repeat(1)
        if not self.gpu:
            time.sleep(SETTLE_SECONDS)
        return {"name": name, "seconds": seconds}

    def repeat(self, times):
        start = time.perf_counter()
        for _ in range(times):
            self.body()
        if self.gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - start

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
