"""Writes torchvision_models.txt, for models_test.cpp: what torchvision publishes of its networks and
what their state dicts hold. Needs torch and torchvision; run by hand, never by the tests:

    python make_state_dicts.py

A line per network:

    NAME PARAMETERS GIGA_MULTIPLY_ADDS TENSORS DIGEST

of which the multiply-adds are torchvision's own figure, for one image of 224x224. DIGEST is the
SHA-256 of the lines "TENSOR SHAPE\n", sorted; for some networks these lines follow, indented.
num_batches_tracked is left out.
"""

import hashlib

import torch
import torchvision

LISTED = ("alexnet", "googlenet", "resnet18", "squeezenet1_1", "vgg11_bn")
DIGESTED = ("resnet34", "resnet50", "resnet101", "resnet152", "vgg11", "vgg13", "vgg13_bn", "vgg16",
            "vgg16_bn", "vgg19", "vgg19_bn")


def describe(name):
    settings = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None, **settings)
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    lines = sorted(f"{key} {'x'.join(map(str, tensor.shape))}\n"
                   for key, tensor in net.state_dict().items()
                   if not key.endswith("num_batches_tracked"))
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    parameters = sum(p.numel() for p in net.parameters())
    head = f"{name} {parameters} {weights.meta['_ops']} {len(lines)} {digest}\n"
    return head + ("".join("  " + line for line in lines) if name in LISTED else "")


def main():
    with open("torchvision_models.txt", "w", encoding="ascii") as file:
        file.write("# torchvision's networks: see make_state_dicts.py, which wrote this\n")
        for name in sorted(LISTED + DIGESTED):
            file.write(describe(name))


main()
