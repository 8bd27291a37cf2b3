"""Compares transforms with torchvision's on PIL images, value by value, with fixed parameters.

    ninja -C build apply_transform
    python tests/data/golden/compare_transforms.py build IMAGES.tar [COUNT]
    python tests/data/golden/compare_transforms.py --hashes > tests/data/golden/transforms.txt

IMAGES.tar holds image files anywhere inside. Prints per transform how many of all values differ, and by
how much at most; ends with code 1 if any does. --hashes writes what the unit tests compare: the CRC-32C of
torchvision's result on an image of noise, in colour and in grey. By hand; needs torchvision and Pillow.
"""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, RandAugment, TrivialAugmentWide, autoaugment
from torchvision.transforms import functional as F

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
NAMES = list(RandAugment()._augmentation_space(31, (1, 1)))  # RandAugment's, in its order


def cases():
    """(name, parameters, torchvision's function of an image)"""
    for factor in (0.0, 0.35, 0.6, 1.0, 1.4, 1.9):
        yield "brightness", [factor], lambda im, f=factor: F.adjust_brightness(im, f)
        yield "contrast", [factor], lambda im, f=factor: F.adjust_contrast(im, f)
        yield "saturation", [factor], lambda im, f=factor: F.adjust_saturation(im, f)
        yield "sharpness", [factor], lambda im, f=factor: F.adjust_sharpness(im, f)
    for turn in (-0.5, -0.07, 0.0, 0.1, 0.5):
        yield "hue", [turn], lambda im, t=turn: F.adjust_hue(im, t)
    yield "grayscale", [], lambda im: F.to_grayscale(im, 3)
    for bits in (1, 4, 8):
        yield "posterize", [bits], lambda im, b=bits: F.posterize(im, b)
    for threshold in (0.0, 127.5, 255.0):
        yield "solarize", [threshold], lambda im, t=threshold: F.solarize(im, t)
    yield "autocontrast", [], F.autocontrast
    yield "equalize", [], F.equalize
    for degrees in (-180.0, -90.0, -11.25, 0.0, 3.3, 30.0, 90.0, 133.7):
        for number, mode in enumerate((NEAREST, BILINEAR)):
            yield "rotate", [degrees, number], lambda im, d=degrees, m=mode: F.rotate(im, d, m)
    for p in ((0.0, 5, -9, 1.0, 0.0, 0.0), (0.0, 0, 0, 0.83, 0.0, 0.0), (12.5, -7, 3, 1.21, 8.0, -4.0),
              (-100.0, 0, 11, 0.7, -20.0, 15.0)):
        for number, mode in enumerate((NEAREST, BILINEAR)):
            yield "affine", [*p, number], lambda im, p=p, m=mode: F.affine(
                im, p[0], [p[1], p[2]], p[3], [p[4], p[5]], m)
    for which, op in enumerate(NAMES):
        for magnitude, bins, sign in ((9, 31, 1), (9, 31, -1), (21, 31, -1), (5, 10, 1)):
            yield "rand_augment", [which, magnitude, bins, sign], augmentation(
                op, magnitude, sign, lambda im, b=bins: RandAugment()._augmentation_space(b, (im.height, im.width)))
        for magnitude, sign in ((30, -1), (17, 1), (4, -1)):
            yield "trivial_augment", [which, magnitude, 31, sign], augmentation(
                op, magnitude, sign, lambda im: TrivialAugmentWide()._augmentation_space(31))


def augmentation(op, magnitude, sign, space_of):
    """The function of an image that does `op` with one of the strengths of a space."""
    def apply(image):
        strengths, signed = space_of(image)[op]
        strength = float(strengths[magnitude].item()) if strengths.ndim > 0 else 0.0
        return autoaugment._apply_op(image, op, sign * strength if signed else strength, NEAREST, None)
    return apply


def images_of(path, count):
    with tarfile.open(path) as tar:
        for member in tar:
            if count == 0:
                return
            if member.name.lower().endswith((".jpg", ".jpeg", ".png")):
                count -= 1
                yield Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")


def noise_image(height, width, channels):
    """The same as tests/data/images.h."""
    state, values = 1, []
    for _ in range(height * width * channels):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append(state >> 24)
    pixels = np.array(values, np.uint8).reshape(height, width, channels)
    return Image.fromarray(pixels.squeeze())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def write_hashes():
    print("# channels, transform, CRC-32C of the result, parameters; written by compare_transforms.py")
    for channels in (3, 1):
        image = noise_image(19, 26, channels)
        for name, parameters, function in cases():
            if channels == 1 and name == "grayscale":
                continue
            hashed = crc32c(np.asarray(function(image)).tobytes())
            print(channels, name, hashed, *(repr(float(p)) for p in parameters))


def main():
    torch.set_num_threads(1)
    if sys.argv[1] == "--hashes":
        return write_hashes()
    build, tar = Path(sys.argv[1]), sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1 << 30
    server = subprocess.Popen([build / "tests/data/apply_transform"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    totals = {}
    for image in images_of(tar, count):
        pixels = np.asarray(image)
        for name, parameters, function in cases():
            words = [name, *pixels.shape, *(repr(float(p)) for p in parameters)]
            server.stdin.write(" ".join(map(str, words)).encode() + b"\n" + pixels.tobytes())
            server.stdin.flush()
            found = np.frombuffer(server.stdout.read(pixels.size), np.uint8).reshape(pixels.shape)
            expected = np.asarray(function(image))
            difference = np.abs(found.astype(int) - expected.astype(int))
            key = f"{name} {NAMES[parameters[0]]}" if name.endswith("augment") else name
            images, values, differing, worst = totals.get(key, (0, 0, 0, 0))
            totals[key] = (images + 1, values + difference.size, differing + int(np.count_nonzero(difference)),
                           max(worst, int(difference.max())))
    for key, (images, values, differing, worst) in totals.items():
        print(f"{key:28} {images:6} results {values:13} values, {differing} differ, by at most {worst}")
    sys.exit(any(differing for _, _, differing, _ in totals.values()))


main()
