"""Measures speed and memory of the program, and writes the tables into docs/performance.md.

    measure.py PHOTOGRAPHS WEIGHTS.safetensors [MORE …] [--int8 MODEL.onnx] [--only NAME,…] [--rounds 5] [--print]

PHOTOGRAPHS is a folder of JPEGs, WEIGHTS those of TResNet-M; more weights count for memory alone. Builds first, then
measures one thing after another, an hour for all; nothing else may run meanwhile. The text of the page between
`<!-- measured: NAME -->` and `<!-- end -->` is replaced by commands, machine, commit and output; --print prints it
instead. The peers are those that this interpreter has (torch, torchvision, timm, Pillow; DALI if it is installed).
Exits with 1 if a command failed; its old table then remains.
"""

import argparse
import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from inputs import link_images, write_job

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/performance.md"
PROGRAM = "target/release/tresnet-batch"
BENCH = "cargo bench -q --locked --bench"
BENCH_JOB = f"{PROGRAM} bench job --rounds ROUNDS --seconds 14 --progress none --log-format text"

# the commands of each measurement; words in capitals are replaced
MEASURES = {
    "decode": ["taskset -c 1 PYTHON benches/peers/decode.py PHOTOGRAPHS ROUNDS"],
    "do_nothing": [f"{BENCH} do_nothing -- --images PHOTOGRAPHS"],
    "fetch": [f"{BENCH} fetch -- --images PHOTOGRAPHS --runs ROUNDS"],
    "shards": [f"{BENCH} shards -- --images PHOTOGRAPHS --runs ROUNDS"],
    "pipeline": [f"{BENCH} pipeline -- --images PHOTOGRAPHS --copies 8 --runs ROUNDS"],
    "job": [f"{BENCH_JOB} JOB"],
    "job_int8": [f"{BENCH_JOB} JOB --set model.path=INT8"],
    "inference": [
        "PYTHON benches/peers/inference.py PHOTOGRAPHS WEIGHTS --copies 8 --rounds ROUNDS",
        "PYTHON benches/peers/inference.py PHOTOGRAPHS WEIGHTS --copies 2 --rounds ROUNDS",
        "PYTHON benches/peers/inference.py PHOTOGRAPHS WEIGHTS --copies 1 --rounds ROUNDS --compile --bf16",
    ],
    "memory": ["PYTHON benches/memory.py PHOTOGRAPHS WEIGHTS MORE"],
    "flat": ["PYTHON benches/flat.py PHOTOGRAPHS models/demo/model.safetensors --images 5000,10000,60000"],
    "allocations": [f"{BENCH} allocations -- --images PHOTOGRAPHS --count 2000"],
    "commit": [f"{BENCH} commit"],
    "ceilings": [f"{BENCH} ceilings"],
}
# lines that are no result: logs, and the summary of a command of the program
NOISE = re.compile(r"\d{4}-\d\d-\d\dT|\{")


def stop(why):
    sys.exit(f"measure.py: {why}")


def output_of(command):
    return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def machine():
    """Cores, processor and the widest vectors that it has."""
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"model name\s*: (.*)", facts)
    flags = facts.split()
    vectors = next((flag for flag in ("avx512_vnni", "avx512f", "avx2") if flag in flags), platform.machine())
    return f"{len(os.sched_getaffinity(0))} cores, {name[1].strip() if name else platform.machine()}, {vectors}"


def shown(command, given):
    """A command as a reader types it: without this machine's paths."""
    return command.replace("PYTHON", "python").replace("ROUNDS", given["ROUNDS"][0])


def measured(name, given):
    """What a measure's commands printed, as Markdown."""
    blocks = []
    for command in MEASURES[name]:
        words = [word for part in shlex.split(command) for word in put_in(part, given)]
        print(f"== {name}: {shlex.join(words)}", file=sys.stderr, flush=True)
        run = subprocess.run(words, cwd=ROOT, text=True, stdout=subprocess.PIPE)
        if run.returncode != 0:
            raise subprocess.CalledProcessError(run.returncode, words, run.stdout)
        lines = [line.rstrip() for line in run.stdout.splitlines() if not NOISE.match(line)]
        has_table = any(line.startswith("|") for line in lines)
        text = "\n".join(lines if has_table else [f"    {line}" for line in lines]).strip("\n")
        # a table begins after an empty line
        text = re.sub(r"(?m)^([^|\n].*)\n\|", r"\1\n\n|", text)
        text = re.sub(r"(?m)^(\|.*)\n([^|\n])", r"\1\n\n\2", text)
        blocks += [f"    {shown(command, given)}", text]
    return "\n\n".join(blocks)


def put_in(part, given):
    for name, values in given.items():
        if part == name:
            return values
        if part.endswith(f"={name}"):
            return [part.removesuffix(name) + value for value in values]
    return [part]


def write(name, text):
    page = PAGE.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if len(place.findall(page)) != 1:
        stop(f"{PAGE.name} has not one place for `{name}`")
    PAGE.write_text(place.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), encoding="utf-8")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=lambda path: Path(path).resolve())
    parser.add_argument("weights", nargs="+", type=lambda path: Path(path).resolve())
    parser.add_argument("--int8", type=lambda path: Path(path).resolve(), help="that network by `quantize`")
    parser.add_argument("--only", default=",".join(MEASURES), help=f"some of {', '.join(MEASURES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--print", action="store_true", help="print what would be written")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in MEASURES]:
        parser.error(f"--only knows no {', '.join(unknown)}")
    for path in [arguments.photographs, *arguments.weights, *filter(None, [arguments.int8])]:
        if not path.exists():
            parser.error(f"there is no {path}")
    if arguments.int8 is None and "job_int8" in names:
        print("measure.py: without --int8 there is no `job_int8`", file=sys.stderr)
        names.remove("job_int8")
    return arguments, names


def main():
    arguments, names = parse()
    os.environ.setdefault("ORT_DYLIB_PATH", str(ROOT / ".runtime/cpu"))
    commit = output_of(["git", "describe", "--always", "--dirty"])
    for command in ("cargo build -q --release --locked", "cargo bench -q --locked --no-run"):
        subprocess.run(command.split(), cwd=ROOT, check=True)
    failed = []
    # beside the photographs, so that they can be linked
    with tempfile.TemporaryDirectory(dir=arguments.photographs.parent) as scratch:
        job = Path(scratch, "job.toml")
        link_images(arguments.photographs, Path(scratch, "images"), 800)
        write_job(job, f"{scratch}/images", arguments.weights[0], f"{scratch}/output", report={"formats": []})
        given = {
            "PYTHON": [sys.executable],
            "PHOTOGRAPHS": [str(arguments.photographs)],
            "WEIGHTS": [str(arguments.weights[0])],
            "MORE": list(map(str, arguments.weights[1:])),
            "JOB": [str(job)],
            "INT8": [str(arguments.int8)],
            "ROUNDS": [str(arguments.rounds)],
        }
        for name in names:
            try:
                result = measured(name, given)
            except subprocess.CalledProcessError as error:
                print(f"measure.py: {name}: {error}\n{error.stdout}", file=sys.stderr)
                failed.append(name)
                continue
            today = datetime.datetime.now(datetime.timezone.utc).date()
            text = f"Measured on {today}, {machine()}, at {commit}:\n\n{result}\n"
            if arguments.print:
                print(f"## {name}\n\n{text}", flush=True)
            else:
                write(name, text)
    if failed:
        stop(f"these failed, and their old tables stay: {', '.join(failed)}")


if __name__ == "__main__":
    main()
