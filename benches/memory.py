"""Peak memory of runs on the CPU, compared with the formula in docs/performance.md.

    memory.py FOLDER WEIGHTS.safetensors [WEIGHTS …] [--binary target/release/tresnet-batch] [--fit]

Runs a job over as many of the folder's images as touch every slot, each time as a separate process: for several batch
sizes, image sizes and numbers of decode workers with the first weights, and for two batch sizes with the others. Prints
the peak that the kernel reports beside that of the formula. --fit (needs numpy) prints the constants that fit best.
Exits with 1 if a peak is more than 15 % from the formula.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from inputs import link_images, write_job

MIB = 1 << 20

# times the weights' bytes | bytes for each pixel of a batch, within the network
CONSTANTS = (4.3, 180.0)

# batch size, pixels a side, decode workers
CASES = [(1, 224, 2), (8, 224, 2), (32, 224, 2), (64, 224, 2), (8, 320, 2), (16, 224, 1), (16, 224, 4)]
OF_OTHER_WEIGHTS = [(8, 224, 2), (32, 224, 2)]


def slots_of(batch, workers):
    """As `Memory::slots` has it for one engine of depth 1."""
    return 3 + math.ceil(workers / batch)


def terms(weights, batch, side, workers):
    """The factor of each constant, in MiB, and the term without a constant: the slots."""
    slot = batch * 3 * side * side * 4
    return (weights / MIB, batch * side * side / MIB), slots_of(batch, workers) * slot / MIB


def predicted(weights, case):
    factors, slots = terms(weights, *case)
    return sum(constant * factor for constant, factor in zip(CONSTANTS, factors)) + slots


def peak_of(binary, job, work):
    """Runs a job file and returns the peak memory of the process in MiB."""
    with open(work / "log", "w+", encoding="utf-8") as log:
        command = [binary, "run", job, "--progress", "none"]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        if run.returncode != 0:
            log.seek(0)
            sys.exit(f"the run of {job} ended with {run.returncode}:\n{log.read()}")
    return usage.ru_maxrss / 1024


def measured(arguments, weights, case, work):
    batch, side, workers = case
    images = work / "images"
    link_images(arguments.folder, images, (slots_of(batch, workers) + 1) * batch)
    shutil.rmtree(work / "output", ignore_errors=True)
    job = work / "job.toml"
    tables = {
        "preprocess": {"image_size": side},
        "engine": {"batch_size": batch},
        "limits": {"decode_threads": workers},
    }
    write_job(job, images, weights, work / "output", **tables)
    return peak_of(arguments.binary, job, work)


def fit(peaks):
    import numpy

    rows = [terms(weights, *case) for weights, case in peaks]
    left = numpy.array([factors for factors, _ in rows])
    right = numpy.array([peak - slots for peak, (_, slots) in zip(peaks.values(), rows)])
    # relative errors count
    scale = numpy.array(list(peaks.values()))
    return numpy.linalg.lstsq(left / scale[:, None], right / scale, rcond=None)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", nargs="+", type=lambda path: Path(path).resolve())
    parser.add_argument("--binary", default="target/release/tresnet-batch")
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    peaks, worst = {}, 0.0
    print("| weights MiB | batch | pixels | decode workers | peak MiB | formula | difference |\n|---|---|---|---|---|---|---|")
    # beside the images, so that they can be linked
    with tempfile.TemporaryDirectory(dir=arguments.folder.parent) as scratch:
        for number, path in enumerate(arguments.weights):
            weights = path.stat().st_size
            for case in CASES if number == 0 else OF_OTHER_WEIGHTS:
                peaks[weights, case] = peak = measured(arguments, path, case, Path(scratch))
                formula = predicted(weights, case)
                worst = max(worst, abs(formula / peak - 1))
                numbers = " | ".join(f"{number:.0f}" for number in (weights / MIB, *case, peak, formula))
                print(f"| {numbers} | {formula / peak - 1:+.0%} |", flush=True)
    if arguments.fit:
        print("constants that fit best:", [round(float(value), 1) for value in fit(peaks)])
    print(f"at most {worst:.0%} apart")
    sys.exit(worst > 0.15)


if __name__ == "__main__":
    main()
