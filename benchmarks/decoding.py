"""From JPEG files in memory to normalised floats, one thread, beside peers, in turns: `./dev bench decode`.

Every program makes passes over the same images. The measure is processor time, which other programs on the
machine disturb less; a ratio is the median over the rounds. Last, convoy on two threads beside one, in time on
the clock.
"""

import json
import os
import pathlib
import statistics
import subprocess
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
PEERS = ROOT / "benchmarks" / "peers"


class Program:
    """One that makes a pass for each line that it is sent; None where it does not run."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def measure(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None


def images_folder(path):
    """Unpacked where it is a tar."""
    path = pathlib.Path(path)
    if path.is_dir():
        return path
    folder = BUILD / ("images-" + path.stem)
    if not folder.exists():
        with tarfile.open(path) as archive:
            archive.extractall(folder)
    return folder


def programs(args):
    folder = images_folder(args.images)
    ours = [BUILD / "decode_bench", folder]
    commands = {
        "convoy": ours,
        "convoy, planes": ours + ["planes"],
        "convoy, whole images decoded": ours + ["whole"],
        "convoy, decoding alone": ours + ["decode"],
        "Pillow + torchvision": [args.peer_python, PEERS / "torchvision_decode.py", folder, "pil"],
        "torchvision alone, other pixels": [args.peer_python, PEERS / "torchvision_decode.py", folder, "io"],
    }
    if ffcv := os.environ.get("CONVOY_FFCV_PYTHON"):
        script = PEERS / "ffcv_decode.py"
        commands["FFCV, same files, other pixels"] = [ffcv, script, folder, BUILD / "original.beton", "original"]
        commands["FFCV, its own JPEGs (q90)"] = [ffcv, script, folder, BUILD / "encoded.beton"]
    started = {name: Program(command) for name, command in commands.items()}
    # The first pass of each: memory is taken, code compiled.
    return {name: program for name, program in started.items() if program.measure()}, Program(ours + [2])


def compare(args):
    running, two_threads = programs(args)
    costs = {name: [] for name in running}
    scaling = []
    two_threads.measure()
    for _ in range(args.rounds):
        for name, program in running.items():
            result = program.measure()
            costs[name].append(1000 * result["cpu_seconds"] / result["images"])
        scaling.append(running["convoy"].measure()["seconds"] / two_threads.measure()["seconds"])
    print("\none thread: milliseconds of processor time per image; how many times convoy's\n")
    for name, values in costs.items():
        ratio = statistics.median(theirs / mine for theirs, mine in zip(values, costs["convoy"]))
        print(f"{name:<34} {statistics.median(values):>7.3f} {ratio:>7.2f}")
    print(f"\ntwo threads: {statistics.median(scaling):.2f} times the images of one (best {max(scaling):.2f})")
