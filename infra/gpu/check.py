#!/usr/bin/env python3
"""Checks the program on a machine with a GPU, against PyTorch on the same GPU in the same minutes.

    check.py --program tresnet-batch --onnxruntime FOLDER --work FOLDER --call 1 [--out FOLDER]
    check.py --program tresnet-batch --work FOLDER [--only parity speed ...]
    check.py --dry-run --program target/release/tresnet-batch --work FOLDER

Needs Python 3.11 or later with numpy, Pillow, pyarrow, PyTorch, timm and safetensors, and no network: weights and
pictures are made here. pack.sh and call.sh bring the program to a machine that nothing can be fetched on.

| section | lines | what holds |
|---|---|---|
| device | what there is | the provider is the one that was asked for |
| properties | cuDNN's description of the device, in cudnn_device.json | it is written |
| copies | bytes a second between host and device, pinned and pageable, by CUDA events | the numbers are there |
| sanitizer | compute-sanitizer's memcheck over a few batches | no errors |
| parity | each network at each size in fp32, fp16 and fp16 with `fuse_conv_bias`, by way of `run`; the trained demo network in fp16 | fp32 within 1e-5 of float64, or within twice PyTorch's error and 1e-4; fp16 within 5e-3, or within 1.1 times PyTorch's error; the same for the rows after the third batch and for the last, partly filled batch; the same best class for 99.5 % |
| speed | images a second at each side's best batch size, beside eager and each kind of torch.compile in fp16, channels last, with cuDNN's search and without; seconds to load and to warm up | the numbers are there; --goal makes a ratio to the best of PyTorch a condition |
| sustained | utilisation, clocks and power while one network runs for a while | the numbers are there |
| tables | forms of the graph and options of the session (`bench engine --table`) | every row is there |
| kernels | share of a batch's time in operators, by ONNX Runtime's profile | it is above 0 and at most 1.5 |
| pinned | bytes a second that reach the engine out of pinned and of pageable slots | pinned ones reach 1.3 times as many |
| end_to_end | `run` from local files at each size beside its engine and its decoders alone | all rows are there |

--call N runs some of the sections within --budget seconds. A section that fails, or has no time left, is a line of its
name; the others are still measured. Lines are appended to OUT/lines.txt as they are printed, results to
OUT/results.jsonl. The check ends with 1 if a line is missing, failed, was not measured or does not hold. --dry-run runs
the same steps on the CPU with small networks, without PyTorch if it is not installed; lines that need a GPU are then
marked and no error.
"""

import argparse
import sys
import time
from pathlib import Path

import device
import parity
import speed
import whole
from lines import Lines
from peers import Peer
from program import Clock, Program

ROOT = Path(__file__).resolve().parent.parent.parent
SECTIONS = {
    "device": device.device,
    "properties": device.properties,
    "copies": device.copies,
    "sanitizer": device.sanitizer,
    "parity": parity.parity,
    "speed": speed.speed,
    "sustained": speed.sustained,
    "tables": speed.tables,
    "kernels": speed.kernels,
    "pinned": device.pinned,
    "end_to_end": whole.end_to_end,
}
# sections of a call, and network and size where it has not all of them; about four calls fit into half an hour
CALLS = {
    1: (("properties", "copies", "parity", "sanitizer"), None, None),
    2: (("speed",), "tresnet_m", 224),
    3: (("sustained", "end_to_end"), None, None),
    4: (("pinned", "kernels", "tables"), None, None),
    5: (("speed",), "tresnet_m", 448),
    6: (("speed",), "tresnet_l", 224),
    7: (("speed",), "tresnet_l", 448),
    8: (("speed",), "tresnet_xl", 224),
    9: (("speed",), "tresnet_xl", 448),
}


