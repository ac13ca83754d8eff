#!/usr/bin/env python3
"""DINO, once more, in plain PyTorch: what `tessera replay dino` must reproduce.

It shares no code with Tessera and uses no library of self-supervised methods. In double precision it trains a small
ViT on ready-made views, across an epoch boundary, and writes down what happened:

    dino_replay.py --make DIR        the inputs, then the reference (overwrites; the golden files are made so)
    dino_replay.py --check DUMP DIR  how far a final state written by `tessera replay --dump` is from the reference
    dino_replay.py --ablate all DIR  what each ingredient does: the reference without it against the reference

DIR (default: dino/ beside this script) holds
    config.json         method, arch, precision's inputs, and every setting by Tessera's name
    init.safetensors    initial state, float32: encoder.* (timm's names), projector.*, teacher.*, center
    views.safetensors   view0, view1 (global) and view2, ... (local) float32 [steps, N, C, H, W]; index int64 [steps, N];
                        rand.encoder.blocks.B.drop_path.K float32 [steps, samples], the Kth time that a step drops paths in
                        block B: attention and MLP of the global views, one view after another, then of the local ones
    steps.jsonl         one object a step: step, loss, gradient_norm (before clipping)
    moves.safetensors   final minus initial state, computed in float64, kept as float32 (rounding 6e-8 of an element)

The method (Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, and the authors'
code, github.com/facebookresearch/dino), S = steps, t = 0, 1, ... a step, e = t // steps_per_epoch:

Head: Linear, gelu, Linear, gelu, Linear, x / max(|x|, 1e-12), then x . (g v / |v|) for each row v of the last layer;
    g is not trained.
Views of another size: the positions of the patches are an image, resized bicubically with antialiasing.
Dropped paths, in the student alone (Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016): block b of 0 ...
    depth - 1 drops a branch of a sample with p = drop_path b / (depth - 1), where its number is below p; what is kept is
    divided by 1 - p.
Teacher temperature: numpy's linspace from its start to its end over the warm-up epochs, one value an epoch.
Loss: the mean over pairs (i, v) of a global view i and another view v, and over samples, of
    -sum(q_i log p_v), q_i = softmax((teacher_i - center) / teacher temperature), p_v = softmax(student_v / 0.1).
Gradients: each parameter's is scaled by min(1, clip / (norm + 1e-6)); then the last layer's is dropped while
    e < freeze_last_layer.
AdamW: eps 1e-8, betas 0.9 and 0.999, decay on parameters of two axes or more, base and end joined by half a cosine over
    S; learning rate (t + 1) / W of the base for t < W, then half a cosine from base to end.
After the step: center = m center + (1 - m) mean of the teacher's outputs (those of this step's loss); teacher =
    k teacher + (1 - k) student for every parameter, k by half a cosine from its base to 1 over S.
"""

import argparse
import json
import math
import pathlib
import sys

import numpy
import torch
from safetensors.torch import load_file, save_file
from simclr_replay import TOLERANCE, distances, moves_of
from torch import nn
from torch.nn import functional

