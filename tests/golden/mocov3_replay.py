#!/usr/bin/env python3
"""MoCo v3, once more, in plain PyTorch: what `tessera replay mocov3` must reproduce, on a ViT and on a ResNet.

It shares no code with Tessera and uses no library of self-supervised methods. In double precision it trains a small
encoder on ready-made views, across an epoch boundary, and writes down what happened:

    mocov3_replay.py --make DIR        the inputs, then the reference (overwrites; the golden files are made so)
    mocov3_replay.py --check DUMP DIR  how far a final state written by `tessera replay --dump` is from the reference
    mocov3_replay.py --ablate all DIR  what each ingredient does: the reference without it against the reference

DIR is mocov3_vit/ (the default) or mocov3_resnet/ beside this script; the name's end says which encoder --make takes.
Its files are those of dino_replay.py, the state being encoder.*, projector.*, predictor.* and momentum.*.

The method (Chen, Xie and He, "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV 2021, and the
authors' code, github.com/facebookresearch/moco-v3), S = steps, t = 0, 1, ... a step:

First: momentum = k momentum + (1 - k) base for every parameter of encoder and projector, k by half a cosine from its
    base to 1 over S.
Queries q1 = predictor(projector(encoder(view0))), then q2 of view1; keys k1, k2 by the momentum networks, without
    gradient or predictor. Every batch norm uses its own batch's statistics; the running ones move by 0.1.
Loss: ctr(q1, k2) + ctr(q2, k1); ctr is 2 T times the cross-entropy of q . k' / T with row i's label i, over normalised
    rows.
Heads: linear layers without bias, each with a batch norm, hidden ones with relu; the last norm has no scale and shift.
    ViT: projector of three layers, predictor of two. ResNet: two and two, the predictor's last without norm.
ViT: ViT of dino_replay.py; patch projection and positions are not trained. AdamW decays every parameter.
ResNet: encoder, LARS and its rules of simclr_replay.py.
Learning rate: (t + 1) / W of the base for t < W, then half a cosine to 0.
"""

import math
import pathlib

import torch
from dino_replay import ViT, adamw, command_line, half_cosine, learning_rate, make_init, make_views, write_golden
from simclr_replay import Encoder, lars_step
from torch import nn
from torch.nn import functional

SHARED = {"projector_hidden": 24, "projector_out": 16, "ema_momentum": 0.7, "steps_per_epoch": 2, "total_steps": 4,
          "warmup_steps": 2}
VIT = {
    "method": "mocov3", "arch": "vit_mini", "image_size": 12, "batch_size": 8, "steps": 4,
    "settings": {**SHARED, "patch": 4, "dim": 16, "depth": 2, "heads": 2, "temperature": 0.2, "learning_rate": 0.02,
                 "weight_decay": 0.5, "epsilon": 0.05},
}
RESNET = {
    "method": "mocov3", "arch": "resnet18", "image_size": 12, "batch_size": 8, "steps": 4,
    "settings": {**SHARED, "width": 3, "stem": "cifar", "temperature": 0.6, "learning_rate": 0.3, "momentum": 0.9,
                 "weight_decay": 0.05, "trust": 0.1},
}
ABLATIONS = {
    "predictor": {"predictor": False}, "symmetric loss": {"symmetric": False}, "factor 2T": {"scale_loss": False},
    "momentum schedule": {"ema_momentum_end": 0.7}, "moving average": {"ema_momentum": 1.0},
    "average before the keys": {"ema_first": False}, "temperature": {"temperature": 1.0},
}


def mlp(sizes, last_norm):
    layers = []
    for i, (size_in, size_out) in enumerate(zip(sizes, sizes[1:])):
        last = i + 2 == len(sizes)
        layers.append(nn.Linear(size_in, size_out, bias=False))
        if not last:
            layers += [nn.BatchNorm1d(size_out), nn.ReLU()]
        elif last_norm:
            layers.append(nn.BatchNorm1d(size_out, affine=False))
    return nn.Sequential(*layers)


def make_model(config):
    s, vit = config["settings"], config["arch"].startswith("vit")
    features, hidden, out = s["dim"] if vit else 8 * s["width"], s["projector_hidden"], s["projector_out"]

    def branch():
        encoder = ViT(config["image_size"], s) if vit else Encoder(s["width"])
        return {"encoder": encoder, "projector": mlp([features, *[hidden] * (2 if vit else 1), out], True)}
    return nn.ModuleDict({**branch(), "predictor": mlp([out, hidden, out], vit), "momentum": nn.ModuleDict(branch())})


def contrast(q, k, s):
    logits = functional.normalize(q, dim=1) @ functional.normalize(k, dim=1).T / s["temperature"]
    loss = functional.cross_entropy(logits, torch.arange(len(q)))
    return 2 * s["temperature"] * loss if s.get("scale_loss", True) else loss


def replay(config, init, views):
    """Trains on the views; returns a record a step and the final state, all in float64."""
    s, model = config["settings"], make_model(config).double().train()
    model.load_state_dict({k: v.double() for k, v in init.items()}, strict=False)
    momentum = model["momentum"].requires_grad_(False)
    base = nn.ModuleDict({"encoder": model["encoder"], "projector": model["projector"]})
    vit = config["arch"].startswith("vit")
    if vit:
        model["encoder"].patch_embed.requires_grad_(False)
        model["encoder"].pos_embed.requires_grad_(False)
    trained = nn.ModuleDict({**base, "predictor": model["predictor"]})
    parameters = [p for p in trained.parameters() if p.requires_grad]
    optimizer, velocity, records = adamw(parameters, {**s, "decay_exclude": False}) if vit else None, {}, []

    @torch.no_grad()
    def average(t):
        k = half_cosine(s["ema_momentum"], s.get("ema_momentum_end", 1), t, s["total_steps"])
        for a, b in zip(momentum.parameters(), base.parameters()):
            a.copy_(k * a + (1 - k) * b)

    def query(x):
        z = base["projector"](base["encoder"](x))
        return model["predictor"](z) if s.get("predictor", True) else z

    for t in range(config["steps"]):
        x1, x2 = views["view0"][t].double(), views["view1"][t].double()
        if s.get("ema_first", True):
            average(t)
        q1, q2 = query(x1), query(x2)
        with torch.no_grad():
            k1, k2 = (momentum["projector"](momentum["encoder"](x)) for x in (x1, x2))
        loss = contrast(q1, k2, s) + (contrast(q2, k1, s) if s.get("symmetric", True) else 0)
        trained.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(p.grad.square().sum().item() for p in parameters if p.grad is not None))
        if vit:
            for group in optimizer.param_groups:
                group["lr"], group["weight_decay"] = learning_rate(s, t), s["weight_decay"]
            optimizer.step()
        else:
            moving = nn.ModuleDict({k: v for k, v in trained.items() if s.get("predictor", True) or k != "predictor"})
            lars_step(moving, velocity, learning_rate(s, t), {**s, "trust_coefficient": s["trust"]})
        if not s.get("ema_first", True):
            average(t)
        records.append({"step": t, "loss": loss.item(), "gradient_norm": norm})
    return records, dict(model.state_dict())


def make(folder):
    config = RESNET if folder.name.endswith("resnet") else VIT
    generator = torch.Generator().manual_seed(20210405)
    init = make_init(make_model(config), generator)
    write_golden(folder, config, init, make_views(config, [config["image_size"]] * 2, generator), replay)


if __name__ == "__main__":
    command_line(__doc__, pathlib.Path(__file__).parent / "mocov3_vit", make, ABLATIONS, replay)
