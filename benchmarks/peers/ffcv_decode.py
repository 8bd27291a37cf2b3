#!/usr/bin/env python3
"""RandomResizedCrop, flip, normalise with FFCV's loader, one worker: the peer of decode_bench.

    ffcv_decode.py FOLDER BETON

BETON is written first if it is not there: all images as JPEG of quality 90, in full size (FFCV always
encodes again). One pass in memory for each line of standard input; answers with one JSON line. Ends with an
error where FFCV is not installed.
"""

import json
import pathlib
import sys
import time

import numpy as np
import torch
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, ToTensor, ToTorchImage
from ffcv.writer import DatasetWriter
from PIL import Image

MEAN, STD = np.array((0.485, 0.456, 0.406)) * 255, np.array((0.229, 0.224, 0.225)) * 255


class Folder:
    def __init__(self, folder):
        self.paths = [path for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return Image.open(self.paths[i]).convert("RGB"), i


def main():
    torch.set_num_threads(1)
    images = Folder(sys.argv[1])
    beton = pathlib.Path(sys.argv[2])
    if not beton.exists():
        fields = {"image": RGBImageField(write_mode="jpg", jpeg_quality=90), "label": IntField()}
        DatasetWriter(beton, fields, num_workers=1).from_indexed_dataset(images)
    steps = [RandomResizedCropRGBImageDecoder((224, 224)), RandomHorizontalFlip(), ToTensor(), ToTorchImage(),
             NormalizeImage(MEAN, STD, np.float32)]
    loader = Loader(beton, batch_size=50, num_workers=1, order=OrderOption.SEQUENTIAL, os_cache=True,
                    pipelines={"image": steps, "label": [IntDecoder(), ToTensor()]})
    for _ in loader:  # compiles
        pass
    for _ in sys.stdin:
        begin, cpu_begin = time.perf_counter(), time.process_time()
        count = sum(len(labels) for _, labels in loader)
        print(json.dumps({"images": count, "seconds": time.perf_counter() - begin,
                          "cpu_seconds": time.process_time() - cpu_begin}), flush=True)


if __name__ == "__main__":
    main()
