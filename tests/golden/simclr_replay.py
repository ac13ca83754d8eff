#!/usr/bin/env python3
"""SimCLR, once more, in plain PyTorch: what `tessera replay simclr` must reproduce.

It shares no code with Tessera and uses no library of self-supervised methods. In double precision it trains a small
encoder on ready-made views and writes down what happened:

    simclr_replay.py --make DIR        the inputs, then the reference (overwrites; the golden files are made so)
    simclr_replay.py --check DUMP DIR  how far a final state written by `tessera replay --dump` is from the reference
    simclr_replay.py --ablate all DIR  what each ingredient does: the reference without it against the reference

DIR (default: simclr/ beside this script) holds
    config.json         every setting below
    init.safetensors    initial state, float32: encoder.* (torchvision's names), projector.*, in PyTorch's layout
    views.safetensors   view0, view1 float32 [steps, N, C, H, W]; index int64 [steps, N], the samples' numbers
    steps.jsonl         one object a step: step, learning_rate, loss, gradient_norm (before the step's update)
    moves.safetensors   final minus initial state, computed in float64, kept as float32 (rounding 6e-8 of an element)

The method (Chen, Kornblith, Norouzi and Hinton, "A Simple Framework for Contrastive Learning", ICML 2020):

Encoder: ResNet-18 of `width` channels with a 3x3 stem of stride 1 and no max-pool; its output is the pooled feature.
Projector: 0 Linear without bias, 1 BatchNorm, 2 ReLU, 3 Linear without bias, 4 BatchNorm (the numbers are the names).
Batch norm: both views go through the network as one batch of 2N, view0's samples first; eps 1e-5; the running
    statistics move by 0.1, the variance unbiased.
Loss (NT-Xent, their equation 1): z = projection / max(|projection|, 1e-12), s_ij = z_i . z_j / temperature; row i's
    positive is i + N or i - N; the loss is the mean over 2N rows of log(sum_{j != i} exp(s_ij)) - s_i,positive.
Gradient norm: the L2 norm over all parameters together, of the loss alone, without weight decay.
Learning rate at step t = 0, 1, ..., with W = warmup_steps and S = steps:
    t < W: base * (t + 1) / W;    else: base * (1 + cos(pi * (t - W) / (S - W))) / 2.
LARS (You, Gitman and Ginsburg 2017, "Large Batch Training of Convolutional Networks"), for each parameter w with
    gradient g, decay d, trust coefficient c and momentum m; the velocity v starts at zero:
        a = c * |w| / (|g| + d * |w|)      (1 where |w| or |g| is zero)
        v = m * v + lr * a * (g + d * w)
        w = w - v
    Weights of convolutions and linear layers do so; batch norm's scales and shifts have a = 1 and d = 0.
"""

import argparse
import json
import math
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

CONFIG = {
    "arch": "resnet18", "stem": "cifar", "width": 3, "projector_hidden": 24, "projector_out": 16,
    "steps": 4, "steps_per_epoch": 2, "batch_size": 8, "image_size": 12,
    "temperature": 0.5, "learning_rate": 0.3, "warmup_steps": 2,
    "momentum": 0.9, "weight_decay": 0.05, "trust_coefficient": 0.1,
}
ABLATIONS = ("self_mask", "temperature", "projector_bn", "lars_exclusion")
TOLERANCE = 1e-6


class Block(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = nn.Sequential()
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False),
                                            nn.BatchNorm2d(channels))

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.downsample(x))


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for i in range(1, 5):
            first = Block(widths[i - 1], widths[i], 1 if i == 1 else 2)
            setattr(self, f"layer{i}", nn.Sequential(first, Block(widths[i], widths[i], 1)))

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean(dim=(2, 3))


def make_model(config, projector_bn=True):
    features, hidden, out = 8 * config["width"], config["projector_hidden"], config["projector_out"]

    def norm(channels):
        return nn.BatchNorm1d(channels) if projector_bn else nn.Identity()

    projector = nn.Sequential(nn.Linear(features, hidden, bias=False), norm(hidden), nn.ReLU(),
                              nn.Linear(hidden, out, bias=False), norm(out))
    return nn.ModuleDict({"encoder": Encoder(config["width"]), "projector": projector})


