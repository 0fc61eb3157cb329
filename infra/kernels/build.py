"""Compiles the CUDA kernels of src/engine/cuda/kernels by NVRTC, which needs no GPU.

    build.py TOOLS             writes src/engine/cuda/kernels/cubins/sm_*.cubin
    build.py TOOLS --check     compiles, and fails if a committed cubin has other bytes
    build.py TOOLS --table     prints what each kernel needs on each architecture, and how it accesses memory

TOOLS is the folder with libnvrtc.so.13 and nvdisasm: .runtime/nvrtc, which `make kernels` fills.
"""
import argparse
import ctypes
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

KERNELS = Path(__file__).resolve().parents[2] / "src/engine/cuda/kernels"
CUBINS = KERNELS / "cubins"
MAIN = "tresnet.cu"
ARCHITECTURES = (80, 89, 90, 100)
# `-v` adds resources to the log and changes no code
OPTIONS = ("--std=c++17", "--ptxas-options=-v")
RESOURCES = re.compile(
    r"properties for (?P<name>\w+).*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers(?:[^\n]*?(?P<shared>\d+) bytes smem)?",
    re.S,
)
FUNCTION = re.compile(r"\.section\s+\.text\.(\w+)")
# a global access with its width in bits; without a width it is 32
ACCESS = re.compile(r"\b(LDG|STG)\.(?P<rest>[\w.]+)")


class Nvrtc:
    """The compiler's library."""

    def __init__(self, tools):
        # it opens its builtins by name, which the loader finds if they are loaded
        for builtins in sorted(tools.glob("libnvrtc-builtins.so.*")):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(str(tools / "libnvrtc.so.13"))

    def version(self):
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def text(self, program, what):
        size = ctypes.c_size_t()
        if getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)):
            sys.exit(f"NVRTC has no {what}")
        held = ctypes.create_string_buffer(size.value)
        if getattr(self.library, f"nvrtcGet{what}")(program, held):
            sys.exit(f"NVRTC has no {what}")
        return held.raw

    def compile(self, architecture):
        """Returns the cubin and the log."""
        files = sorted(path for path in KERNELS.glob("*.cu*") if path.name != MAIN and path.is_file())
        texts = (ctypes.c_char_p * len(files))(*(path.read_bytes() for path in files))
        names = (ctypes.c_char_p * len(files))(*(path.name.encode() for path in files))
        program = ctypes.c_void_p()
        source = (KERNELS / MAIN).read_bytes()
        status = self.library.nvrtcCreateProgram(
            ctypes.byref(program), source, MAIN.encode(), len(files), texts, names
        )
        if status:
            sys.exit(f"NVRTC refuses the source: {status}")
        options = [option.encode() for option in (f"--gpu-architecture=sm_{architecture}", *OPTIONS)]
        status = self.library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = self.text(program, "ProgramLog").decode(errors="replace").rstrip("\0")
        if status:
            sys.exit(f"sm_{architecture} does not compile:\n{log}")
        cubin = self.text(program, "CUBIN")
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        return cubin, log


def accesses(nvdisasm, cubin):
    """Returns the widths of global loads and stores in bytes, by kernel, and the number of accesses to local memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        code = subprocess.run([nvdisasm, "-c", file.name], check=True, capture_output=True, text=True).stdout
    found, name = {}, None
    for line in code.splitlines():
        section = FUNCTION.search(line)
        if section:
            name = section[1]
            found.setdefault(name, {"LDG": Counter(), "STG": Counter(), "local": 0})
        elif name:
            access = ACCESS.search(line)
            if access:
                width = re.search(r"(?:^|\.)(?:[US])?(8|16|64|128)(?:\.|$)", access["rest"])
                found[name][access[1]][int(width[1]) // 8 if width else 4] += 1
            elif re.search(r"\b(LDL|STL)\b", line):
                found[name]["local"] += 1
    return found


def widths(counter):
    return ", ".join(f"{count} × {width}" for width, count in sorted(counter.items(), reverse=True)) or "none"


def rows(nvrtc, nvdisasm):
    """Yields a line of the table for each kernel and architecture."""
    for architecture in ARCHITECTURES:
        cubin, log = nvrtc.compile(architecture)
        used = {match["name"]: match for match in RESOURCES.finditer(log)}
        for name, found in sorted(accesses(nvdisasm, cubin).items()):
            if name not in used:
                sys.exit(f"sm_{architecture}: the log has no resources of `{name}`:\n{log}")
            facts = used[name]
            spills = int(facts["stores"]) + int(facts["loads"]) + found["local"]
            yield (name, f"sm_{architecture}", facts["registers"], facts["stack"], spills, facts["shared"] or 0,
                   widths(found["LDG"]), widths(found["STG"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=Path)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true")
    action.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    nvrtc = Nvrtc(arguments.tools)
    if arguments.table:
        print("| kernel | architecture | registers | stack, bytes | spills | shared memory, bytes "
              "| global loads, count × bytes | global stores |")
        print("|---|---|---|---|---|---|---|---|")
        for row in sorted(rows(nvrtc, arguments.tools / "nvdisasm")):
            print("| `{}` | {} |".format(*row[:2]), " | ".join(str(cell) for cell in row[2:]), "|")
        return
    other = []
    for architecture in ARCHITECTURES:
        cubin, _ = nvrtc.compile(architecture)
        path = CUBINS / f"sm_{architecture}.cubin"
        if not arguments.check:
            CUBINS.mkdir(exist_ok=True)
            path.write_bytes(cubin)
        elif not path.exists() or path.read_bytes() != cubin:
            other.append(path.name)
        print(f"{path.name}: {len(cubin)} bytes by NVRTC {nvrtc.version()}")
    if other:
        sys.exit(f"the committed {', '.join(other)} are not what the sources compile to; run: make kernels")


main()
