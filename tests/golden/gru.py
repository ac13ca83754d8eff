#!/usr/bin/env python3
"""PyTorch's GRU in float64: outputs and all gradients, for a comparison without PyTorch.

    gru.py    writes gru.json beside this script

A GRU of two layers, 3 inputs and 4 hidden units over 5 steps of a batch of 2, with random weights, input and initial
state; without biases in the case "bare", where the initial state is zero. The loss is the sum of output * grad_output
and hidden * grad_hidden. The case "cell" is one step of a GRUCell, its loss output * grad_output.
"""

import json
import pathlib

import torch

GOLDEN = pathlib.Path(__file__).with_name("gru.json")
IN, HIDDEN, LAYERS, STEPS, BATCH = 3, 4, 2, 5, 2


def draw(*shape):
    return torch.randn(shape, dtype=torch.float64)


def flat(tensor):
    return tensor.detach().flatten().tolist()


def randomized(module):
    for parameter in module.parameters():
        parameter.data = draw(*parameter.shape)
    return module.double()


def described(module, tensors):
    parameters = dict(module.named_parameters())
    return {
        "parameters": {name: flat(p) for name, p in parameters.items()},
        "gradients": {name: flat(p.grad) for name, p in parameters.items()},
        **{name: flat(tensor) for name, tensor in tensors.items()},
        "grad_x": flat(tensors["x"].grad),
    }


def sequence(bias):
    gru = randomized(torch.nn.GRU(IN, HIDDEN, LAYERS, bias=bias))
    x = draw(STEPS, BATCH, IN).requires_grad_()
    h = draw(LAYERS, BATCH, HIDDEN).requires_grad_() if bias else None
    output, hidden = gru(x, h)
    grad_output, grad_hidden = draw(*output.shape), draw(*hidden.shape)
    ((output * grad_output).sum() + (hidden * grad_hidden).sum()).backward()
    tensors = {"x": x, "output": output, "hidden": hidden, "grad_output": grad_output, "grad_hidden": grad_hidden}
    result = described(gru, tensors)
    if bias:
        result |= {"h": flat(h), "grad_h": flat(h.grad)}
    return result


def cell():
    module = randomized(torch.nn.GRUCell(IN, HIDDEN))
    x, h = draw(BATCH, IN).requires_grad_(), draw(BATCH, HIDDEN).requires_grad_()
    output = module(x, h)
    grad_output = draw(*output.shape)
    (output * grad_output).sum().backward()
    result = described(module, {"x": x, "output": output, "grad_output": grad_output})
    return result | {"h": flat(h), "grad_h": flat(h.grad)}


def main():
    torch.manual_seed(0)
    golden = {"torch": torch.__version__.split("+")[0], "full": sequence(True), "bare": sequence(False), "cell": cell()}
    GOLDEN.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{GOLDEN.name}: {GOLDEN.stat().st_size} bytes")


if __name__ == "__main__":
    main()
