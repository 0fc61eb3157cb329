"""The model beside the program: stages measured alone and all together, on one core and on two."""

import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from machine import Machine, Run

ROOT = Path(__file__).resolve().parent.parent.parent
# the highest allowed error of the model
MOST_OFF = 0.10


def bench_job(job, cores, arguments):
    """What `bench job` measures on `cores` cores of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.json"
        command = ["taskset", "-c", ",".join(map(str, range(cores))), arguments.program, "bench", "job", job]
        command += ["--rounds", "1", "--images", str(arguments.images), "--seconds", str(arguments.seconds)]
        command += ["--progress", "none", "--json-file", str(file)]
        command += ["--set", f"engine.threads={cores}", "--set", f"limits.decode_threads={cores}"]
        for key in arguments.keys:
            command += ["--set", key]
        print(shlex.join(command), file=sys.stderr, flush=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(file.read_text(encoding="utf-8"))


def middle(reports, *names):
    """The median of one figure over the rounds that have it."""
    values = []
    for report in reports:
        for name in names:
            report = report and report[name]
        if report is not None:
            values.append(report)
    if not values:
        sys.exit(f"simulate.py: `{'.'.join(names)}` was not measured in the time: raise --seconds")
    return statistics.median(values)


def machine(alone, cores):
    """A machine of `cores` whose images take what was measured: of each stage alone, seconds of one core."""
    together = ("together", "utilisation")
    of = alone[0]["decode"]["workers"]
    return Machine(
        cores=cores,
        devices=0,
        infer=of / middle(alone, "engine", "images_per_s"),
        decode=of / middle(alone, "decode", "images_per_s"),
        # reading from a disk, all of which one core did
        turn=1 / middle(alone, "fetch", "images_per_s"),
        read=0.0,
        rows=middle(alone, *together, "rows", "busy") / middle(alone, "together", "images_per_s"),
        encode=1 / middle(alone, "encode", "images_per_s"),
        batch=alone[0]["engine"]["batch_size"],
        requests=alone[0]["together"]["utilisation"]["fetch"]["requests"],
        image_bytes=alone[0]["bytes_per_image"],
        row_bytes=middle(alone, "encode", "bytes_per_image"),
        rows_per_part=round(middle(alone, "encode", "rows_per_part")),
        latency=0.0,
        latency_spread=0.0,
        bandwidth=1e12,
        connection=1e12,
        # `bench job` writes parts into memory while all stages run
        put_latency=0.0,
        put_connection=1e12,
        slot_at_arrival=True,
    )


def compare(arguments):
    """Prints the table; false where the model is too far off."""
    measured = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for cores, reports in measured.items():
            reports.append(bench_job(arguments.job, cores, arguments))
    print(f"stages alone, images/s a core, medians of {arguments.rounds} rounds\n")
    print("| cores | network | decoding | reading | encoding |\n|---|---|---|---|---|")
    for cores, reports in measured.items():
        one = machine(reports, cores)
        encode = 1 / one.encode if one.encode else float("inf")
        print(f"| {cores} | {1 / one.infer:.1f} | {1 / one.decode:.1f} | {1 / one.turn:.0f} | {encode:.0f} |")
    print("\nall together\n\n| cores | measured, images/s | least–most | model | of measured | with times of one core |")
    print("|---|---|---|---|---|---|")
    fits = True
    for cores, reports in measured.items():
        rates = [report["together"]["images_per_s"] for report in reports]
        rate = statistics.median(rates)
        images = round(statistics.median(report["together"]["utilisation"]["fetch"]["images"] for report in reports))
        images = max(images, 2 * machine(reports, cores).batch)
        model = Run(machine(reports, cores), images).run().rate()
        scaled = replace(machine(measured[1], cores), rows_per_part=machine(reports, cores).rows_per_part)
        grown = Run(scaled, images).run().rate()
        fits &= abs(model / rate - 1) <= MOST_OFF
        spread = f"{min(rates):.1f}–{max(rates):.1f}"
        print(f"| {cores} | {rate:.1f} | {spread} | {model:.1f} | {model / rate:.3f} | {grown / rate:.3f} |")
    print(f"\nthe model is {'within' if fits else 'NOT within'} {MOST_OFF:.0%}")
    return fits
