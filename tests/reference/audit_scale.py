"""Measures time and peak memory of `audit` on made-up outputs of many rows.

    audit_scale.py PROGRAM WORK [--rows 100000 300000 1000000] [--dim 2048] [--copies 0.01] [--scratch]

The rows have embeddings of `--dim` halves around 1000 centres, five classes of 1000, labels of which 2 % are wrong, and
hashes. A share `--copies` of them is nearly another row (cosine above 0.95), and as many have another row's bytes. Prints a
table: rows, seconds, processor seconds, peak memory, and how many of the planted near duplicates and copies were found. An
output of a million rows of 2048 halves takes 4 GB in WORK and is removed after its audit. It needs numpy and pyarrow.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

from audit_outputs import Output

PART = 16_384
CLASSES = 1000


def make(folder, rows, dim, copies):
    random = np.random.default_rng(rows)
    centres = np.random.default_rng(1).normal(0, 1, (CLASSES, dim)).astype(np.float32)
    output, near, same = Output(folder, CLASSES), 0, 0
    for first in range(0, rows, PART):
        n = min(PART, rows - first)
        true = random.integers(0, CLASSES, n)
        embedding = 0.3 * centres[true] + random.standard_normal((n, dim), np.float32)
        hashes = random.integers(0, 256, (n, 16), np.uint8)
        planted = round(copies * n / 2)
        # copies of the part's first rows at its end, and rows with equal bytes before those
        embedding[n - planted :] = embedding[:planted] + 0.2 * random.standard_normal((planted, dim), np.float32)
        true[n - planted :] = true[:planted]
        hashes[n - 2 * planted : n - planted] = hashes[:planted]
        near, same = near + planted, same + planted
        index = (true[:, None] + np.arange(5) * 7) % CLASSES
        best = random.beta(6, 1, n)
        prob = best[:, None] * np.float32([1, 0, 0, 0, 0]) + (1 - best)[:, None] * np.float32([0, 0.4, 0.2, 0.1, 0.1])
        target = np.where(random.random(n) < 0.02, random.integers(0, CLASSES, n), true)
        output.add(index, -np.sort(-prob, axis=1), embedding, target, [bytes(row) for row in hashes])
    output.finish(content_hash=True)
    return near, same


def made(*arguments):
    """Makes an output in a process that ends: Linux counts the memory that this one has as a child's peak as well."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(make, arguments)


def audit(program, output, work, scratch):
    figures = work / "audit.json"
    command = [program, "audit", str(output), "--progress", "none", "--json-file", str(figures)]
    command += ["--scratch", str(work / "scratch")] if scratch else []
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"the audit ended with {process.returncode}")
    seconds = time.monotonic() - begun
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, json.loads(figures.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--copies", type=float, default=0.01)
    parser.add_argument("--scratch", action="store_true")
    arguments = parser.parse_args()
    print("| rows | seconds | processor seconds | peak MiB | near duplicates | copies |")
    print("|---:|---:|---:|---:|---:|---:|")
    for rows in arguments.rows:
        output = arguments.work / f"rows-{rows}"
        near, same = made(output, rows, arguments.dim, arguments.copies)
        seconds, processor, peak, found = audit(arguments.program, output, arguments.work, arguments.scratch)
        duplicates, exact = found["near"].get("duplicates"), found["exact"].get("duplicates")
        print(f"| {rows:,} | {seconds:.1f} | {processor:.1f} | {peak:.0f} | {duplicates} of {near} | {exact} of {same} |", flush=True)
        shutil.rmtree(output)


if __name__ == "__main__":
    main()
