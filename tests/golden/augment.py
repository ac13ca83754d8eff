#!/usr/bin/env python3
"""Golden values of the augmentations, from torchvision, and small image files, from Pillow.

Writes tests/golden/augment.json and tests/data/files/. Needs torch, torchvision and Pillow.
"""
import json
import pathlib

import numpy as np
import PIL.Image
import torch
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode

HERE = pathlib.Path(__file__).parent
FILES = HERE.parent / "data" / "files"


def smooth_image(height, width, channels, seed):
    """Bytes [height, width, channels] with smooth parts, saturated parts and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        127 + 150 * np.sin(0.4 * (c + 1) * x + 0.3 * y + rng.uniform(0, 6)) + rng.normal(0, 8, (height, width))
        for c in range(channels)
    ]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def hwc(tensor):
    return [round(v, 7) for v in tensor.permute(1, 2, 0).flatten().tolist()]


def box_resize(image, top, left, height, width, size):
    return F.resized_crop(image, top, left, height, width, size, InterpolationMode.BILINEAR, antialias=True)


def cases(image):
    yield "brightness", [0.6], F.adjust_brightness(image, 0.6)
    yield "brightness", [1.4], F.adjust_brightness(image, 1.4)
    yield "contrast", [0.3], F.adjust_contrast(image, 0.3)
    yield "contrast", [1.7], F.adjust_contrast(image, 1.7)
    if image.shape[0] == 3:
        yield "saturation", [0.2], F.adjust_saturation(image, 0.2)
        yield "saturation", [1.8], F.adjust_saturation(image, 1.8)
        for turn in (-0.5, -0.17, 0.08, 0.33):
            yield "hue", [turn], F.adjust_hue(image, turn)
        yield "grey", [], F.rgb_to_grayscale(image, 3)
    yield "solarize", [0.5], F.solarize(image, 0.5)
    yield "blur", [1, 0.7], F.gaussian_blur(image, 3, 0.7)
    yield "blur", [3, 1.6], F.gaussian_blur(image, 7, 1.6)
    # top, left, height, width of the box; height and width of the result
    for box, size in (
        ((0, 0, 9, 11), (9, 11)),
        ((2, 3, 5, 4), (8, 8)),
        ((1, 1, 8, 9), (4, 3)),
        ((0, 2, 9, 7), (5, 12)),
        ((4, 5, 1, 1), (3, 3)),
    ):
        yield "crop_resize", [*box, *size], box_resize(image, *box, size)
    for size, resize in ((6, 7), (5, 5), (8, 12)):
        resized = F.resize(image, resize, InterpolationMode.BILINEAR, antialias=True)
        yield "center_crop", [size, resize], F.center_crop(resized, size)


def write_cases():
    images = []
    for seed, channels in ((1, 3), (2, 1)):
        pixels = smooth_image(9, 11, channels, seed)
        image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        results = [{"op": op, "arguments": arguments, "values": hwc(value)} for op, arguments, value in cases(image)]
        images.append(
            {"height": 9, "width": 11, "channels": channels, "pixels": pixels.flatten().tolist(), "cases": results}
        )
    return images


def write_files():
    """One file of each kind, and the pixels that Pillow decodes from it."""
    FILES.mkdir(exist_ok=True)
    rgb = PIL.Image.fromarray(smooth_image(12, 17, 3, 3))
    alpha = rgb.copy()
    alpha.putalpha(PIL.Image.linear_gradient("L").resize(rgb.size))
    pictures = {
        "rgb.jpg": (rgb, {"quality": 90}),
        "progressive.jpg": (rgb, {"quality": 80, "progressive": True}),
        "grey.jpg": (rgb.convert("L"), {"quality": 90}),
        "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 95}),
        "rgb.png": (rgb, {}),
        "alpha.png": (alpha, {}),
        "palette.png": (rgb.quantize(16), {}),
        "grey.pgm": (rgb.convert("L"), {}),
        "rgb.ppm": (rgb, {}),
        "rgb.bmp": (rgb, {}),
    }
    decoded = {}
    for name, (picture, options) in pictures.items():
        picture.save(FILES / name, **options)
        pixels = np.asarray(PIL.Image.open(FILES / name).convert("RGB"))
        decoded[name] = {"height": 12, "width": 17, "pixels": pixels.flatten().tolist()}
    return decoded


if __name__ == "__main__":
    golden = {"torchvision": __import__("torchvision").__version__, "images": write_cases(), "files": write_files()}
    (HERE / "augment.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