class Check:
    def __init__(self, arguments):
        self.arguments, self.is_dry = arguments, arguments.dry_run
        self.work = arguments.work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.folder = (arguments.out or self.work).resolve()
        self.clock = Clock(arguments.budget)
        kind = "cpu" if self.is_dry else "cuda"
        self.program = Program(arguments.program, kind, self.work, arguments.onnxruntime, self.clock)
        self.peer = Peer(self.program, self.clock)
        if not self.is_dry and not self.peer.has_gpu:
            sys.exit("this machine has no GPU that PyTorch sees; --dry-run checks the rest of the way")
        # precisions of the sections that measure speed
        self.precision = "fp32" if self.is_dry else "fp16"
        # the fastest batch size by network and size, as far as it was measured
        self.best = {}
        self.lines = Lines(self.wanted(), self.is_dry, self.folder)

    def pairs(self):
        return [(network, size) for size in self.arguments.sizes for network in self.arguments.networks]

    def wanted(self):
        several = {
            "parity": parity.names(self.pairs()),
            "speed": speed.names(self.pairs()),
            "tables": ["table forms", "table optimisations"],
            "end_to_end": whole.names(self.arguments.sizes),
        }
        return ["device"] + [
            name for section in self.arguments.only if section != "device" for name in several.get(section, [section])
        ]

    def weights(self, network):
        """A file as it is; a name gets random weights of its shapes."""
        return Path(network) if Path(network).exists() else self.program.new(network, self.work / f"{network}.safetensors")

    def run(self):
        times = {}
        for section in ["device", *(section for section in self.arguments.only if section != "device")]:
            began = time.monotonic()
            SECTIONS[section](self)
            times[section] = time.monotonic() - began
        self.lines.print(f"{'seconds':34} {', '.join(f'{section} {seconds:.0f}' for section, seconds in times.items())}")
        self.lines.end()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--onnxruntime", type=Path, help="ONNX Runtime's folder or file, named in every call")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder that lines and results are appended to (default: that of --work)")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--call", type=int, choices=CALLS, help="the sections of one call, within the budget")
    parser.add_argument("--budget", type=float, help="seconds of all of it (default: 450 with --call, else no limit)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS)
    parser.add_argument("--networks", nargs="+", metavar="NAME|FILE")
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--batches", nargs="+", type=int, help="batch sizes of which each side's best counts")
    parser.add_argument("--batch", type=int, help="images of a batch where one size is measured")
    parser.add_argument("--parity-batch", type=int, help="images of a batch for parity; the last is partly filled")
    parser.add_argument("--count", type=int, help="pictures for parity")
    parser.add_argument("--images", type=int, help="files for the run")
    parser.add_argument("--seconds", type=float, help="the least time of a measurement")
    parser.add_argument("--sustained", type=float, help="seconds of the section of that name")
    parser.add_argument("--goal", type=float, help="the least ratio to the fastest of PyTorch's ways")
    found = parser.parse_args()
    data = ROOT / "tests/data/model"
    dry = {
        "networks": [str(data / "v1_odd.safetensors"), str(data / "v2.safetensors")], "sizes": [64, 92],
        "batches": [2, 4], "batch": 4, "parity_batch": 4, "count": 22, "images": 40, "seconds": 0.2, "sustained": 1.0,
    }  # fmt: skip
    real = {
        "networks": ["tresnet_m", "tresnet_l", "tresnet_xl"], "sizes": [224, 448],
        "batches": [64, 128, 256, 512], "batch": 128, "parity_batch": 48, "count": 256, "images": 400_000, "seconds": 1.0,
        "sustained": 30.0,
    }  # fmt: skip
    if found.call:
        sections, network, size = CALLS[found.call]
        found.only = found.only or list(sections)
        if network and not found.dry_run:
            found.networks, found.sizes = found.networks or [network], found.sizes or [size]
        found.budget = found.budget or 450.0
    found.only = found.only or list(SECTIONS)
    for name, value in (dry if found.dry_run else real).items():
        if getattr(found, name) is None:
            setattr(found, name, value)
    return found


if __name__ == "__main__":
    Check(arguments()).run()
