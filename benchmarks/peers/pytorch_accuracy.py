#!/usr/bin/env python3
"""ResNet-20 trained by PyTorch on small images, by the recipe of configs/resnet20_cifar10.yaml: what accuracy
the data and the recipe allow, whoever computes it.

    pytorch_accuracy.py FOLDER [--epochs 30] [--threads 2] [--seed 1]

FOLDER holds train/CLASS/* and test/CLASS/*: files of 32 x 32 pixels that Pillow reads. They are decoded once and
kept in memory. Prints a line per epoch: loss and accuracy of training, accuracy on the test images, seconds.
"""

import argparse
import math
import os
import pathlib
import sys
import time

from pytorch_train import environment, resnet20

BATCH, RATE, DECAY, WARM_UP_EPOCHS, PAD, SIDE = 128, 0.15, 5e-4, 2, 4, 32


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def load(folder):
    """Images [N, H, W, C] of bytes, and labels [N] in the order of the class names."""
    import numpy
    import torch
    from PIL import Image
    images, labels = [], []
    for label, name in enumerate(sorted(path.name for path in folder.iterdir())):
        for path in sorted((folder / name).iterdir()):
            images.append(numpy.asarray(Image.open(path).convert("RGB")))
            labels.append(label)
    return torch.from_numpy(numpy.stack(images)), torch.tensor(labels)


def rate_at(step, steps, warm_up):
    if step < warm_up:
        return RATE * (step + 1) / warm_up
    return RATE / 2 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def augment(torch, padded, picks):
    """A random crop of each padded image, mirrored or not."""
    rows = torch.randint(0, 2 * PAD + 1, (len(picks), 1)) + torch.arange(SIDE)
    columns = torch.randint(0, 2 * PAD + 1, (len(picks), 1)) + torch.arange(SIDE)
    columns = torch.where(torch.rand(len(picks), 1) < 0.5, columns, columns.flip(1))
    return padded[picks[:, None, None], rows[:, :, None], columns[:, None, :]]


def train(args):
    import torch
    from torch import nn

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    images, labels = load(args.folder / "train")
    test_images, test_labels = load(args.folder / "test")
    floats = images.float() / 255
    mean, std = floats.mean((0, 1, 2)).view(1, 3, 1, 1), floats.std((0, 1, 2)).view(1, 3, 1, 1)
    padded = nn.functional.pad(images, (0, 0, PAD, PAD, PAD, PAD))
    del images, floats

    def network_input(pixels):
        return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std  # channels last, as the pixels are

    model = resnet20(nn).to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD([{"params": decayed, "weight_decay": DECAY}, {"params": others}],
                                lr=RATE, momentum=0.9, nesterov=True, fused=True)
    per_epoch = len(labels) // BATCH
    begin = time.perf_counter()
    for epoch in range(args.epochs):
        model.train()
        order = torch.randperm(len(labels))
        loss_sum = hits = 0
        for i in range(per_epoch):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(epoch * per_epoch + i, args.epochs * per_epoch, WARM_UP_EPOCHS * per_epoch)
            picks = order[i * BATCH:(i + 1) * BATCH]
            scores = model(network_input(augment(torch, padded, picks)))
            loss = nn.functional.cross_entropy(scores, labels[picks])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item()
            hits += (scores.argmax(1) == labels[picks]).sum().item()
        model.eval()
        with torch.inference_mode():
            test_hits = sum((model(network_input(pixels)).argmax(1) == expected).sum().item()
                            for pixels, expected in zip(test_images.split(500), test_labels.split(500)))
        print(f"epoch {epoch + 1}: loss {loss_sum / per_epoch:.4f}, training {hits / (per_epoch * BATCH):.2%}, "
              f"test {test_hits / len(test_labels):.2%} ({test_hits}), {time.perf_counter() - begin:.0f} s", flush=True)


def main():
    args = arguments()
    args.port = 0  # one process
    wanted = environment(args, "gnu", 0)
    if dict(os.environ) != wanted:  # libraries are preloaded when Python starts
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)
    train(args)


if __name__ == "__main__":
    main()
