#!/usr/bin/env python3
"""Checks with the real packages what docs/loading-elsewhere.md says: encoders go both ways.

    load_elsewhere.py [--tessera build/release/bin/tessera]

Needs torch, torchvision, safetensors, numpy and pillow, and timm for its part. For ResNet-18, -34 and -50, with random
weights, running statistics and images:

    theirs -> ours   torchvision's weights enter by `pretrain --from`, whose one step at learning rate 0 leaves every
                     weight as it was, bit by bit; and features of the same weights by `tessera embed` are torchvision's
    ours -> theirs   model.safetensors of that run, loaded as the page says into torchvision and timm, gives the
                     features of `tessera embed`

Features agree when their largest difference is at most 1e-5 of the largest feature. Prints a line for each comparison;
the exit code is 1 when one fails.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import safetensors
import safetensors.torch
import torch
import torchvision
from PIL import Image

SIDE, IMAGES, TOLERANCE = 64, 8, 1e-5
LEARNED = ("weight", "bias")


def write_images(folder):
    pixels = numpy.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=numpy.uint8)
    folder.mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def new_network(depth, cifar):
    network = getattr(torchvision.models, f"resnet{depth}")()
    if cifar:
        network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = torch.nn.Identity()
    return network


def random_network(depth, cifar):
    torch.manual_seed(depth)
    network = new_network(depth, cifar)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.75, 1.25)
            torch.nn.init.uniform_(module.bias, -0.25, 0.25)
            torch.nn.init.uniform_(module.running_mean, -0.25, 0.25)
            torch.nn.init.uniform_(module.running_var, 0.75, 1.25)
    return network


def features(network, file, images):
    """What the network makes of the images, normalised as the file's metadata says."""
    with safetensors.safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    mean, std = (torch.tensor(json.loads(metadata[key])).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        return network.eval()((images - mean) / std)


class Check:
    def __init__(self, tessera, folder):
        self.tessera, self.folder, self.failed = tessera, folder, False
        self.images = write_images(folder / "images")

    def run(self, *arguments):
        subprocess.run([self.tessera, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def embed(self, file):
        out = self.folder / "features.safetensors"
        self.run("embed", "--model", file, "--data", f"folder:{self.folder / 'images'}", "--out", out)
        return safetensors.torch.load_file(out)["features"]

    def note(self, what, passed, detail):
        print(f"{'ok  ' if passed else 'FAIL'} {what}: {detail}", flush=True)
        self.failed |= not passed

    def compare(self, what, ours, theirs):
        off = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        self.note(what, off <= TOLERANCE, f"features {list(theirs.shape)} differ by {off:.1e}")

    def pretrain(self, name, depth, stem, weights):
        run = self.folder / name
        self.run("pretrain", "simclr", "--data", f"folder:{self.folder / 'images'}", "--arch", f"resnet{depth}", "--from", weights,
                 "--steps", 1, "--batch-size", 4, "--set", "learning_rate=0", "--set", f"stem={stem}", "--out", run)
        return run / "model.safetensors"

    def theirs_to_ours(self, name, network, model):
        state, written = network.state_dict(), safetensors.torch.load_file(model)
        learned = [key for key in written if key.endswith(LEARNED)]
        same = all(torch.equal(written[key], state[key]) for key in learned)
        self.note(f"{name} from torchvision, weights", same, f"{len(learned)} tensors are equal")
        network.fc = torch.nn.Identity()
        with safetensors.safe_open(model, "pt") as opened:
            metadata = opened.metadata()
        given = self.folder / "given.safetensors"
        safetensors.torch.save_file({key: value.contiguous() for key, value in network.state_dict().items()}, given, metadata)
        self.compare(f"{name} from torchvision, features", self.embed(given), features(network, given, self.images))

    def ours_to_theirs(self, name, depth, cifar, model):
        ours = self.embed(model)
        network = new_network(depth, cifar)
        network.fc = torch.nn.Identity()
        network.load_state_dict(safetensors.torch.load_file(model))
        self.compare(f"{name} into torchvision", ours, features(network, model, self.images))
        if cifar:
            return
        try:
            import timm
        except ImportError:
            print(f"     {name} into timm: timm is absent")
            return
        network = timm.create_model(f"resnet{depth}", num_classes=0)
        network.load_state_dict(safetensors.torch.load_file(model))
        self.compare(f"{name} into timm {timm.__version__}", ours, features(network, model, self.images))

    def both_ways(self, depth, stem):
        name, cifar = f"resnet{depth} {stem}", stem == "cifar"
        network = random_network(depth, cifar)
        weights = self.folder / "weights.safetensors"
        safetensors.torch.save_file(network.state_dict(), weights)
        model = self.pretrain(name.replace(" ", "-"), depth, stem, weights)
        self.theirs_to_ours(name, network, model)
        self.ours_to_theirs(name, depth, cifar, model)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tessera", default=root / "build/release/bin/tessera")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        check = Check(arguments.tessera, pathlib.Path(folder))
        for depth, stem in ((18, "imagenet"), (18, "cifar"), (34, "imagenet"), (50, "imagenet")):
            check.both_ways(depth, stem)
    sys.exit(check.failed)


if __name__ == "__main__":
    main()
