#!/usr/bin/env python3
"""Builds the release program into an empty folder and prints the CPU-seconds of each crate, as a table for docs/release.md.

    python infra/release/build_cost.py FOLDER [LEAST] [-- CARGO OPTIONS]

FOLDER becomes the target folder of the build and must not exist. The CPU-seconds are those of the compiler's processes,
user and system time, so other work on the machine changes them little. Crates below LEAST (30) are summed up. Build scripts
and what they compile (libjpeg-turbo, Zstandard, aws-lc) have one line. The last line is the sum, which is that of `time`.
"""

import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

LOG = "TRESNET_BATCH_BUILD_COST"


def cpu_seconds(used):
    return used.ru_utime + used.ru_stime


def compile_one(command):
    """Runs the compiler as its wrapper, and notes what it took."""
    code = subprocess.run(command).returncode
    names = [command[at + 1] for at, word in enumerate(command[:-1]) if word == "--crate-name"]
    # one write of a short line: compilers that end at the same time do not mix theirs
    line = f"{names[0] if names else '-'} {cpu_seconds(resource.getrusage(resource.RUSAGE_CHILDREN)):.3f}\n"
    with open(os.environ[LOG], "ab", buffering=0) as log:
        log.write(line.encode())
    return code


def build(folder, options):
    """CPU-seconds by crate, and those of the whole build."""
    folder.mkdir(parents=True)
    log = folder.resolve() / "build-cost.txt"
    environment = {**os.environ, "RUSTC_WRAPPER": str(Path(__file__).resolve()), LOG: str(log)}
    command = ["cargo", "build", "--release", "--locked", "--target-dir", str(folder), *options]
    if subprocess.run(command, env=environment).returncode != 0:
        sys.exit("the build failed")
    crates = Counter()
    for line in log.read_text().splitlines():
        name, seconds = line.split()
        crates[name.replace("_", "-")] += float(seconds)
    return crates, cpu_seconds(resource.getrusage(resource.RUSAGE_CHILDREN))


def main(arguments):
    options = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, options = arguments[:at], arguments[at + 1 :]
    if len(arguments) not in (1, 2):
        sys.exit(__doc__)
    folder, least = Path(arguments[0]), float(arguments[1]) if len(arguments) == 2 else 30.0
    if folder.exists():
        sys.exit(f"`{folder}` exists: name a new folder, so that everything is compiled")
    crates, whole = build(folder, options)
    # each build script is a crate `build-script-…` when it is compiled, and a separate process when it runs
    scripts = sum(seconds for name, seconds in crates.items() if name.startswith("build-script"))
    libraries = [(name, seconds) for name, seconds in crates.most_common() if not name.startswith("build-script")]
    compiled = sum(crates.values())
    print("| crate | CPU-seconds |\n|---|---:|")
    for name, seconds in libraries:
        if seconds >= least:
            print(f"| {name} | {seconds:.0f} |")
    rest = [seconds for _, seconds in libraries if seconds < least]
    print(f"| {len(rest)} others | {sum(rest):.0f} |")
    print(f"| build scripts, with the C that they compile | {scripts + whole - compiled:.0f} |")
    print(f"| all | {whole:.0f} |")


if __name__ == "__main__":
    if LOG in os.environ:
        sys.exit(compile_one(sys.argv[1:]))
    main(sys.argv[1:])
