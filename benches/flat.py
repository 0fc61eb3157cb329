"""Peak memory of runs against the number of images: it must not grow with it.

    flat.py FOLDER WEIGHTS.safetensors [--images 10000,50000,100000] [--rows-per-part 2048] [--binary PATH]

Runs the same job over each number of images, which repeats the folder's, as a separate process, and prints the peak of
memory that the kernel reports. The smallest number should fill some parts: rows are in memory until their part is
written.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from inputs import link_images, write_job
from memory import peak_of


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=lambda path: Path(path).resolve())
    parser.add_argument("--images", default="10000,50000,100000")
    parser.add_argument("--rows-per-part", type=int, default=2048)
    parser.add_argument("--binary", default="target/release/tresnet-batch")
    arguments = parser.parse_args()
    print("| images | parts | seconds | peak MiB |\n|---|---|---|---|")
    # beside the images, so that they can be linked
    with tempfile.TemporaryDirectory(dir=arguments.folder.parent) as scratch:
        work = Path(scratch)
        for many in map(int, arguments.images.split(",")):
            link_images(arguments.folder, work / "images", many)
            shutil.rmtree(work / "output", ignore_errors=True)
            job = work / "job.toml"
            output = {"embedding": "f32", "rows_per_part": arguments.rows_per_part}
            tables = {"report": {"formats": []}, "output": output}
            write_job(job, work / "images", arguments.weights, work / "output", **tables)
            began = time.monotonic()
            peak = peak_of(arguments.binary, job, work)
            parts = len(list((work / "output").glob("*.parquet")))
            print(f"| {many} | {parts} | {time.monotonic() - began:.0f} | {peak:.0f} |", flush=True)


main()
