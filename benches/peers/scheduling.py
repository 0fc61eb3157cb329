"""The same job in three ways on this machine: one process, plain processes under `xargs -P`, and slots of Ray.

    .runtime/ray/bin/python benches/peers/scheduling.py FOLDER WEIGHTS [--workers 2] [--copies 4] [--rounds 3]

Needs Ray (infra/setup/ray.sh). FOLDER holds the images; --copies is the number of links to each. All three use the same
cores: one process with a thread for each, or as many processes of one thread. They run in turn, each into a separate
output, and each time is that of the whole command, from its start to its end: each process loads the model. Ray itself
is started before, and its time includes the start of a worker for each slot, the plan and the report. Prints a Markdown
table of medians, and the load of the machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
from ray.cluster_utils import Cluster  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from inputs import link_copies, write_job  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
ONE, PLAIN, SLOTS = "one process", "processes under xargs -P", "slots of Ray (drive.py)"


def command(way, arguments, job, address):
    threads = ["--set", "engine.threads=1", "--set", "limits.decode_threads=1"]
    if way == ONE:
        many = [f"engine.threads={arguments.workers}", f"limits.decode_threads={arguments.workers}"]
        return [arguments.program, "run", job, *(word for key in many for word in ("--set", key))]
    if way == PLAIN:
        words = " ".join([arguments.program, "run", str(job), "--worker", f"{{}}/{arguments.workers}", *threads])
        return ["sh", "-c", f"seq 0 {arguments.workers - 1} | xargs -P {arguments.workers} -I{{}} {words}"]
    drive = [sys.executable, ROOT / "infra/ray/drive.py", job, "--address", address, "--program", arguments.program]
    ranges = ["--parts-per-task", str(arguments.parts_per_task)] if arguments.parts_per_task else []
    return [*drive, "--cpus", "1", "--no-verify", *ranges]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=lambda path: Path(path).resolve())
    parser.add_argument("--program", default=str(ROOT / "target/release/tresnet-batch"))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rows-per-part", type=int, default=16)
    parser.add_argument("--parts-per-task", type=int, help="parts of a range of Ray (default: the driver's)")
    arguments = parser.parse_args()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(arguments.workers):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    seconds = {way: [] for way in (ONE, PLAIN, SLOTS)}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        files = sorted(path for path in arguments.folder.rglob("*") if path.is_file())
        count = link_copies(files, arguments.copies, work / "images")
        job = work / "job.toml"
        for round_ in range(arguments.rounds):
            for way in seconds:
                output = work / f"rows-{round_}-{len(way)}"
                tables = {
                    "preprocess": {"image_size": arguments.size},
                    "engine": {"batch_size": 16},
                    "output": {"rows_per_part": arguments.rows_per_part},
                    "report": {"formats": []},
                }
                write_job(job, work / "images", arguments.weights, output, **tables)
                began = time.perf_counter()
                words = command(way, arguments, job, cluster.address)
                run = subprocess.run(words, text=True, capture_output=True)
                seconds[way].append(time.perf_counter() - began)
                if run.returncode != 0 or not (output / "_SUCCESS").exists():
                    sys.exit(f"{way} ended with {run.returncode}:\n{run.stderr}{run.stdout}")
    cluster.shutdown()
    parts = -(-count // arguments.rows_per_part)
    print(f"{count} images in {parts} parts at {arguments.size}, {arguments.workers} workers, medians of {arguments.rounds} "
          f"rounds in turn; load before {load:.1f}, after {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    print("| what | seconds | images/s | of one process (least to most) |\n|---|---|---|---|")
    for way, values in seconds.items():
        ratios = sorted(one / value for one, value in zip(seconds[ONE], values))
        middle, most = statistics.median(values), (ratios[0], statistics.median(ratios), ratios[-1])
        print(f"| {way} | {middle:.1f} | {count / middle:.1f} | {most[1]:.2f} ({most[0]:.2f} to {most[2]:.2f}) |")


if __name__ == "__main__":
    main()
