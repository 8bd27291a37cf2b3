#!/usr/bin/env python3
"""Speed of convoy beside PyTorch's, measured in turns so that both see the same machine.

For each network and layout (ranks x threads), first every variant of the peer is tried for a moment; the
two fastest are kept, and of several batch sizes the best for each program. Then each round measures, one
after the other, convoy and those two, with a probe of the machine's multiply-add peak around each. A
measurement whose probe is more than 5 % below the best probe of the whole run was disturbed; the round it
is in does not count (unless that leaves fewer than three). Printed: medians over the rounds, and the
median of the rounds' ratios to the better variant; and the most memory that each ever had.

    ./dev bench [train]       forward, backward, sum over ranks, update; last, what a step of convoy
                              spends on other things than computing: waiting for data (small images are
                              also loaded from shards of synthetic JPEG files) and for the sum over ranks
    ./dev bench inference     the forward pass of the folded network
    ./dev bench ops           the step of convoy by class of operator, beside the machine's roofline
    ./dev bench decode --images FOLDER_OR_TAR
                              JPEG files to what the first layer reads, beside Pillow's and FFCV's

    options: [--model resnet50 ...] [--layout 1x2 --layout 2x1] [--rounds 5] [--seconds 4] [--batch 16 ...] [--bf16]

The peer runs in the Python of --peer-python or CONVOY_PEER_PYTHON; see benchmarks/peers/README.md. All
measurements go to build/benchmarks/results.jsonl.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import decoding

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
PEER = ROOT / "benchmarks" / "peers" / "pytorch_train.py"
DISTURBED = 0.95  # of the best probe
FROM_SHARDS = "convoy, from shards"
SMALL = {"lenet5": 28, "resnet20": 32}  # networks for small images, and the images' size
BATCHES = {"lenet5": [128], "resnet20": [128], "resnet18_cifar": [128]}  # others: 16, 32, 64
MODELS = ["resnet50", "resnet18", "resnet18_cifar", "mobilenet_v1", "vgg11", "resnet20", "lenet5"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("train", "inference", "ops", "decode"), default="train")
    parser.add_argument("--model", action="append", choices=MODELS, help="all")
    parser.add_argument("--layout", action="append", metavar="RxT", help="ranks x threads (1x2 and 2x1)")
    parser.add_argument("--batch", action="append", type=int,
                        help="global batch; the best of several (128 for small images, else 16, 32, 64)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement (4)")
    parser.add_argument("--bf16", action="store_true",
                        help="convolutions multiply in bf16: ours where that pays, PyTorch's by autocast")
    parser.add_argument("--images", help="of `decode`: a folder or a tar of JPEG files")
    parser.add_argument("--variant", action="append", help="of the peer, instead of the two fastest")
    parser.add_argument("--peer-python", default=os.environ.get("CONVOY_PEER_PYTHON", "python3"),
                        help="a Python that has torch")
    args = parser.parse_args()
    if args.what == "decode" and not args.images:
        parser.error("decode needs --images")
    args.model = args.model or MODELS
    layouts = args.layout or (["1x2", "2x1"] if args.what == "train" else ["1x2"])
    args.layout = [tuple(map(int, text.split("x"))) for text in layouts]
    args.modes = ["--inference"] * (args.what == "inference") + ["--bf16"] * args.bf16
    return args


def json_lines(command):
    command = [str(word) for word in command]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def probe(threads):
    return json_lines([BUILD / "machine_peak", threads, 0.2])[0]["gflops"]


def batches(args, model):
    return args.batch or BATCHES.get(model, [16, 32, 64])


def setting(args, case, batch):
    model, ranks, threads = case
    return ["--model", model, "--batch", batch, "--ranks", ranks, "--threads", threads] + args.modes


def shards(model):
    """Drawn and packed once: images of the size that the model takes."""
    folder = BUILD / f"shards-{SMALL[model]}"
    if not (folder / "manifest.h5").exists():
        images = BUILD / f"images-{SMALL[model]}"
        convoy = ROOT / "build" / "convoy"
        for command in ([convoy, "synth", "--out", images, "--images", "5000", "--size", str(SMALL[model])],
                        [convoy, "pack", images, "--out", folder, "--split", "train"]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
        shutil.rmtree(images)
    return folder


def ours(args, case, batch, seconds, more=()):
    _, ranks, _ = case
    launcher = [] if ranks == 1 else ["mpirun", "-n", ranks, "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"]
    command = launcher + [BUILD / "train_bench"] + setting(args, case, batch) + ["--seconds", seconds]
    return json_lines(command + list(more))[-1]


def peer(args, case, batch, variants, seconds):
    command = [args.peer_python, PEER] + setting(args, case, batch) + ["--seconds", seconds]
    for variant in variants:
        command += ["--variant", variant]
    return json_lines(command)


def fastest(results):
    return sorted(results, key=lambda result: result["images_per_second"], reverse=True)


def our_batch(args, case):
    tried = batches(args, case[0])
    if len(tried) == 1:
        return tried[0]
    return fastest([ours(args, case, batch, 1) | {"batch": batch} for batch in tried])[0]["batch"]


def peer_choice(args, case, peer_there):
    """The two fastest variants, and the batch at which the first of them is fastest."""
    if not peer_there:
        return [], None
    tried = batches(args, case[0])
    variants = args.variant
    if not variants:
        print(f"{title(case)}: trying the peer's variants (torch.compile takes its time)", flush=True)
        variants = [result["variant"] for result in fastest(peer(args, case, tried[len(tried) // 2], [], 1))[:2]]
    if len(tried) == 1:
        return variants, tried[0]
    speeds = [peer(args, case, batch, variants[:1], 1)[-1] | {"batch": batch} for batch in tried]
    return variants, fastest(speeds)[0]["batch"]


def title(case):
    return "{} {} x {}".format(*case)


def has_peer(args):
    try:
        return subprocess.run([args.peer_python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


class Log:
    """Every measurement with the probes around it, in memory and in a file."""

    def __init__(self, path):
        self.file = open(path, "a")
        self.entries = []

    def measure(self, cores, where, run):
        before = probe(cores)
        result = run()
        entry = where | {"probe": min(before, probe(cores)), "time": int(time.time())} | result
        self.entries.append(entry)
        print(json.dumps(entry), file=self.file, flush=True)


def quiet_rounds(entries, best_probe):
    """Rounds without a disturbed measurement; all rounds where fewer than three would be left."""
    rounds = sorted({entry["round"] for entry in entries})
    quiet = [r for r in rounds
             if all(e["probe"] >= DISTURBED * best_probe for e in entries if e["round"] == r)]
    return (quiet, "") if len(quiet) >= 3 else (rounds, " disturbed")


def row(entries, best_probe):
    """Of one case: medians of convoy and of the peer, their ratio, memory, rounds that count, the peer's variant."""
    rounds, remark = quiet_rounds(entries, best_probe)
    speeds, memory, batch = {}, {}, {}  # name -> one figure per round
    for entry in entries:
        if entry["round"] in rounds:
            speeds.setdefault(entry["name"], []).append(entry["images_per_second"])
            memory[entry["name"]] = entry["peak_mib"]
            batch[entry["name"]] = entry["batch"]
    medians = {name: statistics.median(figures) for name, figures in speeds.items()}
    count = f"{len(rounds)}/{len({entry['round'] for entry in entries})}{remark}"
    mine = medians.pop("convoy")
    medians.pop(FROM_SHARDS, None)
    own = f"{mine:.4g} @{batch['convoy']}"
    if not medians:
        return own, "-", "-", memory["convoy"], "-", count, "-"
    best = max(medians, key=medians.get)
    ratio = statistics.median(a / b for a, b in zip(speeds["convoy"], speeds[best]))
    return own, f"{medians[best]:.4g} @{batch[best]}", f"{ratio:.2f}", memory["convoy"], memory[best], count, best


