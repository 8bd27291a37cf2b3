#!/usr/bin/env python3
"""Training and inference speed of PyTorch on the CPU, tuned as its experts do: the peer of train_bench.

Forward, backward and SGD (momentum 0.9, weight decay 1e-4) in fp32 on synthetic images that stay in
memory; with --inference the forward pass alone, in evaluation and inference mode; with --bf16 under
autocast. Prints one JSON line per variant; a variant is MODE-LAYOUT-OPENMP:

    MODE     eager, compile (torch.compile)
    LAYOUT   nhwc (channels_last), nchw
    OPENMP   gnu, or intel (only where the package intel-openmp is installed)

With --ranks 2 it is DistributedDataParallel over gloo, one process per rank. The batch is the global
one. Which of the variants wins depends on the network and the machine, so a fair comparison tries all
of them (the default) and takes the best.

What a fresh install leaves on the table, and this turns on: jemalloc that never gives memory back,
threads bound to cores, fused SGD, gradients set to None, denormals flushed, gradients as views of
DDP's buckets and a static graph.
"""

import argparse
import glob
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time

TASKS = {  # name: shape of an image, classes
    "lenet5": ((1, 28, 28), 10),
    "resnet20": ((3, 32, 32), 10),
    "resnet18_cifar": ((3, 32, 32), 10),
    "resnet18": ((3, 224, 224), 1000),
    "resnet50": ((3, 224, 224), 1000),
    "vgg11": ((3, 224, 224), 1000),
    "mobilenet_v1": ((3, 224, 224), 1000),
}
VARIANTS = ["-".join(v) for v in itertools.product(("eager", "compile"), ("nhwc", "nchw"), ("gnu", "intel"))]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(TASKS), required=True)
    parser.add_argument("--inference", action="store_true", help="the forward pass alone")
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--batch", type=int, default=128, help="global batch (128)")
    parser.add_argument("--ranks", type=int, default=1, help="processes (1)")
    parser.add_argument("--threads", type=int, default=2, help="OpenMP threads per process (2)")
    parser.add_argument("--seconds", type=float, default=5, help="measured per variant, after warming up (5)")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="instead of all; may be repeated")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)  # in a process that this script started
    parser.add_argument("--port", type=int, default=29581, help=argparse.SUPPRESS)
    return parser.parse_args()


def intel_openmp():
    return next(iter(glob.glob(os.path.join(sys.prefix, "lib", "libiomp5.so"))), None)


def jemalloc():
    return next(iter(glob.glob("/usr/lib/*/libjemalloc.so.2")), None)


def environment(args, openmp, rank):
    """Libraries must be preloaded and threads placed before Python starts."""
    cores = sorted(os.sched_getaffinity(0))
    mine = [cores[(rank * args.threads + i) % len(cores)] for i in range(args.threads)]
    preload = [jemalloc()] + ([intel_openmp()] if openmp == "intel" else [])
    settings = {
        "LD_PRELOAD": ":".join(filter(None, preload)),
        "MALLOC_CONF": "oversize_threshold:1,background_thread:true,metadata_thp:auto,"
                       "dirty_decay_ms:-1,muzzy_decay_ms:-1",
        "OMP_NUM_THREADS": str(args.threads),
        "LRU_CACHE_CAPACITY": "1024",  # of oneDNN's primitives
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(os.environ.get("TMPDIR", "/tmp"), "convoy-peer-inductor"),
        "GLOO_SOCKET_IFNAME": "lo",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(args.port),
    }
    if openmp == "intel":
        settings |= {"KMP_AFFINITY": f"granularity=fine,explicit,proclist={mine}".replace(" ", ""),
                     "KMP_BLOCKTIME": "1"}
    else:
        settings |= {"GOMP_CPU_AFFINITY": " ".join(map(str, mine))}
    return os.environ | settings


def lenet5(nn):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, 10))


def resnet20(nn):
    """He et al. (2015), section 4.2, with 1x1 convolutions in the two shortcuts that change the shape."""

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = None
            if stride != 1:
                self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                                nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            y += x if self.downsample is None else self.downsample(x)
            return self.relu(y)

    blocks, inputs = [], 16
    for group, outputs in enumerate((16, 32, 64)):
        for i in range(3):
            blocks.append(Block(inputs, outputs, 2 if group > 0 and i == 0 else 1))
            inputs = outputs
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
                         *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobilenet_v1(nn):
    """Howard et al. (2017), width 1: depthwise and pointwise convolutions in turn."""

    def unit(inputs, outputs, kernel, stride=1, groups=1):
        return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True)]

    layers, inputs = unit(3, 32, 3, stride=2), 32
    for outputs, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1),
                            (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)):
        layers += unit(inputs, inputs, 3, stride, groups=inputs) + unit(inputs, outputs, 1)
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))


