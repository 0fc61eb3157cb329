#!/usr/bin/env python3
"""On the machine with the GPU: puts a folder that pack.sh made in its place: unpack.py FROM INTO

May be called again: a file that is in place already is left alone. INTO then holds the program, ONNX Runtime in
`.runtime/cuda` beside it, and links to the CUDA libraries that PyTorch brings. Needs nothing but Python and PyTorch.
"""

import hashlib
import importlib.util
import lzma
import pathlib
import shutil
import sys


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    runtime = target / ".runtime/cuda"
    runtime.mkdir(parents=True, exist_ok=True)
    packed = sorted(source.glob("*.xz"))
    if not packed and not any(runtime.iterdir()):
        sys.exit(f"{source} has nothing that pack.sh made")
    fresh = sum(put(file, target if file.stem == "tresnet-batch" else runtime) for file in packed)
    for library in runtime.glob("libonnxruntime.so.*.*.*"):
        if library.suffix != ".from":
            link(runtime / "libonnxruntime.so", library.name)
    found = nvidia_libraries()
    for library in found:
        link(runtime / library.name, library)
    print(f"{fresh} of {len(packed)} files are new in {target}, {len(found)} libraries of CUDA are linked")


def put(file, folder):
    """Whether the file had to be written; the hash of what it came from is kept beside it."""
    identity, mark = hashlib.sha256(file.read_bytes()).hexdigest(), folder / f"{file.stem}.from"
    if (folder / file.stem).exists() and mark.exists() and mark.read_text() == identity:
        return False
    draft = folder / f"{file.stem}.new"
    with lzma.open(file) as reader, open(draft, "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    draft.chmod(0o755)
    draft.rename(folder / file.stem)
    mark.write_text(identity)
    return True


def nvidia_libraries():
    """nvidia/cudnn/lib, nvidia/cu13/lib and so on are beside torch."""
    torch = importlib.util.find_spec("torch")
    if torch is None:
        return []
    return list((pathlib.Path(torch.origin).parent.parent / "nvidia").glob("*/lib/*.so*"))


def link(at, to):
    at.unlink(missing_ok=True)
    at.symlink_to(to)


if __name__ == "__main__":
    main()