CONFIG = {
    "method": "dino", "arch": "vit_mini", "image_size": 12, "batch_size": 6, "steps": 4,
    "settings": {
        "patch": 4, "dim": 16, "depth": 2, "heads": 2, "drop_path": 0.3, "local_crops": 2,
        "projector_hidden": 24, "bottleneck": 8, "out_dim": 20, "projector_layers": 3,
        "student_temperature": 0.1, "teacher_temperature_start": 0.04, "teacher_temperature": 0.07,
        "teacher_temperature_epochs": 2, "center_momentum": 0.8, "ema_momentum": 0.7, "freeze_last_layer": 1,
        "steps_per_epoch": 2, "total_steps": 4, "learning_rate": 0.02, "learning_rate_end": 0.001, "warmup_steps": 2,
        "weight_decay": 0.5, "weight_decay_end": 3.0, "clip_each_norm": 0.3,
    },
}
LOCAL_SIZE = 8
ABLATIONS = {
    "centring": {"center": False}, "centre momentum": {"center_momentum": 0.9},
    "sharpening": {"teacher_temperature": 0.1, "teacher_temperature_start": 0.1},
    "temperature warm-up": {"teacher_temperature_epochs": 0},
    "momentum schedule": {"ema_momentum_end": 0.7}, "decay schedule": {"weight_decay_end": 0.5},
    "decay exclusion": {"decay_exclude": False}, "clipping": {"clip_each_norm": 0},
    "frozen last layer": {"freeze_last_layer": 0}, "weight norm": {"weight_norm": False},
    "fixed magnitude": {"norm_last_layer": False}, "bottleneck norm": {"bottleneck_norm": False},
    "pairs of different views": {"same_view": True}, "dropped paths": {"drop_path": 0},
}


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        n, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(dim // self.heads)).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, tokens, dim))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})

    def forward(self, x, attention_factor=1, mlp_factor=1):
        x = x + attention_factor * self.attn(self.norm1(x))
        return x + mlp_factor * self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, image_size, s):
        super().__init__()
        self.side, dim = image_size // s["patch"], s["dim"]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.side ** 2, dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, s["patch"], s["patch"])})
        self.blocks = nn.ModuleList(Block(dim, s["heads"]) for _ in range(s["depth"]))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def positions(self, height, width):
        if (height, width) == (self.side, self.side):
            return self.pos_embed
        image = self.pos_embed[:, 1:].reshape(1, self.side, self.side, -1).permute(0, 3, 1, 2)
        image = functional.interpolate(image, (height, width), mode="bicubic", antialias=True)
        return torch.cat([self.pos_embed[:, :1], image.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, images, factors=None):
        """factors: for each block a pair, what its branches are multiplied by."""
        x = self.patch_embed["proj"](images)
        positions = self.positions(*x.shape[2:])
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], dim=1) + positions
        for i, block in enumerate(self.blocks):
            x = block(x, *(factors[i] if factors else ()))
        return self.norm(x)[:, 0]


class Head(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        hidden, bottleneck = s["projector_hidden"], s["bottleneck"]
        self.mlp = nn.Sequential(nn.Linear(s["dim"], hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
                                 nn.Linear(hidden, bottleneck))
        self.last_layer = nn.ParameterDict({"weight_g": nn.Parameter(torch.ones(s["out_dim"], 1)),
                                            "weight_v": nn.Parameter(torch.ones(s["out_dim"], bottleneck))})

    def forward(self, x):
        x, g, v = self.mlp(x), self.last_layer["weight_g"], self.last_layer["weight_v"]
        if self.s.get("bottleneck_norm", True):
            x = functional.normalize(x, dim=-1)
        return x @ (g * v / v.norm(dim=1, keepdim=True) if self.s.get("weight_norm", True) else v).T


def make_model(config):
    def branch():
        return {"encoder": ViT(config["image_size"], config["settings"]), "projector": Head(config["settings"])}
    model = nn.ModuleDict({**branch(), "teacher": nn.ModuleDict(branch())})
    model.register_buffer("center", torch.zeros(1, config["settings"]["out_dim"]))
    return model


def half_cosine(start, end, t, total):
    return end + (start - end) * (1 + math.cos(math.pi * t / total)) / 2


def learning_rate(s, t):
    base, warmup = s["learning_rate"], s["warmup_steps"]
    if t < warmup:
        return base * (t + 1) / warmup
    return half_cosine(base, s.get("learning_rate_end", 0), t - warmup, s["total_steps"] - warmup)


def teacher_temperatures(s):
    warm = numpy.linspace(s["teacher_temperature_start"], s["teacher_temperature"], s["teacher_temperature_epochs"])
    return [*warm, *[s["teacher_temperature"]] * s["total_steps"]]


def path_factors(s, views, t, i, samples):
    """What dropped paths make of view i in step t: for each block a pair of [N, 1, 1]."""
    factors = []
    for block in range(s["depth"]):
        p = s["drop_path"] * block / (s["depth"] - 1)
        local, place = i > 1, i - 2 if i > 1 else i
        numbers = [views[f"rand.encoder.blocks.{block}.drop_path.{2 * local + branch}"][t].double().split(samples)[place]
                   for branch in range(2)] if p > 0 else []
        factors.append([(u >= p).double().view(-1, 1, 1) / (1 - p) for u in numbers])
    return factors


def dino_loss(students, teachers, center, temperature, s):
    total, pairs = 0, 0
    for i, teacher in enumerate(teachers):
        q = ((teacher - center) / temperature if s.get("center", True) else teacher / temperature).softmax(dim=-1)
        for v, student in enumerate(students):
            if v == i and not s.get("same_view", False):
                continue
            total += -(q * (student / s["student_temperature"]).log_softmax(dim=-1)).sum(dim=-1).mean()
            pairs += 1
    return total / pairs


def adamw(parameters, s):
    decayed = [p for p in parameters if p.ndim > 1 or not s.get("decay_exclude", True)]
    others = [p for p in parameters if p.ndim <= 1 and s.get("decay_exclude", True)]
    return torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0}], eps=s.get("epsilon", 1e-8))


