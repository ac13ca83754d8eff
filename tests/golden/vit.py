#!/usr/bin/env python3
"""timm's VisionTransformer on weights from a formula: outputs and all gradients, for a comparison without PyTorch.

    vit.py            writes vit.json beside this script
    vit.py --float32  how far PyTorch itself is from that file in single precision

Both sides compute weights and images from their names by unit(name, i), see resnet18.py. Element i of a tensor is

    linear and convolution weights                s * unit; s the largest power of two with s * s * fan_in <= 3
    cls_token, reg_token, pos_embed               unit / 2
    layer norm's weight, LayerScale's gamma       1 + unit / 4
    biases                                        unit / 4
    the images [N, 3, H, W]                       unit of "input"

where i counts in PyTorch's layout. The network is in training mode (nothing is dropped). The loss is
sum_i output_i * unit("grad_output", i).

The file has each network's arguments under timm's names, and three numbers, those of resnet18.py, for the output, for
the last block's attention (softmax's probabilities, [N, heads, tokens, tokens]) and for each gradient (the images' is
called "input"). Where the images' size isn't img_size, timm rounds the positions to float32 before it resizes them; this
script keeps it from that.

"sincos" has MoCo v3's fixed positions for a square grid, by its formula and in its order: see sincos() below.
"""

import argparse
import json
import pathlib
import unittest.mock

import timm
import torch
from resnet18 import checksum, unit

SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 48, "depth": 2, "num_heads": 3}
TINY = {"img_size": 224, "patch_size": 16, "embed_dim": 192, "depth": 12, "num_heads": 3, "num_classes": 1000}
CASES = {
    "plain": {"arguments": {**SMALL, "num_classes": 10}, "shape": [2, 3, 16, 16]},
    "registers": {
        "arguments": {**SMALL, "num_classes": 0, "reg_tokens": 2, "init_values": 0.5, "global_pool": "avg",
                      "dynamic_img_size": True},
        "shape": [2, 3, 12, 20],
    },
    "prefix": {
        "arguments": {**SMALL, "num_classes": 0, "reg_tokens": 1, "no_embed_class": True, "qkv_bias": False,
                      "dynamic_img_size": True},
        "shape": [2, 3, 28, 28],
    },
    "vit_tiny_patch16_224": {"arguments": TINY, "shape": [1, 3, 224, 224]},
}


def formula(name, tensor):
    if name.endswith("_token") or name == "pos_embed":
        return unit(name, tensor.shape) / 2
    if tensor.ndim > 1:
        scale, fan_in = 1.0, tensor[0].numel()
        while scale * scale * fan_in > 3:
            scale /= 2
        return scale * unit(name, tensor.shape)
    return unit(name, tensor.shape) / 4 + (0 if name.endswith("bias") else 1)


def make_network(case, arguments):
    if case in timm.list_models():
        network = timm.create_model(case)
        for name, value in arguments.items():  # they only say what the real one is
            assert getattr(network, name, value) == value
    else:
        network = timm.models.VisionTransformer(**arguments)
    network = network.double()
    network.load_state_dict({name: formula(name, tensor) for name, tensor in network.state_dict().items()})
    return network.train()


def run(case, settings, dtype):
    """Output, attention and every gradient by name, as float64."""
    network, attention = make_network(case, settings["arguments"]).to(dtype), []
    for block in network.blocks:
        block.attn.fused_attn = False
    network.blocks[-1].attn.attn_drop.register_forward_hook(lambda module, inputs, output: attention.append(output))
    images = unit("input", settings["shape"]).to(dtype).requires_grad_()
    with unittest.mock.patch.object(torch.Tensor, "float", lambda tensor: tensor):
        output = network(images)
    (output * unit("grad_output", output.shape).to(dtype)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    tensors = {"output": output, "attention": attention[0], "input": images.grad, **gradients}
    return {name: tensor.detach().double() for name, tensor in tensors.items()}


def sincos(side, dim, temperature=10000.0):
    """As build_2d_sincos_position_embedding of github.com/facebookresearch/moco-v3, in float64: meshgrid without
    an `indexing` makes the first of its results the one that changes with the row."""
    first, second = torch.meshgrid(*[torch.arange(side, dtype=torch.float64)] * 2, indexing="ij")
    omega = temperature ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    first, second = (torch.einsum("m,d->md", [axis.flatten(), omega]) for axis in (first, second))
    return torch.cat([first.sin(), first.cos(), second.sin(), second.cos()], dim=1)


def describe(case, settings):
    tensors = run(case, settings, torch.float64)
    return {**settings, "tensors": {name: checksum(name, tensor) for name, tensor in tensors.items()}}


def compare_float32(file):
    for case, golden in json.loads(file.read_text())["networks"].items():
        tensors, off = run(case, golden, torch.float32), {}
        for name, (norm, a, b) in golden["tensors"].items():
            ours = checksum(name, tensors[name])
            off[name] = max(abs(x - y) for x, y in zip(ours, (norm, a, b))) / norm
        worst = max(off, key=off.get)
        print(f"{case}: {len(off)} tensors, the worst off by {off[worst]:.1e} of its norm ({worst})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--float32", action="store_true")
    file = pathlib.Path(__file__).with_suffix(".json")
    torch.set_num_threads(1)
    if parser.parse_args().float32:
        compare_float32(file)
    else:
        networks = {case: describe(case, settings) for case, settings in CASES.items()}
        fixed = {"side": 4, "dim": 48, "positions": checksum("sincos", sincos(4, 48))}
        file.write_text(json.dumps({"networks": networks, "sincos": fixed}, indent=1) + "\n")


if __name__ == "__main__":
    main()