def report(args, log, cases):
    best_probe = max(entry["probe"] for entry in log.entries)
    print(f"\nimages/s @batch, medians over the quiet rounds; multiply-add peak {best_probe:.0f} GFLOP/s\n")
    columns = "{:<22} {:>12} {:>12} {:>6} {:>7} {:>7}  {:<15} {}"
    print(columns.format("ranks x threads", "convoy", "PyTorch", "ratio", "MiB", "MiB", "quiet rounds",
                         "PyTorch's best variant"))
    for case in cases:
        print(columns.format(case, *row([e for e in log.entries if e["case"] == case], best_probe)))
    if args.what == "train":
        report_waits(log, cases)


def report_waits(log, cases):
    print("\nmilliseconds of a step of convoy, medians over all rounds\n")
    columns = "{:<22} {:<14} {:>8} {:>10} {:>22}"
    print(columns.format("ranks x threads", "images", "step", "data wait", "communication exposed"))
    for case in cases:
        for name, images in (("convoy", "in memory"), (FROM_SHARDS, "from shards")):
            entries = [e for e in log.entries if e["case"] == case and e["name"] == name]
            if not entries:
                continue
            figures = [statistics.median(e[key] for e in entries)
                       for key in ("step_ms", "data_wait_ms", "communication_exposed_ms")]
            print(columns.format(case, images, *(f"{figure:.2f}" for figure in figures)))


