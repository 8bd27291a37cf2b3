"""Writes golden.safetensors: ten steps of a small net in PyTorch, for golden_test.cpp. Needs torch
and safetensors; run by hand, never by the tests:

    python make_golden.py

All arithmetic is in float64, so the file holds what float32 training should come close to, not
another rounding of it. Tensors, row-major:

    images              U8  [10, 16, 3, 16, 16]   a pixel's value is (byte - 128) / 64
    labels              I32 [10, 16]              0..4
    initial.NAME        F32                       weights before the first step
    lanesV.losses       F32 [10]                  mean over the batch, before each step
    lanesV.gradient.NAME F32                      of the first step's mean loss
    lanesV.final.NAME   F32                       weights and running statistics after ten steps

for V = 1 (batch norm over the 16 samples) and V = 4 (over each of the four runs of 4 samples by
itself; the gradients averaged, the measured statistics averaged before they are blended in).

Training: SGD, lr 0.1, momentum 0.9, weight decay 1e-4 on weights alone (not on biases or batch
norm); batch norm with epsilon 1e-5, momentum 0.1.
"""

import numpy
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional

STEPS, BATCH, CLASSES, SIZE = 10, 16, 5, 16


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.shortcut = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 2)
        x = functional.relu(self.bn2(self.conv2(x)) + self.shortcut(x))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


def make_batches():
    """Noise over one pattern per class, so that there is something to learn."""
    rng = numpy.random.default_rng(1)
    patterns = rng.normal(128, 30, (CLASSES, 3, SIZE, SIZE))
    labels = rng.integers(0, CLASSES, (STEPS, BATCH), dtype=numpy.int32)
    images = patterns[labels] + rng.normal(0, 40, (STEPS, BATCH, 3, SIZE, SIZE))
    return images.round().clip(0, 255).astype(numpy.uint8), labels


def make_net():
    torch.manual_seed(2)
    net = Net()
    for bn in (net.bn1, net.bn2):
        nn.init.uniform_(bn.weight, 0.5, 1.5)
        nn.init.uniform_(bn.bias, -0.5, 0.5)
    return net.double()


def arrays(prefix, tensors):
    return {prefix + name: tensor.detach().numpy().astype(numpy.float32)
            for name, tensor in tensors if not name.endswith("num_batches_tracked")}


def backward(net, images, labels, lanes):
    """The mean loss, its gradients in the net, and the running statistics moved by one step."""
    statistics = {name: value.clone() for name, value in net.named_buffers() if "running" in name}
    moved = {name: torch.zeros_like(value) for name, value in statistics.items()}
    total = 0.0
    for lane_images, lane_labels in zip(images.chunk(lanes), labels.chunk(lanes)):
        for name, value in net.named_buffers():
            if name in statistics:
                value.copy_(statistics[name])
        loss = functional.cross_entropy(net(lane_images), lane_labels) / lanes
        loss.backward()
        total += loss.item()
        for name, value in net.named_buffers():
            if name in moved:
                moved[name] += value / lanes
    for name, value in net.named_buffers():
        if name in moved:
            value.copy_(moved[name])
    return total


def train(images, labels, lanes):
    prefix = f"lanes{lanes}."
    net = make_net()
    weights = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() == 1]
    sgd = torch.optim.SGD([{"params": weights, "weight_decay": 1e-4}, {"params": others}],
                          lr=0.1, momentum=0.9)
    losses, gradients = [], {}
    for step in range(STEPS):
        sgd.zero_grad()
        x = (torch.from_numpy(images[step]).double() - 128) / 64
        losses.append(backward(net, x, torch.from_numpy(labels[step]).long(), lanes))
        if step == 0:
            gradients = arrays(prefix + "gradient.", ((n, p.grad) for n, p in net.named_parameters()))
        sgd.step()
    print(f"{lanes} lanes:", *(f"{loss:.6f}" for loss in losses))
    return {prefix + "losses": numpy.array(losses, numpy.float32), **gradients,
            **arrays(prefix + "final.", net.state_dict().items())}


def main():
    images, labels = make_batches()
    # The weights as float32 holds them, in both runs and in the test.
    golden = {"images": images, "labels": labels, **arrays("initial.", make_net().named_parameters())}
    for lanes in (1, 4):
        golden |= train(images, labels, lanes)
    save_file(golden, "golden.safetensors")


main()
