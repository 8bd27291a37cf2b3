#!/usr/bin/env python3
"""Training speed of convoy beside PyTorch's, measured in turns so that both see the same machine.

For each network and layout (ranks x threads), first every variant of the peer is tried for a moment; the
two fastest are kept. Then each round measures, one after the other, convoy and those two, with a probe of
the machine's multiply-add peak around each. A measurement whose probe is more than 5 % below the best
probe of the whole run was disturbed; the round it is in does not count (unless that leaves fewer than
three). Printed: medians over the rounds, and the median of the rounds' ratios to the better variant.

Last, what a step of convoy spends on other things than computing: waiting for data, when it loads and
augments its images from shards of synthetic JPEG files, and for the sum over ranks.

    ./dev bench [--model lenet5 --model resnet20] [--layout 1x2 --layout 2x1] [--rounds 5] [--seconds 4]

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

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
PEER = ROOT / "benchmarks" / "peers" / "pytorch_train.py"
DISTURBED = 0.95  # of the best probe
FROM_SHARDS = "convoy, from shards"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=("lenet5", "resnet20"), help="both")
    parser.add_argument("--layout", action="append", metavar="RxT", help="ranks x threads (1x2 and 2x1)")
    parser.add_argument("--batch", type=int, default=128, help="global batch (128)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement (4)")
    parser.add_argument("--variant", action="append", help="of the peer, instead of the two fastest")
    parser.add_argument("--peer-python", default=os.environ.get("CONVOY_PEER_PYTHON", "python3"),
                        help="a Python that has torch")
    args = parser.parse_args()
    args.model = args.model or ["lenet5", "resnet20"]
    args.layout = [tuple(map(int, text.split("x"))) for text in args.layout or ["1x2", "2x1"]]
    return args


def json_lines(command):
    command = [str(word) for word in command]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def probe(threads):
    return json_lines([BUILD / "machine_peak", threads, 0.2])[0]["gflops"]


def setting(args, model, ranks, threads):
    return ["--model", model, "--batch", args.batch, "--ranks", ranks, "--threads", threads]


def shards(model):
    """Drawn and packed once: images of the size that the model takes."""
    size = {"lenet5": 28, "resnet20": 32}[model]
    folder = BUILD / f"shards-{size}"
    if not (folder / "manifest.h5").exists():
        images = BUILD / f"images-{size}"
        convoy = ROOT / "build" / "convoy"
        for command in ([convoy, "synth", "--out", images, "--images", "5000", "--size", str(size)],
                        [convoy, "pack", images, "--out", folder, "--split", "train"]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
        shutil.rmtree(images)
    return folder


def ours(args, model, ranks, threads, data=None):
    launcher = [] if ranks == 1 else ["mpirun", "-n", ranks, "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"]
    command = launcher + [BUILD / "train_bench"] + setting(args, model, ranks, threads)
    command += ["--data", data] if data else []
    return json_lines(command + ["--seconds", args.seconds])[-1]


def peer(args, model, ranks, threads, variants, seconds):
    command = [args.peer_python, PEER] + setting(args, model, ranks, threads) + ["--seconds", seconds]
    for variant in variants:
        command += ["--variant", variant]
    return json_lines(command)


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
    """Of one case: convoy's and the peer's median, the ratio, rounds that count, the peer's variant."""
    rounds, remark = quiet_rounds(entries, best_probe)
    speeds = {}  # name -> one figure per round
    for entry in entries:
        if entry["round"] in rounds:
            speeds.setdefault(entry["name"], []).append(entry["images_per_second"])
    medians = {name: statistics.median(figures) for name, figures in speeds.items()}
    count = f"{len(rounds)}/{len({entry['round'] for entry in entries})}{remark}"
    mine = medians.pop("convoy")
    medians.pop(FROM_SHARDS)
    if not medians:
        return f"{mine:.0f}", "-", "-", count, "-"
    best = max(medians, key=medians.get)
    ratio = statistics.median(a / b for a, b in zip(speeds["convoy"], speeds[best]))
    return f"{mine:.0f}", f"{medians[best]:.0f}", f"{ratio:.2f}", count, best


def report(log, cases):
    best_probe = max(entry["probe"] for entry in log.entries)
    print(f"\nimages/s, medians over the quiet rounds; multiply-add peak {best_probe:.0f} GFLOP/s\n")
    columns = "{:<16} {:>8} {:>8} {:>6}  {:<15} {}"
    print(columns.format("ranks x threads", "convoy", "PyTorch", "ratio", "quiet rounds", "PyTorch's best variant"))
    for case in cases:
        print(columns.format(case, *row([e for e in log.entries if e["case"] == case], best_probe)))
    report_waits(log, cases)


def report_waits(log, cases):
    print("\nmilliseconds of a step of convoy, medians over all rounds\n")
    columns = "{:<16} {:<20} {:>8} {:>10} {:>22}"
    print(columns.format("ranks x threads", "images", "step", "data wait", "communication exposed"))
    for case in cases:
        for name, images in (("convoy", "in memory"), (FROM_SHARDS, "from shards")):
            entries = [e for e in log.entries if e["case"] == case and e["name"] == name]
            figures = [statistics.median(e[key] for e in entries)
                       for key in ("step_ms", "data_wait_ms", "communication_exposed_ms")]
            print(columns.format(case, images, *(f"{figure:.2f}" for figure in figures)))


def main():
    args = arguments()
    cores = len(os.sched_getaffinity(0))
    peer_there = has_peer(args)
    if not peer_there:
        print(f"no PyTorch in {args.peer_python}: measuring convoy alone (see benchmarks/peers/README.md)")
    log = Log(BUILD / "results.jsonl")
    cases = []
    for model in args.model:
        for ranks, threads in args.layout:
            case = f"{model} {ranks} x {threads}"
            cases.append(case)
            variants = (args.variant or []) if peer_there else []
            if peer_there and not variants:
                print(f"{case}: trying the peer's variants (torch.compile takes its time)", flush=True)
                tried = peer(args, model, ranks, threads, [], 1)
                tried.sort(key=lambda result: result["images_per_second"], reverse=True)
                variants = [result["variant"] for result in tried[:2]]
            for number in range(args.rounds):
                print(f"{case}: round {number + 1} of {args.rounds}", flush=True)
                where = {"case": case, "round": number}
                log.measure(cores, where | {"name": "convoy"}, lambda: ours(args, model, ranks, threads))
                log.measure(cores, where | {"name": FROM_SHARDS},
                            lambda: ours(args, model, ranks, threads, shards(model)))
                for variant in variants:
                    log.measure(cores, where | {"name": variant},
                                lambda: peer(args, model, ranks, threads, [variant], args.seconds)[-1])
    report(log, cases)


if __name__ == "__main__":
    sys.exit(main())