def compare(args):
    cores = len(os.sched_getaffinity(0))
    peer_there = has_peer(args)
    if not peer_there:
        print(f"no PyTorch in {args.peer_python}: measuring convoy alone (see benchmarks/peers/README.md)")
    log = Log(BUILD / "results.jsonl")
    cases = [(model, ranks, threads) for model in args.model for ranks, threads in args.layout]
    for case in cases:
        variants, peer_batch = peer_choice(args, case, peer_there)
        batch = our_batch(args, case)
        for number in range(args.rounds):
            print(f"{title(case)}: round {number + 1} of {args.rounds}", flush=True)
            where = {"what": args.what, "case": title(case), "round": number, "batch": batch}
            log.measure(cores, where | {"name": "convoy"}, lambda: ours(args, case, batch, args.seconds))
            if args.what == "train" and case[0] in SMALL:
                log.measure(cores, where | {"name": FROM_SHARDS},
                            lambda: ours(args, case, batch, args.seconds, ["--data", shards(case[0])]))
            for variant in variants:
                log.measure(cores, where | {"name": variant, "batch": peer_batch},
                            lambda: peer(args, case, peer_batch, [variant], args.seconds)[-1])
    report(args, log, [title(case) for case in cases])


def operators(args):
    """Of one worker's micro-batch. The roofline: what arithmetic or memory traffic alone would take."""
    for case in [(model, ranks, threads) for model in args.model for ranks, threads in args.layout]:
        threads = case[1] * case[2]
        peak = json_lines([BUILD / "machine_peak", threads, 0.5])[0]
        gflops, bandwidth = peak["gflops"] / threads, peak["gigabytes_per_second"] / threads
        batch = our_batch(args, case)
        result = ours(args, case, batch, args.seconds, ["--profile"])
        print(f"\n{title(case)}: {result['images_per_second']} images/s, step {result['step_ms']} ms at batch {batch}; "
              f"per thread {gflops:.0f} GFLOP/s, {bandwidth:.1f} GB/s\n")
        columns = "{:<18} {:>10} {:>11} {:>7} {:>9} {:>12} {:>9}"
        print(columns.format("operators", "forward ms", "backward ms", "share", "GFLOP/s", "roofline ms", "of it"))
        total = sum(kind["forward_ms"] + kind["backward_ms"] for kind in result["profile"])
        limits = 0
        for kind in sorted(result["profile"], key=lambda k: -k["forward_ms"] - k["backward_ms"]):
            spent = kind["forward_ms"] + kind["backward_ms"]
            limit = 1e3 * max(kind["gflop"] / gflops, kind["gigabytes"] / bandwidth)
            limits += limit
            print(columns.format(kind["kind"], f"{kind['forward_ms']:.2f}", f"{kind['backward_ms']:.2f}",
                                 f"{spent / total:.1%}", f"{kind['gflop'] / spent * 1e3:.0f}", f"{limit:.2f}",
                                 f"{limit / spent:.0%}" if spent > 0 else "-"))
        print(columns.format("all", f"{total:.2f}", "", "", "", f"{limits:.2f}", f"{limits / total:.0%}"))


def main():
    args = arguments()
    if args.what == "ops":
        operators(args)
    elif args.what == "decode":
        decoding.compare(args)
    else:
        compare(args)


if __name__ == "__main__":
    sys.exit(main())
