#!/usr/bin/env python3
"""How far gradients in bf16 and fp16 are from float64, beside PyTorch's under its autocast.

    mixed_precision.py TESSERA     TESSERA: the built program, as in build/release/bin/tessera

A SimCLR step (the network and loss of tests/golden/simclr_replay.py) on random weights and noisy views. Tessera's
gradients are read off one step of plain SGD with rate 1, by `tessera replay`. Prints, for each precision and side,
|grad - reference| / |reference| over all parameters together, and the median over tensors.
"""

import math
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
import simclr_replay as simclr  # noqa: E402

CONFIG = dict(simclr.CONFIG, width=8, projector_hidden=64, projector_out=32, steps=1, steps_per_epoch=1,
              batch_size=32, image_size=24)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LOSS_SCALE = 1024  # for fp16, on both sides


def theirs(init, views, dtype):
    """PyTorch's gradients: in float64, or in float32 under autocast where dtype has 16 bits."""
    model = simclr.make_model(CONFIG).to(torch.float64 if dtype == torch.float64 else torch.float32).train()
    model.load_state_dict(init, strict=False)
    images = torch.cat([views["view0"][0], views["view1"][0]]).to(next(model.parameters()).dtype)
    with torch.autocast("cpu", dtype=dtype, enabled=dtype in (torch.bfloat16, torch.float16)):
        loss = simclr.nt_xent(model["projector"](model["encoder"](images)), CONFIG["temperature"])
    scale = LOSS_SCALE if dtype == torch.float16 else 1
    (loss * scale).backward()
    return {name: p.grad.double() / scale for name, p in model.named_parameters()}


def ours(tessera, folder, init, precision):
    """Tessera's gradients: how far a step of SGD with rate 1 moves each parameter."""
    settings = {name: CONFIG[name] for name in ("stem", "width", "projector_hidden", "projector_out", "temperature")}
    settings.update(optimizer="sgd", learning_rate=1, momentum=0, weight_decay=0, warmup_steps=0)
    if precision == "fp16":
        settings["loss_scale"] = LOSS_SCALE
    dump = folder / "final.safetensors"
    command = [tessera, "replay", "simclr", "--arch", CONFIG["arch"], "--precision", precision, "--dump", dump,
               "--init", folder / "init.safetensors", "--views", folder / "views.safetensors"]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    final = load_file(dump)
    return {name: init[name].double() - final[name].double() for name in init if name in final}


def distance(grads, reference):
    off = {name: (grads[name] - want).norm().item() for name, want in reference.items()}
    size = {name: want.norm().item() for name, want in reference.items()}
    together = math.hypot(*off.values()) / math.hypot(*size.values())
    each = sorted(off[name] / size[name] for name in off)
    return f"all {together:.1e}, median {each[len(each) // 2]:.1e}"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    generator = torch.Generator().manual_seed(1)
    init, views = simclr.make_init(CONFIG, generator), simclr.make_views(CONFIG, generator)
    reference = theirs(init, views, torch.float64)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        save_file(init, folder / "init.safetensors")
        save_file(views, folder / "views.safetensors")
        for precision, dtype in DTYPES.items():
            print(f"{precision}  tessera {distance(ours(sys.argv[1], folder, init, precision), reference)}"
                  f"   pytorch {distance(theirs(init, views, dtype), reference)}", flush=True)


if __name__ == "__main__":
    main()