def replay(config, init, views):
    """Trains on the views; returns a record a step and the final state, all in float64."""
    s, model = config["settings"], make_model(config).double().train()
    model.load_state_dict({k: v.double() for k, v in init.items()})
    teacher = model["teacher"].requires_grad_(False)
    student = nn.ModuleDict({"encoder": model["encoder"], "projector": model["projector"]})
    last_layer = list(student["projector"].last_layer.values())
    last_layer[0].requires_grad_(not s.get("norm_last_layer", True))
    parameters = [p for p in student.parameters() if p.requires_grad]
    optimizer, temperatures, records = adamw(parameters, s), teacher_temperatures(s), []
    for t in range(config["steps"]):
        epoch = t // s["steps_per_epoch"]
        crops = [views[f"view{i}"][t].double() for i in range(2 + s["local_crops"])]
        students = [student["projector"](student["encoder"](x, path_factors(s, views, t, i, len(x))))
                    for i, x in enumerate(crops)]
        with torch.no_grad():
            teachers = [teacher["projector"](teacher["encoder"](x)) for x in crops[:2]]
        loss = dino_loss(students, teachers, model.center, temperatures[epoch], s)
        optimizer.zero_grad()
        loss.backward()
        norms = [p.grad.norm().item() for p in parameters]
        for p, norm in zip(parameters, norms):
            if s["clip_each_norm"] > 0 and s["clip_each_norm"] / (norm + 1e-6) < 1:
                p.grad *= s["clip_each_norm"] / (norm + 1e-6)
        for p in last_layer if epoch < s["freeze_last_layer"] else ():
            p.grad = None
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(s, t)
        end = s.get("weight_decay_end", s["weight_decay"])
        optimizer.param_groups[0]["weight_decay"] = half_cosine(s["weight_decay"], end, t, s["total_steps"])
        optimizer.step()
        with torch.no_grad():
            m = s["center_momentum"]
            model.center.copy_(m * model.center + (1 - m) * torch.cat(teachers).mean(dim=0, keepdim=True))
            k = half_cosine(s["ema_momentum"], s.get("ema_momentum_end", 1), t, s["total_steps"])
            for a, b in zip(teacher.parameters(), student.parameters()):
                a.copy_(k * a + (1 - k) * b)
        records.append({"step": t, "loss": loss.item(), "gradient_norm": math.sqrt(sum(n * n for n in norms))})
    return records, dict(model.state_dict())


def make_init(model, generator):
    """He-like weights; every other number away from one and zero; a teacher that isn't the student."""
    init = {}
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith(("_token", "pos_embed")) or name == "center":
            init[name] = noise / 2
        elif name.endswith("running_var"):
            init[name] = 1 + 0.2 * noise.abs()
        elif name.endswith("weight_g") or tensor.ndim == 1:
            init[name] = 0.2 * noise + (0 if name.endswith(("bias", "running_mean")) else 1)
        else:
            init[name] = noise * math.sqrt(1.5 / tensor[0].numel())
    return init


