#!/usr/bin/env python3
"""Checks with the real packages what docs/loading-elsewhere.md says: encoders go both ways.

    load_elsewhere.py [--tessera build/release/bin/tessera]

Needs torch, torchvision, timm, safetensors, numpy and pillow. For ResNet-18, -34 and -50, with random weights, running
statistics and images:

    theirs -> ours   torchvision's weights enter by `pretrain --from`, whose one step at learning rate 0 leaves every
                     weight as it was, bit by bit; and features of the same weights by `tessera embed` are torchvision's
    ours -> theirs   model.safetensors of that run, loaded as the page says into torchvision and timm, gives the
                     features of `tessera embed`

The same between Tessera and timm for ViTs: timm's own, one of them with weights for another image size, and vit_mini,
also with LayerScale, registers and mean pooling.

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
import timm
import torch
import torchvision
from PIL import Image

SIDE, IMAGES, TOLERANCE = 64, 8, 1e-5
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


# Name, --arch, settings, arguments of new_vit(), size of the images that the weights are for.
VITS = (
    ("vit_tiny", "vit_tiny", [], {"name": "vit_tiny_patch16_224"}, SIDE),
    ("vit_tiny from 224", "vit_tiny", [], {"name": "vit_tiny_patch16_224"}, 224),
    ("vit_small patch 8", "vit_small", ["patch=8"], {"name": "vit_small_patch8_224"}, SIDE),
    ("vit_base", "vit_base", [], {"name": "vit_base_patch16_224"}, SIDE),
    ("vit_mini", "vit_mini", [], {"patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4}, SIDE),
    ("vit_mini with all", "vit_mini", ["pool=avg", "registers=4", "layer_scale=0.1", "prefix_positions=false"],
     {"patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4, "global_pool": "avg", "reg_tokens": 4,
      "init_values": 0.1, "no_embed_class": True}, SIDE),
)


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


def new_vit(name=None, **arguments):
    return timm.create_model(name, **arguments) if name else timm.models.VisionTransformer(**arguments)


def random_vit(arguments):
    """With a classifier, and nothing in it near 0: tokens and LayerScale's factors start so in timm."""
    torch.manual_seed(0)
    network = new_vit(**arguments)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1 or name.endswith(("_token", "pos_embed")):
            torch.nn.init.uniform_(parameter, 0.25, 0.75)
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

    def pretrain(self, name, arch, settings, weights):
        run = self.folder / name.replace(" ", "-")
        chosen = [word for setting in ("learning_rate=0", *settings) for word in ("--set", setting)]
        self.run("pretrain", "simclr", "--data", f"folder:{self.folder / 'images'}", "--arch", arch, "--from", weights,
                 "--steps", 1, "--batch-size", 4, *chosen, "--out", run)
        return run / "model.safetensors"

    def same_weights(self, name, state, model):
        written = safetensors.torch.load_file(model)
        learned = [key for key in written if not key.endswith(STATISTICS)]
        same = all(torch.equal(written[key], state[key]) for key in learned)
        self.note(f"{name}, weights", same, f"{len(learned)} tensors are equal")

    def theirs_to_ours(self, name, network, model):
        self.same_weights(f"{name} from torchvision", network.state_dict(), model)
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
        network = timm.create_model(f"resnet{depth}", num_classes=0)
        network.load_state_dict(safetensors.torch.load_file(model))
        self.compare(f"{name} into timm", ours, features(network, model, self.images))

    def both_ways(self, depth, stem):
        name, cifar = f"resnet{depth} {stem}", stem == "cifar"
        network = random_network(depth, cifar)
        weights = self.folder / "weights.safetensors"
        safetensors.torch.save_file(network.state_dict(), weights)
        model = self.pretrain(name, f"resnet{depth}", [f"stem={stem}"], weights)
        self.theirs_to_ours(name, network, model)
        self.ours_to_theirs(name, depth, cifar, model)

    def vit_both_ways(self, name, arch, settings, arguments, pretrained_size=SIDE):
        """Weights of timm's network for images of pretrained_size enter a run on images of SIDE, leave it as
        model.safetensors, and enter timm's network for SIDE."""
        given = random_vit({**arguments, "img_size": pretrained_size})
        weights = self.folder / "weights.safetensors"
        safetensors.torch.save_file(given.state_dict(), weights)
        model = self.pretrain(name, arch, settings, weights)
        if pretrained_size != SIDE:
            given.set_input_size(SIDE)  # resizes the positions
            off = (given.pos_embed - safetensors.torch.load_file(model)["pos_embed"]).abs().max().item()
            self.note(f"{name} from timm, positions", off <= TOLERANCE, f"differ by {off:.1e}")
        else:
            self.same_weights(f"{name} from timm", given.state_dict(), model)
        network = new_vit(**arguments, img_size=SIDE, num_classes=0)
        network.load_state_dict(safetensors.torch.load_file(model))
        ours = self.embed(model)
        self.compare(f"{name} into timm", ours, features(network, model, self.images))
        given.reset_classifier(0)
        self.compare(f"{name} from timm, features", ours, features(given, model, self.images))


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tessera", default=root / "build/release/bin/tessera")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        check = Check(arguments.tessera, pathlib.Path(folder))
        for depth, stem in ((18, "imagenet"), (18, "cifar"), (34, "imagenet"), (50, "imagenet")):
            check.both_ways(depth, stem)
        for vit in VITS:
            check.vit_both_ways(*vit)
    sys.exit(check.failed)


if __name__ == "__main__":
    main()
