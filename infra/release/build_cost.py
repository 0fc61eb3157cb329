"""Prints which crates cost most of a release build, as a table for docs/release.md.

    cargo clean --release && CARGO_BUILD_JOBS=1 bash -c 'time cargo build --release --locked'
    python infra/release/build_cost.py target/release CPU_SECONDS [LEAST]

CPU_SECONDS is what `time` printed, user and sys together. Cargo leaves the time at which each crate began and ended in
`.fingerprint`; their sum is made to be CPU_SECONDS. With one job on an idle machine each line is right; with several, or
beside other work, a line may be off by a third. Crates below LEAST (30) are summed up. Build scripts and what they
compile (libjpeg-turbo, Zstandard) are in the CPU time, but have no line, so every line has a share of them.
"""

import sys
from collections import Counter
from pathlib import Path


def crates(folder):
    """Seconds by crate: of all its versions, of its library and of its programs."""
    found = Counter()
    for unit in (folder / ".fingerprint").iterdir():
        begun = unit / "invoked.timestamp"
        if not begun.exists():
            continue
        began = begun.stat().st_mtime
        ended = max(file.stat().st_mtime for file in unit.iterdir())
        found[unit.name.rsplit("-", 1)[0]] += ended - began
    return found


def main(folder, cpu, least=30.0):
    found = crates(Path(folder)).most_common()
    if not found:
        sys.exit(f"{folder} has no build")
    scale = cpu / sum(seconds for _, seconds in found)
    scaled = [(name, seconds * scale) for name, seconds in found]
    print("| crate | CPU-seconds |\n|---|---:|")
    for name, seconds in scaled:
        if seconds >= least:
            print(f"| {name} | {seconds:.0f} |")
    rest = [seconds for _, seconds in scaled if seconds < least]
    print(f"| {len(rest)} others | {sum(rest):.0f} |")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], *map(float, sys.argv[2:]))