def make_views(config, sizes, generator):
    """Noisy copies of each sample's picture a step, cut to each size; each epoch has all samples once, in another
    order."""
    batch, side, per_epoch = config["batch_size"], config["image_size"], config["settings"]["steps_per_epoch"]
    samples = torch.randn(batch * per_epoch, 3, side, side, generator=generator)
    order = [torch.randperm(len(samples), generator=generator).view(per_epoch, batch)
             for _ in range(-(-config["steps"] // per_epoch))]
    index, views = torch.cat(order)[:config["steps"]].contiguous(), {}
    for i, size in enumerate(sizes):
        corner = (side - size) // 2
        cut = samples[index][..., corner:corner + size, corner:corner + size]
        views[f"view{i}"] = cut + 0.7 * torch.randn(cut.shape, generator=generator)
    return {**views, "index": index}


def write_golden(folder, config, init, views, replay):
    folder.mkdir(parents=True, exist_ok=True)
    records, final = replay(config, init, views)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "steps.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    save_file(init, folder / "init.safetensors")
    save_file(views, folder / "views.safetensors")
    moves = moves_of({k: final[k] for k in init}, init)
    save_file({k: v.float() for k, v in moves.items()}, folder / "moves.safetensors")
    for record in records:
        print(json.dumps(record))
    share = [moves[k].norm().item() / init[k].norm().item() for k in moves]
    still = sum(x == 0 for x in share)
    print(f"{len(moves)} tensors, {still} of them frozen, moved by up to {max(share):.3f} of their norm, the least "
          f"{min(x for x in share if x > 0):.4f}")


def distances_of(moves, reference):
    """distances(), in which a frozen tensor is at 0 or infinitely far."""
    still = {k: v for k, v in reference.items() if v.norm() == 0}
    far = distances(moves, {k: v for k, v in reference.items() if k not in still})
    return {**far, **{k: 0.0 if moves[k].norm() == 0 else math.inf for k in still}}


def check(dump, folder):
    init, final = load_file(folder / "init.safetensors"), load_file(dump)
    reference = {k: v.double() for k, v in load_file(folder / "moves.safetensors").items()}
    far = distances_of(moves_of({k: v for k, v in final.items() if k in reference}, init), reference)
    for name, distance in far.items():
        print(f"{distance:9.2e}  {name}{'' if distance <= TOLERANCE else '   <-- too far'}")
    print(f"largest {max(far.values()):.2e}, allowed {TOLERANCE:.0e}")
    return all(d <= TOLERANCE for d in far.values())  # false for NaN, too


def ablate(folder, ablations, replay):
    config = json.loads((folder / "config.json").read_text())
    init, views = load_file(folder / "init.safetensors"), load_file(folder / "views.safetensors")
    reference, caught = moves_of({k: v for k, v in replay(config, init, views)[1].items() if k in init}, init), True
    for name, change in ablations.items():
        other = {**config, "settings": {**config["settings"], **change}}
        final = {k: v for k, v in replay(other, init, views)[1].items() if k in init}
        far = sorted(distances_of(moves_of(final, init), reference).values())
        beyond = sum(d > 1000 * TOLERANCE for d in far)
        print(f"without {name}: {beyond} of {len(far)} tensors beyond a thousand times the bound, median "
              f"{far[len(far) // 2]:.1e}, largest {far[-1]:.1e}")
        caught = caught and beyond > 0
    return caught


def command_line(description, default, make, ablations, replay):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--make", action="store_true")
    action.add_argument("--check", metavar="DUMP", type=pathlib.Path)
    action.add_argument("--ablate", choices=("all", *ablations))
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # for the same bits every time
    if arguments.make:
        make(arguments.folder)
    elif arguments.check:
        sys.exit(0 if check(arguments.check, arguments.folder) else 1)
    else:
        names = ablations if arguments.ablate == "all" else {arguments.ablate: ablations[arguments.ablate]}
        sys.exit(0 if ablate(arguments.folder, names, replay) else 1)


def make(folder):
    generator = torch.Generator().manual_seed(20210429)
    sizes = [CONFIG["image_size"]] * 2 + [LOCAL_SIZE] * CONFIG["settings"]["local_crops"]
    init = make_init(make_model(CONFIG), generator)
    views, s = make_views(CONFIG, sizes, generator), CONFIG["settings"]
    for block in range(1, s["depth"]):
        for call in range(4):
            samples = CONFIG["batch_size"] * (2 if call < 2 else s["local_crops"])
            views[f"rand.encoder.blocks.{block}.drop_path.{call}"] = torch.rand(
                CONFIG["steps"], samples, generator=generator)
    write_golden(folder, CONFIG, init, views, replay)


if __name__ == "__main__":
    command_line(__doc__, pathlib.Path(__file__).parent / "dino", make, ABLATIONS, replay)
