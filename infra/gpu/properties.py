#!/usr/bin/env python3
"""Writes cuDNN's description of a GPU, from which plans can be built on a machine without one:

    properties.py OUT.json [--library libcudnn.so.9] [--from IN.json]

cuDNN 9.8 or later writes it as JSON. With --from the description of another device is read and written again, which needs
no GPU and shows that cuDNN takes it.
"""

import argparse
import ctypes
from pathlib import Path

# of cudnn_graph.h
DESCRIPTOR = 38
DEVICE_ID, JSON = 2700, 2702
INT32, CHAR = 23, 24


class Cudnn:
    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.cudnnGetErrorString.restype = ctypes.c_char_p
        self.library.cudnnGetVersion.restype = ctypes.c_size_t

    def check(self, call, status):
        if status:
            raise SystemExit(f"{call} ended with {self.library.cudnnGetErrorString(status).decode()}")

    def properties(self, device=0, given=None):
        """The JSON text of a device, or of a description."""
        at, count = ctypes.c_void_p(), ctypes.c_int64()
        self.check("cudnnBackendCreateDescriptor", self.library.cudnnBackendCreateDescriptor(DESCRIPTOR, ctypes.byref(at)))
        if given is None:
            number = ctypes.c_int32(device)
            name, kind, length, values = DEVICE_ID, INT32, 1, ctypes.byref(number)
        else:
            text = given.encode() + b"\0"
            name, kind, length, values = JSON, CHAR, len(text), ctypes.create_string_buffer(text, len(text))
        status = self.library.cudnnBackendSetAttribute(at, name, kind, ctypes.c_int64(length), values)
        self.check("cudnnBackendSetAttribute", status)
        self.check("cudnnBackendFinalize", self.library.cudnnBackendFinalize(at))
        get = self.library.cudnnBackendGetAttribute
        self.check("cudnnBackendGetAttribute", get(at, JSON, CHAR, ctypes.c_int64(0), ctypes.byref(count), None))
        text = ctypes.create_string_buffer(count.value + 8)
        self.check("cudnnBackendGetAttribute", get(at, JSON, CHAR, count, ctypes.byref(count), text))
        self.library.cudnnBackendDestroyDescriptor(at)
        return text.raw[: count.value].rstrip(b"\0").decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--library", default="libcudnn.so.9")
    parser.add_argument("--from", dest="given", type=Path)
    arguments = parser.parse_args()
    cudnn = Cudnn(arguments.library)
    given = arguments.given.read_text().strip() if arguments.given else None
    text = cudnn.properties(given=given)
    arguments.out.write_text(f"{text}\n")
    print(f"cuDNN {cudnn.library.cudnnGetVersion()}: {text}")


if __name__ == "__main__":
    main()
