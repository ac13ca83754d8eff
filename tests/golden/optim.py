#!/usr/bin/env python3
"""PyTorch's optimisers, schedules and clipping in float64, for a comparison without PyTorch.

    optim.py    writes optim.json beside this script

Two parameters, "weight" [3, 4] and "bias" [4], are stepped 20 times under gradients that don't depend on them. The file
has the initial values and every gradient, and after steps 1, 2, 5 and 20 the values under each optimiser of OPTIMIZERS.
The learning rate of step s is RATE(s); in "adamw_groups" the bias has no decay and a tenth of the rate, and the
weight's decay rises from 0.04 to 0.4 by half a cosine, as DINO's.

"schedules" are the values of torch.optim.lr_scheduler's schedules and of DINO's cosine_scheduler at steps 0 ... 24.
"clip" are the norm that clip_grad_norm_ returns and what is left of the first step's gradients, and what DINO's
clip_gradients leaves of them.
"""

import json
import math
import pathlib

import numpy
import torch

STEPS = 20
SHOWN = [1, 2, 5, 20]
GOLDEN = pathlib.Path(__file__).with_name("optim.json")

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1, momentum=0),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, weight_decay=0.05),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=1, momentum=0.8, weight_decay=0.05, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=1),
    "adam_decay": lambda p: torch.optim.Adam(p, lr=1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1, weight_decay=0.1),
    "adamw_groups": lambda p: torch.optim.AdamW([{"params": [p[0]]}, {"params": [p[1]], "weight_decay": 0}], lr=1),
}


def rate(step):
    return 0.1 / (1 + step)


def dino_cosine(base, final, total, warmup=0, start=0.0):
    """cosine_scheduler of https://github.com/facebookresearch/dino, with steps in place of epochs."""
    ramp = numpy.linspace(start, base, warmup) if warmup > 0 else numpy.array([])
    at = numpy.arange(total - warmup)
    return numpy.concatenate((ramp, final + 0.5 * (base - final) * (1 + numpy.cos(math.pi * at / len(at)))))


def trajectory(name, initial, gradients):
    parameters = [torch.nn.Parameter(value.clone()) for value in initial]
    optimizer = OPTIMIZERS[name](parameters)
    decay = dino_cosine(0.04, 0.4, STEPS)
    shown = {}
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        if name == "adamw_groups":
            optimizer.param_groups[0]["weight_decay"] = decay[step]
            optimizer.param_groups[1]["lr"] = rate(step) / 10
        for parameter, gradient in zip(parameters, gradients[step]):
            parameter.grad = gradient.clone()
        optimizer.step()
        if step + 1 in SHOWN:
            shown[str(step + 1)] = [parameter.detach().flatten().tolist() for parameter in parameters]
    return shown


def scheduled(make, base=2.0):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = make(optimizer)
    values = []
    for _ in range(25):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def schedules():
    lr = torch.optim.lr_scheduler
    return {
        "step": scheduled(lambda o: lr.StepLR(o, 4, 0.5)),
        "multi_step": scheduled(lambda o: lr.MultiStepLR(o, [3, 7, 20], 0.1)),
        "linear": scheduled(lambda o: lr.LinearLR(o, 0.25, 0.75, 10)),
        "cosine": scheduled(lambda o: lr.LambdaLR(o, lambda s: dino_cosine(1, 0.05, 24)[min(s, 23)]))[:24],
        "sequence": scheduled(
            lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.1, 1, 5), lr.StepLR(o, 3, 0.5)], [5])),
        "dino_decay": dino_cosine(0.04, 0.4, 24).tolist(),
        "byol_momentum": [1 - (1 - 0.996) * (math.cos(math.pi * k / 24) + 1) / 2 for k in range(25)],
    }


def clipped(gradients):
    def leaves():
        parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        return parameters

    result = {}
    for limit in (0.5, 100.0):
        parameters = leaves()
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        result[f"norm {limit}"] = [norm.item(), [p.grad.flatten().tolist() for p in parameters]]
    parameters = leaves()
    for parameter in parameters:  # DINO's utils.clip_gradients
        factor = 1.7 / (parameter.grad.norm(2) + 1e-6)
        if factor < 1:
            parameter.grad.mul_(factor)
    result["each 1.7"] = [p.grad.flatten().tolist() for p in parameters]
    return result


def main():
    torch.manual_seed(0)
    shapes = [(3, 4), (4,)]
    initial = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    gradients = [[torch.randn(shape, dtype=torch.float64) for shape in shapes] for _ in range(STEPS)]
    golden = {
        "torch": torch.__version__.split("+")[0],
        "initial": [value.flatten().tolist() for value in initial],
        "gradients": [[g.flatten().tolist() for g in step] for step in gradients],
        "optimizers": {name: trajectory(name, initial, gradients) for name in OPTIMIZERS},
        "schedules": schedules(),
        "clip": clipped(gradients[0]),
    }
    GOLDEN.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{GOLDEN.name}: {GOLDEN.stat().st_size} bytes")


if __name__ == "__main__":
    main()
