"""Compares one training step of networks with torchvision's: logits, losses, measured statistics and
all gradients, from equal weights and images. Needs torch, torchvision and safetensors; run by hand,
never by the tests:

    python compare_models.py build/tests/trainer/model_gradients [NAME ...] [--side 96] [--batch 4]
        [--backend onednn_direct] [--single]

A line per network and kind, with relative errors as norms: of logits and losses, of the gradient as
one vector, and the largest of a tensor.

`smooth` has tanh in the place of ReLU and averages in the place of maxima, on both sides: there the
errors are those of rounding, and the largest of all must stay below 1e-4 for the script to end with
0. `as it is` has kinks. Among millions of values some lie so near a kink, or a window's second
largest value so near the largest, that rounding turns them over, and one of N turned over moves a
gradient by about 1 / sqrt(N): so the same errors are also given to PyTorch in float64, ours and
PyTorch's own in float32, unless --single is given. Logits must stay below 1e-4.

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


def as_average(pool):
    return torch.nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode)


def smooth(net):
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.ReLU):
                setattr(module, name, torch.nn.Tanh())
            elif isinstance(child, torch.nn.MaxPool2d):
                setattr(module, name, as_average(child))


def network(name, kind):
    settings = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    net = torchvision.models.get_model(name, weights=None, **settings).train()
    if kind == "smooth":
        smooth(net)
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # running statistics become those of the batch
    return net


def one_step(name, kind, step, dtype):
    """Logits, losses, and by name gradients and statistics, by PyTorch."""
    net = network(name, kind).to(dtype)
    state = {key[len("initial."):]: value for key, value in step.items() if key.startswith("initial.")}
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing), missing
    labels = step["labels"].long()
    relu = torch.nn.functional.relu
    if kind == "smooth":
        torch.nn.functional.relu = lambda x, inplace=False: torch.tanh(x)
    output = net(step["images"].to(dtype))
    torch.nn.functional.relu = relu
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


def compare(name, kind, arguments):
    with tempfile.TemporaryDirectory() as folder:
        file = folder + "/step.safetensors"
        subprocess.run([arguments.program, file, arguments.backend, str(arguments.side),
                        str(arguments.batch), kind.replace(" ", "_"), "model.name=" + name,
                        "model.dropout=0"], check=True)
        step = load_file(file)
    single = one_step(name, kind, step, torch.float32)
    found = errors(step, single)
    print(f"{name:15}{kind:10}{len(single) - 2:4} tensors  {text(found)}", flush=True)
    if not arguments.single:
        double = one_step(name, kind, step, torch.float64)
        print(f"{'':25}to float64, ours  {text(errors(step, double))}\n"
              f"{'':25}    and PyTorch's  {text(errors(single, double))}", flush=True)
    return (found[0] if kind == "as it is" else max(found[:3])) < LIMIT


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--backend", default="onednn_direct")
    parser.add_argument("--single", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    good = [compare(name, kind, arguments) for name in arguments.names
            for kind in ("smooth", "as it is")]
    sys.exit(0 if all(good) else 1)


main()
