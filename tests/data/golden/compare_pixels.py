"""Compares what reaches the first layer with Pillow's and torchvision's, value by value.

    ninja -C build draw_pixels
    python tests/data/golden/compare_pixels.py build IMAGES.tar [COUNT]

IMAGES.tar holds image files anywhere inside. Of each image: five random crops, resized to 224 and flipped or
not, as bytes and as normalised floats; resize 256 and centre crop 224; and parts of the decoded image against
the whole, for the file as it is and as a progressive copy. Then the distribution of random crops against
torchvision's (two-sample Kolmogorov-Smirnov). Ends with code 1 if anything differs. By hand; needs
torchvision, and Pillow up to 12 (data/resize.h says why).
"""

import math
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = 224


class Drawer:
    def __init__(self, build):
        self.process = subprocess.Popen([Path(build) / "tests/data/draw_pixels"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def ask(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()

    def line(self):
        return list(map(int, self.process.stdout.readline().split()))

    def read(self, count, dtype):
        return np.frombuffer(self.process.stdout.read(count * np.dtype(dtype).itemsize), dtype)

    def picture(self, *words):
        self.ask(*words)
        return [self.read(SIZE * SIZE * 3, dtype).reshape(SIZE, SIZE, 3) for dtype in ("u1", "f4")]


def differing(mine, image):
    """Of a PIL image and of what ToTensor and Normalize make of it."""
    floats = F.normalize(F.to_tensor(image), MEAN, STD).permute(1, 2, 0).numpy()
    return np.array([np.count_nonzero(mine[0] != np.asarray(image)), np.count_nonzero(mine[1] != floats)])


def check_image(drawer, path, counts):
    drawer.ask("open", path)
    height, width = drawer.line()
    image = Image.open(path).convert("RGB")
    for _ in range(5):
        top, left, h, w = T.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3))
        flip = random.random() < 0.5
        expected = F.resized_crop(image, top, left, h, w, [SIZE, SIZE])
        expected = F.hflip(expected) if flip else expected
        mine = drawer.picture("crop", top, left, h, w, SIZE, int(flip))
        counts["random resized crops"] += differing(mine, expected)
    expected = F.center_crop(F.resize(image, 256), [SIZE, SIZE])
    counts["resize 256, centre crop 224"] += differing(drawer.picture("evaluate", 256, SIZE), expected)
    check_parts(drawer, height, width, "parts of the decoded image", counts)
    with tempfile.NamedTemporaryFile(suffix=".jpg") as copy:
        image.save(copy.name, progressive=True, quality=90, subsampling=random.choice((0, 1, 2)))
        drawer.ask("open", copy.name)
        drawer.line()
        check_parts(drawer, height, width, "parts of a progressive copy", counts)


def check_parts(drawer, height, width, name, counts):
    for _ in range(5):
        h, w = random.randint(1, height), random.randint(1, width)
        drawer.ask("part", random.randint(0, height - h), random.randint(0, width - w), h, w)
        counts[name] += drawer.line()[0]


def ks_p_value(a, b):
    """Two-sample Kolmogorov-Smirnov: the asymptotic probability of so large a distance by chance."""
    everything = np.concatenate([a, b])
    ranks = [np.searchsorted(np.sort(x), everything, side="right") / len(x) for x in (a, b)]
    effective = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    t = np.abs(ranks[0] - ranks[1]).max() * (effective + 0.12 + 0.11 / effective)
    return min(1, max(0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * t) ** 2) for k in range(1, 101))))


def check_distribution(drawer, count=20000):
    lowest = 1.0
    for height, width in ((375, 500), (500, 333), (224, 224), (150, 900)):
        drawer.ask("params", height, width, count)
        mine = drawer.read(4 * count, "i4").reshape(count, 4)
        image = torch.empty(3, height, width)
        theirs = np.array([T.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(count)])
        features = {
            "area": lambda p: p[:, 2] * p[:, 3] / (height * width),
            "ratio": lambda p: p[:, 3] / p[:, 2],
            "centre, down": lambda p: (p[:, 0] + p[:, 2] / 2) / height,
            "centre, across": lambda p: (p[:, 1] + p[:, 3] / 2) / width,
        }
        values = {name: ks_p_value(f(mine), f(theirs)) for name, f in features.items()}
        lowest = min(lowest, *values.values())
        print(f"crops of {height} x {width}: p " + ", ".join(f"{name} {p:.3f}" for name, p in values.items()))
    return lowest


def main():
    assert int(PIL.__version__.split(".")[0]) <= 12, "Pillow up to 12 is the reference"
    torch.set_num_threads(1)
    torch.manual_seed(1)
    random.seed(1)
    build, tar, *rest = sys.argv[1:]
    drawer = Drawer(build)
    counts = {"random resized crops": np.zeros(2, int), "resize 256, centre crop 224": np.zeros(2, int),
              "parts of the decoded image": np.zeros(1, int), "parts of a progressive copy": np.zeros(1, int)}
    images = 0
    with tarfile.open(tar) as archive, tempfile.TemporaryDirectory() as folder:
        for member in archive:
            if not member.isfile() or images == int(rest[0] if rest else 1 << 30):
                continue
            path = Path(folder) / "image"
            path.write_bytes(archive.extractfile(member).read())
            check_image(drawer, path, counts)
            images += 1
    print(f"{images} images, Pillow {PIL.__version__}; values that differ:")
    for name, count in counts.items():
        print(f"  {name}: " + " bytes, ".join(map(str, count)) + (" floats" if len(count) == 2 else " bytes"))
    # 16 tests: one below 0.0005 comes by chance in 1 of 125 runs, and the seed is fixed.
    lowest = check_distribution(drawer)
    return int(any(count.any() for count in counts.values()) or lowest < 0.0005)


if __name__ == "__main__":
    sys.exit(main())