def resnet18_cifar(nn):
    """torchvision's, with a 3x3 first convolution and without the first pooling."""
    import torchvision
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def network(name, nn):
    own = {"lenet5": lenet5, "resnet20": resnet20, "mobilenet_v1": mobilenet_v1, "resnet18_cifar": resnet18_cifar}
    if name in own:
        return own[name](nn)
    import torchvision
    return getattr(torchvision.models, name)()


def measure(args, mode, layout):
    """Runs in a process with its environment set. Returns the result on rank 0."""
    import torch
    from torch import nn

    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    rank, ranks = args.rank, args.ranks
    if ranks > 1:
        torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)

    memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    model = network(args.model, nn).to(memory_format=memory_format)
    parameters = sum(p.numel() for p in model.parameters())
    if ranks > 1:
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    cross_entropy = nn.CrossEntropyLoss()
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=args.bf16)

    def loss_of(images, labels):
        with autocast:
            return cross_entropy(model(images), labels)

    if args.inference:
        model.eval()
    if mode == "compile":
        loss_of = torch.compile(loss_of)
        model = torch.compile(model) if args.inference else model

    shape, classes = TASKS[args.model]
    batches = [(torch.randn(args.batch // ranks, *shape).to(memory_format=memory_format),
                torch.randint(classes, (args.batch // ranks,))) for _ in range(8 if args.batch > 64 else 2)]
    turn = itertools.cycle(batches)

    def infer():
        with torch.inference_mode(), autocast:
            return model(next(turn)[0])[0, 0]

    def train():
        images, labels = next(turn)
        loss = loss_of(images, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = infer if args.inference else train

    def steps(count):
        if ranks > 1:
            torch.distributed.barrier()
        begin = time.perf_counter()
        loss = sum(step() for _ in range(count))
        loss.item()
        return (time.perf_counter() - begin) / count

    steps(2)
    warm_up = 2 if steps(1) > 0.2 else 10
    per_block = torch.tensor([max(1, int(0.25 / steps(warm_up)))])  # blocks of about a quarter second
    if ranks > 1:
        torch.distributed.broadcast(per_block, 0)
    blocks = torch.tensor([max(4, int(args.seconds / (int(per_block) * steps(1))))])
    if ranks > 1:
        torch.distributed.broadcast(blocks, 0)
    seconds = statistics.median(steps(int(per_block)) for _ in range(int(blocks)))
    if ranks > 1:
        torch.distributed.destroy_process_group()
    return {"parameters": parameters, "images_per_second": round(args.batch / seconds, 1),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}


def run(args, variant):
    """All ranks of one variant, each in a process of its own; the result of rank 0."""
    processes = [subprocess.Popen(
        [sys.executable, __file__, "--rank", str(rank), "--variant", variant, "--model", args.model,
         "--batch", str(args.batch), "--ranks", str(args.ranks), "--threads", str(args.threads),
         "--seconds", str(args.seconds), "--port", str(args.port)]
        + ["--inference"] * args.inference + ["--bf16"] * args.bf16,
        env=environment(args, variant.split("-")[2], rank), text=True,
        stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL) for rank in range(args.ranks)]
    output = processes[0].communicate()[0]
    if any([process.wait() for process in processes]):
        raise RuntimeError("a rank failed")
    return json.loads(output.splitlines()[-1])


def main():
    args = arguments()
    if args.rank is not None:
        mode, layout, _ = args.variant[0].split("-")
        print(json.dumps(measure(args, mode, layout)))
        return
    if not jemalloc():
        print("no jemalloc (Debian: libjemalloc2): PyTorch will be slower than it can be", file=sys.stderr)
    for variant in args.variant or VARIANTS:
        if variant.endswith("intel") and not intel_openmp():
            continue
        try:
            result = run(args, variant)
        except RuntimeError as error:
            print(f"{variant}: {error}", file=sys.stderr)
            continue
        setting = {"program": "pytorch", "variant": variant, "model": args.model, "batch": args.batch,
                   "ranks": args.ranks, "threads": args.threads}
        print(json.dumps(setting | result), flush=True)


if __name__ == "__main__":
    main()
