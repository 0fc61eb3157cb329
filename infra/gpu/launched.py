#!/usr/bin/env python3
"""Writes launched.txt, the machine code of ONNX Runtime's CUDA provider that our networks launch, for slim_provider.py:

    launched.py --program target/release/tresnet-batch [--trace .runtime/cuda-trace]

Runs the program over the recording libraries of tests/support/cuda_trace (`make test-cuda` builds them; no GPU is needed)
with every network, size, precision, layout and form, and notes which fat binary each kernel comes from. Takes about ten
minutes.
"""

import argparse
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from fatbin import fat_binaries, offset_in_file

ROOT = Path(__file__).resolve().parent.parent.parent
PROVIDER = "libonnxruntime_providers_cuda.so"
KERNEL = re.compile(r" kernel .*binary=0x([0-9a-f]+) name=(\S+)")
NETWORKS = ("tresnet_m", "tresnet_l", "tresnet_xl", "tresnet_v2_l")
# what the check runs besides
FILES = ("tests/data/model/v1_odd.safetensors", "tests/data/model/v2.safetensors", "models/demo/model.safetensors")


def runs():
    """Arguments of `bench engine`."""
    for network in NETWORKS:
        for size in (224, 368, 448):
            for precision in ("fp16", "fp32"):
                yield [network, size, 16, precision]
    for file in FILES:
        for size in (64, 92):
            for precision in ("fp16", "fp32"):
                yield [ROOT / file, size, 4, precision]
    for size in (64, 100, 224):
        for batch in (1, 3, 256):
            yield ["tresnet_m", size, batch, "fp16"]
    for precision in ("fp16", "fp32"):
        for options in (
            ["nhwc=false"],
            ["fuse_conv_bias=true"],
            ["cuda_graph=false"],
            ["tf32=false", "conv_search=heuristic"],
        ):
            sets = [word for option in options for word in ("--set", option)]
            yield ["tresnet_m", 224, 16, precision, *sets]
        for table in ("forms", "ablation", "optimisations"):
            yield ["tresnet_m", 224, 16, precision, "--table", table]
        yield ["tresnet_l", 368, 16, precision, "--table", "forms"]


def kernels_of(program, trace, run):
    """Addresses of fat binaries and names of kernels that one run launches."""
    network, size, batch, precision, *options = run
    command = [program, "--json", "--onnxruntime", trace, "bench", "engine", "--device", "cuda"]
    command += [network] if isinstance(network, Path) else ["--arch", network]
    command += ["--image-size", size, "--batch-size", batch, "--precision", precision, "--rounds", 1, "--seconds", 0.001]
    with tempfile.NamedTemporaryFile() as record:
        environment = dict(os.environ, LD_LIBRARY_PATH=str(trace), CUDA_TRACE_FILE=record.name)
        subprocess.run([str(word) for word in command + options], env=environment, check=True, stdout=subprocess.DEVNULL)
        return {found.groups() for found in map(KERNEL.search, open(record.name)) if found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--trace", type=Path, default=ROOT / ".runtime/cuda-trace")
    arguments = parser.parse_args()
    provider = (arguments.trace / PROVIDER).resolve()
    data = provider.read_bytes()
    launched = set()
    for run in runs():
        before = len(launched)
        launched |= kernels_of(arguments.program.resolve(), arguments.trace.resolve(), run)
        print(*run, f"{len(launched) - before} new kernels", flush=True)
    assert launched, "nothing was launched"
    names = {}
    for address, kernel in launched:
        names.setdefault(offset_in_file(data, int(address, 16)), set()).add(kernel)
    binaries = {binary.at: binary for binary in fat_binaries(data)}
    lines = []
    for at, kernels in names.items():
        # without the namespaces and arguments of the mangled name
        words = re.findall(r"\d+(_?[A-Z][A-Za-z0-9]*(?:Kernel|Wise|Simple|Smem)\w{0,8}?)(?=I|E|v)", " ".join(sorted(kernels)))
        lines.append(f"{binaries[at].identity(data)} {' '.join(sorted(set(words))) or sorted(kernels)[0]}\n")
    head = f"# made by launched.py; the first line is {PROVIDER} itself\n{hashlib.sha256(data).hexdigest()} {PROVIDER}\n"
    (Path(__file__).parent / "launched.txt").write_text(head + "".join(sorted(lines)))
    print(f"{len(lines)} of {len(binaries)} fat binaries are launched")


if __name__ == "__main__":
    main()
