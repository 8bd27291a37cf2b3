"""Writes optimizers.txt: twenty steps of torch.optim's optimizers, for optimizer_test.cpp. Needs
torch; run by hand, never by the tests:

    python make_optimizers.py

One tensor of 12 weights and a gradient of noise plus half the weights. Each line is a name and 12
numbers: `initial`, `noise` (20 lines), and `NAME 1`, `NAME 2`, `NAME 20`: the weights after so many
steps. All arithmetic is in float64 on numbers that float32 holds, so the file holds what float32
should come close to, not another rounding of it.
"""

import torch

SIZE, STEPS = 12, 20
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    "clipped": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adam_decay": (torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
}
CLIP_NORM = 2.0  # of "clipped" alone; shorter gradients stay


def line(name, values):
    return " ".join([name, *(f"{value:.9g}" for value in values.tolist())])


def run(name, initial, noise):
    kind, settings = OPTIMIZERS[name]
    weights = torch.nn.Parameter(initial.double())
    optimizer = kind([weights], **settings)
    lines = []
    for step in range(1, STEPS + 1):
        weights.grad = noise[step - 1].double() + weights.detach() / 2
        if name == "clipped":
            torch.nn.utils.clip_grad_norm_([weights], CLIP_NORM)
        optimizer.step()
        if step in (1, 2, STEPS):
            lines.append(line(f"{name} {step}", weights.detach()))
    return lines


def main():
    generator = torch.Generator().manual_seed(1)
    initial = torch.randn(SIZE, generator=generator)
    noise = torch.randn(STEPS, SIZE, generator=generator)
    noise[::4] /= 16  # short gradients between long ones
    lines = [line("initial", initial), *(line("noise", row) for row in noise)]
    for name in OPTIMIZERS:
        lines += run(name, initial, noise)
    with open("optimizers.txt", "w") as file:
        file.write("\n".join(lines) + "\n")


main()
