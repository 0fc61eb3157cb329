#!/usr/bin/env python3
"""Leaves one GPU architecture in ONNX Runtime's CUDA provider: slim_provider.py IN.so OUT.so SM

SM is 90 for H100 and H200, 89 for RTX 40, 80 for A100. The library carries machine code for several; that of the others
becomes zeros, so size and layout stay, and a compressor leaves 52 MB instead of 188.

A fat binary is a header (magic, version 1, its own length 16, length of what follows) and entries: kind, two bytes, own
length, payload's length, …, architecture at byte 28, then the payload.
"""

import collections
import struct
import sys

MAGIC = struct.pack("<I", 0xBA55ED50)
HEADER = struct.Struct("<IHHQ")
ENTRY = struct.Struct("<HHIQIIHHI")
KINDS = (1, 2, 4, 8, 16)


def entries(data, start, end):
    """Position and length of each payload of one fat binary, with its architecture."""
    at = start
    while at + 64 <= end:
        kind, _, length, payload, *_, architecture = ENTRY.unpack_from(data, at)
        if kind not in KINDS or length < ENTRY.size or at + length + payload > end:
            return
        yield at + length, payload, architecture
        at += length + payload


def slim(data, keep):
    """Zeroes in place, and gives the bytes found for each architecture."""
    found = collections.Counter()
    at = data.find(MAGIC)
    while at >= 0:
        _, version, header, length = HEADER.unpack_from(data, at)
        end = at + header + length
        if version == 1 and header == HEADER.size and end <= len(data):
            for start, payload, architecture in entries(data, at + header, end):
                found[architecture] += payload
                if architecture != keep:
                    data[start : start + payload] = bytes(payload)
        else:
            end = at + len(MAGIC)
        at = data.find(MAGIC, end)
    return found


def main():
    if len(sys.argv) != 4 or not sys.argv[3].isdigit():
        sys.exit(__doc__)
    source, target, keep = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(source, "rb") as file:
        data = bytearray(file.read())
    found = slim(data, keep)
    if keep not in found:
        sys.exit(f"{source} has no code for sm_{keep}, only for {', '.join(f'sm_{sm}' for sm in sorted(found)) or 'none'}")
    with open(target, "wb") as file:
        file.write(data)
    print(", ".join(f"sm_{sm}: {size >> 20} MiB" for sm, size in sorted(found.items())) + f"; sm_{keep} is left")


if __name__ == "__main__":
    main()
