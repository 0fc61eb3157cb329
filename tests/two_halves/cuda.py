"""Compiles the kernels of the two halves for a GPU, which needs no GPU: `python cuda.py [LIBNVRTC [ARCHITECTURE]]`.

LIBNVRTC is `libnvrtc.so.13` of CUDA, by default that of the package `nvidia-cuda-nvrtc` beside this interpreter. Prints
the resources that each kernel needs, and fails if the source does not compile. Nothing is run.
"""
import ctypes
import re
import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).parent / "c"


def nvrtc(name):
    if name is None:
        found = sorted(Path(sysconfig.get_path("purelib")).glob("nvidia/**/libnvrtc.so.*"))
        if not found:
            sys.exit("no libnvrtc here: install nvidia-cuda-nvrtc, or name the library")
        name = found[0]
    return ctypes.CDLL(str(name))


def text(library, program, what):
    size = ctypes.c_size_t()
    assert getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
    held = ctypes.create_string_buffer(size.value)
    assert getattr(library, f"nvrtcGet{what}")(program, held) == 0
    return held.raw


def main(name=None, architecture="sm_90"):
    library, program = nvrtc(name), ctypes.c_void_p()
    source, header = ((SOURCE / file).read_bytes() for file in ("kernels.c", "image.h"))
    headers, names = (ctypes.c_char_p * 1)(header), (ctypes.c_char_p * 1)(b"image.h")
    assert library.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", 1, headers, names) == 0
    options = [f"--gpu-architecture={architecture}".encode(), b"--ptxas-options=-v"]
    status = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    log = text(library, program, "ProgramLog").decode(errors="replace").rstrip("\0")
    if status != 0:
        sys.exit(log)
    kernels = re.findall(r"function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill.*?Used (\d+) registers", log, re.S)
    assert kernels, log
    print(f"{architecture}: a cubin of {len(text(library, program, 'CUBIN'))} bytes")
    for kernel, stack, spills, registers in kernels:
        print(f"{kernel}: {registers} registers, {stack} bytes of stack, {spills} bytes spilled")


main(*sys.argv[1:])
