#!/usr/bin/env python3
"""How a run grows with cores, devices and machines: a simulation of events with times that were measured.

    simulate.py run cores=64 devices=2 requests=4096       one machine: images a second, and what was busy
    simulate.py fleet machines=16 images=1e9 rate=20000    several machines with one job
    simulate.py curves --picture docs/images/growth.svg    the tables and the picture of docs/scale.md
    simulate.py measure JOB --rounds 5                     the model beside the program on one and two cores

NAME=VALUE sets a field of `Machine` (machine.py) or `Fleet` (machines.py), where each is explained. The model has
resources in the order in which the program takes them, and times of one core. It does not include caches, memory
bandwidth or a store that slows down.
"""

import argparse
import json
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

from machine import Machine, Run
from machines import Fleet, Work
from measure import compare
from picture import LEFTS, Panel, picture

CORES = (1, 2, 4, 8, 16, 32, 64, 128)
DEVICES = (1, 2, 4, 8)
MACHINES = (1, 2, 4, 8, 16, 32, 64)
# what is planned: objects that are listed, or shards of a thousand images
JOBS = {"1e9 objects": 140_000.0, "1e9 images in shards": 1e8}


def given(kind, texts):
    """An object of these fields."""
    known = {field.name: field for field in fields(kind)}
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            sys.exit(f"simulate.py: {kind.__name__} has no field `{name}`; it has {', '.join(known)}")
        default, number = getattr(kind(), name), float(value)
        # what has no default is a number of threads, batches or parts
        values[name] = number if isinstance(default, float) else type(default or 0)(int(number))
    return kind(**values)


def rounded(number):
    return f"{float(f'{number:.2g}'):,.0f}"


def run(arguments):
    machine = given(Machine, arguments.fields)
    done = Run(machine, arguments.images, arguments.seed).run()
    if len(done.marks) < 2:
        sys.exit("simulate.py: too few batches for a steady rate: raise --images")
    busy, seconds = done.busy(), done.clock.now
    result = {
        "images_per_s": done.rate(),
        "steady_images_per_s": done.steady(),
        "response_s": done.on_their_way / arguments.images,
        "seconds": seconds,
        "busy": busy,
        "busiest": done.busiest(),
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print(json.dumps({**result, "machine": asdict(done.machine)}, indent=2))


def fleet(arguments):
    fleet = given(Fleet, arguments.fields)
    work = Work(fleet, arguments.seed).run()
    result = {"hours": work.seconds / 3600, "efficiency": work.efficiency(), "images_per_s": fleet.images / work.seconds}
    print(json.dumps(result))


def machine_table(base):
    """Images a second and the bottleneck, by cores and devices."""
    rates = {}
    print("| cores |" + "".join(f" {devices} device{'s' * (devices > 1)} |" for devices in DEVICES))
    print("|---|" + "---|" * len(DEVICES))
    for cores in CORES:
        cells = []
        for devices in DEVICES:
            if devices > 1 and cores / base.decode < 0.8 / base.infer:
                # one device is not busy, so that more of them change nothing
                rates[cores, devices] = rates[cores, 1]
                cells.append(" the same |")
                continue
            done = Run(replace(base, cores=cores, devices=devices), min(16_000, 6000 * cores)).run()
            rates[cores, devices] = done.steady()
            cells.append(f" {rounded(done.steady())}, {done.busiest()} |")
        print(f"| {cores} |" + "".join(cells), flush=True)
    return rates


def store_table(base):
    """Images a second by the time of an answer and the requests in flight."""
    asked, answers = (128, 512, 2048, 4096), (5, 20, 50, 100, 200)
    print("| ms of an answer |" + "".join(f" {requests:,} requests |" for requests in asked))
    print("|---|" + "---|" * len(asked))
    for answer in answers:
        cells = []
        for requests in asked:
            done = Run(replace(base, latency=answer / 1000, requests=requests), 16_000).run()
            cells.append(f" {rounded(done.steady())} |")
        print(f"| {answer} |" + "".join(cells), flush=True)


def fleet_table():
    """Hours and efficiency, by machines."""
    print("| machines |" + "".join(f" {job}: hours | of the ideal |" for job in JOBS))
    print("|---|" + "---|" * (2 * len(JOBS)))
    rates = {}
    for machines in MACHINES:
        cells = []
        for job, planned in JOBS.items():
            work = Work(replace(Fleet(), machines=machines, images=10**9, planned=planned)).run()
            rates[machines, job] = work.fleet.images / work.seconds
            cells.append(f" {work.seconds / 3600:.3g} | {100 * work.efficiency():.0f} % |")
        print(f"| {machines} |" + "".join(cells), flush=True)
    return rates


def curves(arguments):
    base = given(Machine, arguments.fields)
    if arguments.only == "machines":
        fleet_table()
        return
    rates = machine_table(base)
    print()
    store_table(replace(base, cores=64, devices=1))
    print()
    fleets = fleet_table()
    if not arguments.picture:
        return
    lines = [(f"{d} device{'s' * (d > 1)}", [(c, rates[c, d]) for c in CORES]) for d in DEVICES]
    decoding = [(cores, cores / base.decode) for cores in CORES]
    jobs = [(job, [(n, fleets[n, job]) for n in MACHINES]) for job in JOBS]
    ideal = [(n, n * Fleet().rate) for n in MACHINES]
    panels = [
        Panel(LEFTS[0], "One machine (dotted: decoding alone)", "cores", "images a second", lines, decoding),
        Panel(LEFTS[1], "Machines with one job (dotted: n times one)", "machines", "images a second", jobs, ideal),
    ]
    caption = "A model with measured times of one core, not a measurement: docs/scale.md"
    Path(arguments.picture).write_text(picture(caption, panels), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="one machine")
    one.add_argument("--images", type=lambda text: int(float(text)), default=30_000, help="default: 30,000")
    several = commands.add_parser("fleet", help="several machines")
    many = commands.add_parser("curves", help="the tables and the picture of docs/scale.md")
    many.add_argument("--only", choices=["machines"], help="one of the tables")
    many.add_argument("--picture", metavar="FILE", help="write the picture to FILE")
    for command in (one, several, many):
        command.add_argument("fields", nargs="*", metavar="NAME=VALUE")
    for command in (one, several):
        command.add_argument("--seed", type=int, default=1)
    one.add_argument("--json", action="store_true", help="one line, without the fields")
    beside = commands.add_parser("measure", help="the model beside the program; Linux with two cores at least")
    beside.add_argument("job", help="a job over images on a local disk, on the CPU")
    beside.add_argument("--program", default="target/release/tresnet-batch")
    beside.add_argument("--rounds", type=int, default=5)
    beside.add_argument("--images", type=int, default=4096, help="of a stage and a round, at most (default: 4096)")
    beside.add_argument("--seconds", type=float, default=10.0, help="of a stage and a round, at most (default: 10)")
    beside.add_argument("--set", dest="keys", action="append", default=[], metavar="KEY=VALUE", help="of the job")
    arguments = parser.parse_args()
    if arguments.command == "measure":
        sys.exit(0 if compare(arguments) else 1)
    {"run": run, "fleet": fleet, "curves": curves}[arguments.command](arguments)


if __name__ == "__main__":
    main()
