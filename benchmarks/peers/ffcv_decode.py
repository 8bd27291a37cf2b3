#!/usr/bin/env python3
"""RandomResizedCrop, flip, normalise with FFCV's loader, one worker: the peer of decode_bench.

    ffcv_decode.py FOLDER BETON [original]

BETON is written first if it is not there: all images in full size, as JPEG of quality 90, since FFCV always
encodes again; with "original" the bytes of the files are put there instead, so that both programs decode the
same. One pass in memory for each line of standard input; answers with one JSON line.
"""

import json
import pathlib
import sys
import time

import numpy as np
import torch
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.rgb_image import IMAGE_MODES
from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, ToTensor, ToTorchImage
from ffcv.writer import DatasetWriter
from PIL import Image

MEAN, STD = np.array((0.485, 0.456, 0.406)) * 255, np.array((0.229, 0.224, 0.225)) * 255


class OriginalField(RGBImageField):
    """The bytes of a file as they are."""

    def encode(self, destination, path, malloc):
        destination["mode"] = IMAGE_MODES["jpg"]
        destination["width"], destination["height"] = Image.open(path).size
        data = np.frombuffer(path.read_bytes(), np.uint8)
        destination["data_ptr"], storage = malloc(data.nbytes)
        storage[:] = data


class Folder:
    def __init__(self, folder, original):
        self.paths = [path for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()]
        self.original = original

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return self.paths[i] if self.original else Image.open(self.paths[i]).convert("RGB"), i


def main():
    torch.set_num_threads(1)
    original = "original" in sys.argv[3:]
    images = Folder(sys.argv[1], original)
    beton = pathlib.Path(sys.argv[2])
    if not beton.exists():
        image = OriginalField() if original else RGBImageField(write_mode="jpg", jpeg_quality=90)
        fields = {"image": image, "label": IntField()}
        DatasetWriter(beton, fields, num_workers=1).from_indexed_dataset(images)
    steps = [RandomResizedCropRGBImageDecoder((224, 224)), RandomHorizontalFlip(),
             NormalizeImage(MEAN, STD, np.float32), ToTensor(), ToTorchImage()]
    loader = Loader(beton, batch_size=50, num_workers=1, order=OrderOption.SEQUENTIAL, os_cache=True,
                    custom_fields={"image": OriginalField} if original else {},
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