def nt_xent(projection, temperature, self_mask=True):
    z = functional.normalize(projection, dim=1)
    logits = z @ z.T / temperature
    rows = len(z)
    if self_mask:
        logits = logits.masked_fill(torch.eye(rows, dtype=torch.bool), -math.inf)
    positive = (torch.arange(rows) + rows // 2) % rows
    return functional.cross_entropy(logits, positive)


def learning_rate(config, step):
    base, warmup, steps = config["learning_rate"], config["warmup_steps"], config["steps"]
    if step < warmup:
        return base * (step + 1) / warmup
    return base * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


@torch.no_grad()
def lars_step(model, velocity, rate, config, exclusion=True):
    for name, w in model.named_parameters():
        weight = w.ndim > 1 or not exclusion
        decay = config["weight_decay"] if weight else 0.0
        w_norm, g_norm = w.norm().item(), w.grad.norm().item()
        ratio = 1.0
        if weight and w_norm > 0 and g_norm > 0:
            ratio = config["trust_coefficient"] * w_norm / (g_norm + decay * w_norm)
        velocity[name] = config["momentum"] * velocity.get(name, 0) + rate * ratio * (w.grad + decay * w)
        w -= velocity[name]


def replay(config, init, views, ablate=None):
    """Trains on the views; returns a record a step and the final state, all in float64."""
    model = make_model(config, projector_bn=ablate != "projector_bn").double().train()
    known = model.state_dict()
    model.load_state_dict({k: v.double() for k, v in init.items() if k in known}, strict=False)
    temperature = 1.0 if ablate == "temperature" else config["temperature"]
    velocity, records = {}, []
    for step in range(config["steps"]):
        images = torch.cat([views["view0"][step], views["view1"][step]]).double()
        loss = nt_xent(model["projector"](model["encoder"](images)), temperature, ablate != "self_mask")
        model.zero_grad()
        loss.backward()
        gradient_norm = math.sqrt(sum(p.grad.square().sum().item() for p in model.parameters()))
        rate = learning_rate(config, step)
        lars_step(model, velocity, rate, config, ablate != "lars_exclusion")
        records.append({"step": step, "learning_rate": rate, "loss": loss.item(), "gradient_norm": gradient_norm})
    return records, {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}


def moves_of(final, init):
    return {name: tensor.double() - init[name].double() for name, tensor in final.items()}


def make_init(config, generator):
    """He-like weights; scales, shifts and running statistics away from one and zero, so that each matters."""
    init = {}
    for name, tensor in make_model(config).state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.ndim > 1:
            init[name] = noise * math.sqrt(2 / tensor[0].numel())
        elif name.endswith("running_var"):
            init[name] = 1 + 0.2 * noise.abs()
        else:
            init[name] = 0.2 * noise + (1 if name.endswith("weight") else 0)
    return init


def make_views(config, generator):
    """Two noisy copies of each sample's picture a step; each epoch has all samples once, in another order."""
    batch, size, per_epoch = config["batch_size"], config["image_size"], config["steps_per_epoch"]
    samples = torch.randn(batch * per_epoch, 3, size, size, generator=generator)
    order = [torch.randperm(len(samples), generator=generator).view(per_epoch, batch)
             for _ in range(-(-config["steps"] // per_epoch))]
    index = torch.cat(order)[:config["steps"]].contiguous()
    shape = (config["steps"], batch, 3, size, size)
    noise = [torch.randn(shape, generator=generator) for _ in range(2)]
    return {"view0": samples[index] + 0.7 * noise[0], "view1": samples[index] + 0.7 * noise[1], "index": index}


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(20200213)
    init, views = make_init(CONFIG, generator), make_views(CONFIG, generator)
    records, final = replay(CONFIG, init, views)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (folder / "steps.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    save_file(init, folder / "init.safetensors")
    save_file(views, folder / "views.safetensors")
    moves = moves_of(final, init)
    save_file({k: v.float() for k, v in moves.items()}, folder / "moves.safetensors")
    for record in records:
        print(json.dumps(record))
    share = [moves[k].norm().item() / init[k].norm().item() for k in moves]
    print(f"{len(moves)} tensors moved by {min(share):.3f} to {max(share):.3f} of their norm")


def distances(moves, reference):
    """|ours - reference| / |reference| by tensor; infinite where ours lacks the tensor."""
    return {name: ((moves[name] - want).norm() / want.norm()).item() if name in moves else math.inf
            for name, want in reference.items()}


def check(dump, folder):
    init = load_file(folder / "init.safetensors")
    reference = {k: v.double() for k, v in load_file(folder / "moves.safetensors").items()}
    final = load_file(dump)
    unknown = [k for k in final if k.startswith(("encoder.", "projector.")) and k not in reference
               and not k.endswith("num_batches_tracked")]
    far = distances(moves_of({k: v for k, v in final.items() if k in reference}, init), reference)
    for name, distance in far.items():
        print(f"{distance:9.2e}  {name}{'' if distance <= TOLERANCE else '   <-- too far'}")
    print(f"largest {max(far.values()):.2e}, allowed {TOLERANCE:.0e}"
          + (f"; not in the reference: {' '.join(unknown)}" if unknown else ""))
    return all(d <= TOLERANCE for d in far.values()) and not unknown  # also false for NaN


def ablate(names, folder):
    config = json.loads((folder / "config.json").read_text())
    init, views = load_file(folder / "init.safetensors"), load_file(folder / "views.safetensors")
    reference = moves_of(replay(config, init, views)[1], init)
    caught = True
    for name in names:
        far = distances(moves_of(replay(config, init, views, name)[1], init), reference)
        present = sorted(d for d in far.values() if d < math.inf)
        print(f"without {name}: the tensors' moves differ by {present[0]:.1e} to {present[-1]:.1e}")
        caught = caught and present[0] > 1000 * TOLERANCE
    return caught


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--make", action="store_true")
    action.add_argument("--check", metavar="DUMP", type=pathlib.Path)
    action.add_argument("--ablate", choices=("all", *ABLATIONS))
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parent / "simclr")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # for the same bits every time
    if arguments.make:
        make(arguments.folder)
    elif arguments.check:
        sys.exit(0 if check(arguments.check, arguments.folder) else 1)
    else:
        names = ABLATIONS if arguments.ablate == "all" else (arguments.ablate,)
        sys.exit(0 if ablate(names, arguments.folder) else 1)


if __name__ == "__main__":
    main()
