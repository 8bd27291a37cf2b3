"""Compares one training step of networks with torchvision's: logits, losses, measured statistics and
all gradients, from equal weights and images. Needs torch, torchvision and safetensors; run by hand,
never by the tests:

    python compare_models.py build/tests/trainer/model_gradients [NAME ...] [--side 96] [--batch 4]
        [--backend onednn_direct]

A line per network, with relative errors as norms: of logits and losses, of the gradient as one
vector, and the largest of a tensor. Ends with 0 if all stay below 1e-4.

ReLU and max pooling have kinks. Among millions of values some may lie so near to one, or a window's
second largest so near to the largest, that rounding turns it over, and one of N turned over moves a
gradient by about 1 / sqrt(N). Where that happens PyTorch's float32 does not agree with its own
float64 either: such seeds say nothing, and the first one is taken at which the two agree.

Gradients that are zero but for rounding, of biases that a batch norm takes away again, are measured
by the gradient of their weights.
"""

import argparse
import subprocess
import sys
import tempfile

import torch
import torchvision
from safetensors.torch import load_file

NAMES = ("alexnet", "squeezenet1_1", "vgg11_bn", "googlenet", "resnet18", "resnet50")
LIMIT = 1e-4


def network(name):
    settings = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    net = torchvision.models.get_model(name, weights=None, **settings).train()
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # running statistics become those of the batch
    return net


def one_step(name, step, dtype):
    """Logits, losses, and by name gradients and statistics, by PyTorch."""
    net = network(name).to(dtype)
    state = {key[len("initial."):]: value for key, value in step.items() if key.startswith("initial.")}
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing), missing
    labels = step["labels"].long()
    output = net(step["images"].to(dtype))
    heads = [(output, 1.0)] if torch.is_tensor(output) else [
        (output.logits, 1.0), (output.aux_logits1, 0.3), (output.aux_logits2, 0.3)]
    loss = sum(weight * torch.nn.functional.cross_entropy(logits, labels) for logits, weight in heads)
    loss.backward()
    logits = heads[0][0].detach()
    found = {"logits": logits,
             "losses": torch.nn.functional.cross_entropy(logits, labels, reduction="none")}
    found |= {"gradient." + key: value.grad for key, value in net.named_parameters()}
    return found | {"gradient." + key: value for key, value in net.named_buffers() if "running" in key}


def errors(found, expected):
    """Of logits and losses, of the whole gradient, and the largest of a tensor with its name."""
    norms = {key: value.double().norm().item() for key, value in expected.items()}
    apart = {key: (found[key].double() - value.double()).norm().item()
             for key, value in expected.items()}

    def relative(key):
        weights = norms.get(key.removesuffix("bias") + "weight", 0.0)
        norm = norms[key]
        return apart[key] / (weights if key.endswith(".bias") and norm < 1e-4 * weights else norm)

    gradients = [key for key in norms if key.startswith("gradient.") and "running" not in key]
    whole = (sum(apart[key] ** 2 for key in gradients) / sum(norms[key] ** 2 for key in gradients)) ** 0.5
    worst = max((key for key in norms if key.startswith("gradient.")), key=relative)
    outputs = max(relative("logits"), relative("losses"))
    return outputs, whole, relative(worst), worst[len("gradient."):]


def text(found):
    return "logits {:.1e}  gradient {:.1e}  worst {:.1e} ({})".format(*found)


def our_step(name, seed, arguments):
    with tempfile.TemporaryDirectory() as folder:
        file = folder + "/step.safetensors"
        subprocess.run([arguments.program, file, arguments.backend, str(seed), str(arguments.side),
                        str(arguments.batch), "model.name=" + name, "model.dropout=0"], check=True)
        return load_file(file)


def compare(name, arguments):
    for seed in range(1, 100):
        step = our_step(name, seed, arguments)
        single, double = (one_step(name, step, dtype) for dtype in (torch.float32, torch.float64))
        if max(errors(single, double)[:3]) < LIMIT:
            break
    else:
        sys.exit(f"{name}: PyTorch's own precision decides the gradients at all seeds tried")
    found = errors(step, single)
    print(f"{name:15}seed {seed:2} {len(single) - 2:4} tensors  {text(found)}", flush=True)
    return max(found[:3]) < LIMIT


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--backend", default="onednn_direct")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    good = [compare(name, arguments) for name in arguments.names]
    sys.exit(0 if all(good) else 1)


main()
