#!/usr/bin/env python3
"""Decode, RandomResizedCrop, flip, ToTensor, Normalize with Pillow and torchvision: the peer of decode_bench.

    torchvision_decode.py FOLDER VARIANT

VARIANT is pil (Pillow decodes and resizes: the reference recipes), or io (torchvision.io.decode_image and
transforms on tensors, which do not give Pillow's pixels). One pass over all images, in memory, for each line of
standard input; answers with one JSON line.
"""

import io
import json
import pathlib
import sys
import time

import torch
from PIL import Image
from torchvision import transforms
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def reader(variant):
    if variant == "pil":
        steps = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(),
                                    transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
        return lambda data: steps(Image.open(io.BytesIO(data)).convert("RGB"))
    steps = v2.Compose([v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(),
                        v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    return lambda data: steps(decode_image(torch.frombuffer(data, dtype=torch.uint8), ImageReadMode.RGB))


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    folder, variant = sys.argv[1:]
    files = [bytearray(path.read_bytes()) for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()]
    read = reader(variant)
    for _ in sys.stdin:
        begin, cpu_begin = time.perf_counter(), time.process_time()
        for data in files:
            read(data)
        print(json.dumps({"images": len(files), "seconds": time.perf_counter() - begin,
                          "cpu_seconds": time.process_time() - cpu_begin}), flush=True)


if __name__ == "__main__":
    main()
