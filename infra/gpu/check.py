#!/usr/bin/env python3
"""Checks the program on a machine with a GPU, against PyTorch on the same GPU in the same minutes.

    check.py --program tresnet-batch --work FOLDER [--only parity speed ...]
    check.py --dry-run --program target/release/tresnet-batch --work FOLDER

Needs Python 3.11 or later with numpy, Pillow, pyarrow, PyTorch, timm and safetensors, and no network: weights and
pictures are made here. pack.sh and unpack.py bring the program to a machine that nothing can be fetched on.

| section | lines | what holds |
|---|---|---|
| parity | each network at each size in fp32 and fp16, by way of `run`; the trained demo network in fp16 | fp32 within 1e-5 of float64, or within twice PyTorch's error; fp16 within 5e-3; the same best class for 99.5 % |
| speed | images a second, beside eager and torch.compile in fp16, channels last | the numbers are there; --goal makes a ratio to torch.compile a condition |
| pinned | bytes a second that reach the engine out of pinned and of pageable slots | pinned ones reach 1.3 times as many |
| kernels | share of a batch's time in operators, by ONNX Runtime's profile | it is above 0 and at most 1.5 |
| end_to_end | `run` from local files beside its engine and its decoders alone | all rows are there |

Prints a line for each, and ends with 1 if one is missing, was not measured or does not hold. --dry-run goes the same way
on the CPU with small networks, without PyTorch where there is none; what needs a GPU is then marked and not an error.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import peer
import pictures
from lines import Lines
from program import OUTPUTS, Program

ROOT = Path(__file__).resolve().parent.parent.parent
SECTIONS = ("parity", "speed", "pinned", "kernels", "end_to_end")
# a network so small that its time is the copy's
SMALL = ROOT / "tests/data/model/v1_odd.safetensors"
DEMO = ROOT / "models/demo/model.safetensors"
NO_GPU = "needs a GPU"


def error(ours, theirs):
    """‖a − b‖ / ‖b‖; NaN never passes as small."""
    distance = float(np.linalg.norm(ours.astype(np.float64) - theirs) / np.linalg.norm(theirs))
    return distance if np.isfinite(distance) else float("inf")


def same(ours, theirs):
    return float(np.mean(ours["logits"].argmax(1) == theirs["logits"].argmax(1)))


class Check:
    def __init__(self, arguments):
        self.arguments, self.is_dry = arguments, arguments.dry_run
        self.work = arguments.work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.program = Program(arguments.program, "cpu" if self.is_dry else "cuda", self.work)
        self.peer = peer.find(self.program)
        if not self.is_dry and not self.peer.has_gpu:
            sys.exit("this machine has no GPU that PyTorch sees; --dry-run checks the rest of the way")
        # what the networks compute in, for the sections that measure speed
        self.precision = "fp32" if self.is_dry else "fp16"
        self.lines = Lines(self.wanted(), self.is_dry)

    def pairs(self):
        return [(network, size) for network in self.arguments.networks for size in self.arguments.sizes]

    def wanted(self):
        names = {
            "parity": [f"parity_{kind} {Path(network).stem} {size}" for network, size in self.pairs() for kind in ("fp32", "fp16")]
            + ["agreement_fp16 demo"],
            "speed": [f"speed {Path(network).stem} {size}" for network, size in self.pairs()],
            "pinned": ["pinned"],
            "kernels": ["kernels"],
            "end_to_end": ["end_to_end"],
        }
        return ["device"] + [name for section in self.arguments.only for name in names[section]]

    def weights(self, network):
        """A file as it is; a name gets random weights of its shapes."""
        return Path(network) if Path(network).exists() else self.program.new(network, self.work / f"{network}.safetensors")

    def run(self):
        report = self.program.call("bench", "engine", SMALL, "--device", self.program.device, "--image-size", 64,
                                   "--batch-size", 2, "--rounds", 1, "--seconds", 0.1)  # fmt: skip
        held = f"{report['provider']} on {report['device']}, ONNX Runtime {report['onnxruntime']}; beside it {self.peer.name}"
        self.lines.say("device", held, report["provider"] == self.program.device)
        for section in self.arguments.only:
            getattr(self, section)()
        self.lines.end()

    def parity(self):
        for network, size in self.pairs():
            weights = self.weights(network)
            squares = self.work / "squares"
            pixels = pictures.squares(squares, self.arguments.count, size)
            theirs = self.peer.outputs(weights, size, pixels)
            for kind, bound, single in (("fp32", 1e-5, "float32"), ("fp16", 5e-3, "float16")):
                ours = self.program.outputs(squares, weights, kind, size, self.arguments.batch)
                errors = {output: error(ours[output], theirs["float64"][output]) for output in OUTPUTS}
                beside = {output: error(theirs[single][output], theirs["float64"][output]) for output in OUTPUTS}
                agree, agree_beside = same(ours, theirs["float64"]), same(theirs[single], theirs["float64"])
                # random weights leave some pictures between two classes, where PyTorch's own rounding decides, too
                holds = agree >= min(0.995, agree_beside)
                for output in OUTPUTS:
                    holds &= errors[output] <= (max(bound, 2 * beside[output]) if kind == "fp32" else bound)
                text = ", ".join(f"{output} {errors[output]:.2e} (theirs {beside[output]:.2e})" for output in OUTPUTS)
                best = f"best class the same for {100 * agree:.1f} % (theirs {100 * agree_beside:.1f} %) of {len(pixels)}"
                self.lines.say(f"parity_{kind} {Path(network).stem} {size}", f"{text}, {best}", holds)
        self.agreement()

    def agreement(self):
        """The one network here that has learnt something, on pictures of what it has learnt."""
        folder = self.work / "patterns"
        make = [sys.executable, ROOT / "infra/demo/make_images.py", folder, "--seed", "11", "--per-class", "40"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        half, single = (self.program.outputs(folder, DEMO, kind, None, self.arguments.batch) for kind in ("fp16", "fp32"))
        share, apart = same(half, single), error(half["logits"], single["logits"].astype(np.float64))
        text = f"{100 * share:.2f} % of {len(half['logits'])} pictures have the best class of fp32, logits {apart:.2e} apart"
        self.lines.say("agreement_fp16 demo", text, share >= 0.995)

    def speed(self):
        arguments = self.arguments
        for network, size in self.pairs():
            weights = self.weights(network)
            theirs = self.peer.speeds(weights, size, arguments.batch)
            ours = self.program.engine(weights, self.precision, size, arguments.batch, arguments.seconds)
            best = max(theirs.values())
            beside = ", ".join(f"{name} {rate:.0f}" for name, rate in theirs.items())
            text = f"{ours:.0f} images/s in {self.precision}; {beside}; {ours / best:.2f} of the best of them"
            holds = arguments.goal is None or ours >= arguments.goal * best
            self.lines.say(f"speed {Path(network).stem} {size}", text, holds)

    def pinned(self):
        size, batch = self.arguments.sizes[-1], self.arguments.batch
        image = size * size * 3 * (4 if self.precision == "fp32" else 2)
        if not self.peer.has_gpu:
            rate = self.program.engine(SMALL, self.precision, size, batch, self.arguments.seconds)
            return self.lines.not_measured("pinned", f"{NO_GPU}; plain slots reach {rate * image / 1e9:.2f} GB/s")
        rates = {}
        for pinned in ("true", "false"):
            images = self.program.engine(SMALL, self.precision, size, batch, self.arguments.seconds, "--set", f"pinned={pinned}")
            rates[pinned] = images * image
        theirs = self.peer.copy_rates(batch * image)
        text = (
            f"{rates['true'] / 1e9:.1f} GB/s out of pinned slots, {rates['false'] / 1e9:.1f} out of pageable ones; PyTorch's own "
            f"copies reach {theirs[0] / 1e9:.1f} and {theirs[1] / 1e9:.1f}"
        )
        return self.lines.say("pinned", text, rates["true"] >= 1.3 * rates["false"])

    def kernels(self):
        """Time in operators by ONNX Runtime's profile, over the time of a batch.

        The wheel has no GPU profiler inside, so an operator's time is the host's. With launches that block it holds the
        kernel, and some launching, which a large batch makes small. The batch's time is that of a run as it is, which
        launches nothing one by one: where kernels leave no gap the share is a little above one.
        """
        weights, size, batch = self.weights(self.arguments.networks[0]), self.arguments.sizes[0], self.arguments.batch
        if self.peer.has_gpu:
            prefix = self.work / "profile"
            options = ["--set", "cuda_graph=false", "--set", "lanes=1", "--profile", prefix]
            blocking = dict(os.environ, CUDA_LAUNCH_BLOCKING="1")
            self.program.engine(weights, self.precision, size, batch, 1, *options, environment=blocking)
            files = sorted(self.work.glob("profile*.json"), key=lambda path: path.stat().st_mtime)
            assert files, "ONNX Runtime wrote no profile"
            file = files[-1]
            seconds = batch / self.program.engine(weights, self.precision, size, batch, self.arguments.seconds)
        elif hasattr(self.peer, "profile"):
            file, seconds = self.peer.profile(weights, size, batch)
        else:
            return self.lines.not_measured("kernels", NO_GPU)
        operators, slowest = operators_of(file)
        share = operators / seconds
        named = ", ".join(f"{kind} {100 * part:.0f} %" for kind, part in slowest)
        text = f"{100 * share:.1f} % of a batch's {1e3 * seconds:.2f} ms are spent in operators ({named})"
        return self.lines.say("kernels", text, 0 < share <= 1.5)

    def end_to_end(self):
        arguments = self.arguments
        folder = self.work / "photographs"
        mean = pictures.photographs(folder, arguments.images)
        weights = self.weights(arguments.networks[0])
        size, batch = arguments.sizes[0], arguments.batch
        stages, run, seconds = self.program.end_to_end(folder, weights, self.precision, size, batch, arguments.seconds)
        rate, engine, decode = run["images_per_s"], stages["engine"]["images_per_s"], stages["decode"]["images_per_s"]
        least = stages["expected"]["images_per_s"]
        text = (
            f"{rate:.0f} images/s from {arguments.images} files of {mean / 1e3:.0f} kB, {seconds:.1f} s in all; engine alone "
            f"{engine:.0f}, decoding alone {decode:.0f} on {stages['decode']['workers']} threads; {100 * rate / least:.0f} % of "
            f"{stages['expected']['formula']}; bottleneck {stages['bottleneck']}"
        )
        self.lines.say("end_to_end", text, run["rows"]["ok"] == arguments.images)


def operators_of(file):
    """Median seconds a batch in operators, and which kinds of them take most."""
    runs, kinds = [], {}
    events = json.loads(Path(file).read_text())
    operators = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    sessions = [event for event in events if event.get("cat") == "Session" and event["name"] == "model_run"]
    for session in sessions:
        begin, end = session["ts"], session["ts"] + session["dur"]
        within = [event for event in operators if begin <= event["ts"] <= end]
        runs.append(sum(event["dur"] for event in within) / 1e6)
    for event in operators:
        kind = event["args"]["op_name"]
        kinds[kind] = kinds.get(kind, 0) + event["dur"]
    total = sum(kinds.values())
    assert runs and total, f"{file} names no operator"
    slowest = sorted(((kind, time / total) for kind, time in kinds.items()), key=lambda pair: -pair[1])[:3]
    return float(np.median(runs)), slowest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--networks", nargs="+", metavar="NAME|FILE")
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--batch", type=int, help="images of a batch, on both sides")
    parser.add_argument("--count", type=int, help="pictures for parity")
    parser.add_argument("--images", type=int, help="files for the run")
    parser.add_argument("--seconds", type=float, help="the least time of a measurement")
    parser.add_argument("--goal", type=float, help="the least ratio to the fastest of PyTorch's ways")
    arguments = parser.parse_args()
    data = ROOT / "tests/data/model"
    dry = {
        "networks": [str(data / "v1_odd.safetensors"), str(data / "v2.safetensors")],
        "sizes": [64, 92], "batch": 4, "count": 24, "images": 40, "seconds": 0.2,
    }  # fmt: skip
    real = {
        "networks": ["tresnet_m", "tresnet_l", "tresnet_xl"],
        "sizes": [224, 448], "batch": 128, "count": 256, "images": 40_000, "seconds": 2.0,
    }  # fmt: skip
    for name, value in (dry if arguments.dry_run else real).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    Check(arguments).run()


main()
