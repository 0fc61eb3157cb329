#!/usr/bin/env python3
"""On the machine with the GPU: puts a folder that pack.sh made in its place: unpack.py FROM INTO

May be called for one folder after the other. INTO then holds the program, ONNX Runtime in `.runtime/cuda` beside it, and
links to the CUDA libraries that PyTorch brings. Needs nothing but Python and PyTorch.
"""

import lzma
import pathlib
import shutil
import sys

import torch


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    runtime = target / ".runtime/cuda"
    runtime.mkdir(parents=True, exist_ok=True)
    packed = sorted(source.glob("*.xz"))
    if not packed:
        sys.exit(f"{source} holds nothing that pack.sh made")
    for file in packed:
        folder = target if file.stem == "tresnet-batch" else runtime
        draft = folder / f"{file.stem}.new"
        with lzma.open(file) as reader, open(draft, "wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
        draft.chmod(0o755)
        draft.rename(folder / file.stem)
    for library in runtime.glob("libonnxruntime.so.*.*.*"):
        link(runtime / "libonnxruntime.so", library.name)
    # nvidia/cudnn/lib, nvidia/cu13/lib and so on lie beside torch
    found = list((pathlib.Path(torch.__file__).parent.parent / "nvidia").glob("*/lib/*.so*"))
    for library in found:
        link(runtime / library.name, library)
    print(f"{len(packed)} files are in {target}, {len(found)} libraries of CUDA are linked")


def link(at, to):
    at.unlink(missing_ok=True)
    at.symlink_to(to)


main()
