"""Machine code for GPUs in a shared library: fat binaries, one a source file, with an entry for each architecture.

A fat binary is a header (magic, version 1, its own length 16, length of the rest) and entries: kind, two bytes, own
length, payload's length, …, architecture at byte 28, then the payload, which may be compressed.
"""

import hashlib
import struct

MAGIC = struct.pack("<I", 0xBA55ED50)
HEADER = struct.Struct("<IHHQ")
ENTRY = struct.Struct("<HHIQIIHHI")
# where the architecture is in an entry
ARCHITECTURE = struct.Struct("<I")
ARCHITECTURE_AT = 28
KINDS = (1, 2, 4, 8, 16)
LOADED = 1
SEGMENT = struct.Struct("<IIQQQQQQ")


class Entry:
    """`at` is where the entry begins, `start` where its payload does."""

    def __init__(self, at, start, size, architecture):
        self.at, self.start, self.size, self.architecture = at, start, size, architecture


class FatBinary:
    def __init__(self, at, end, entries):
        self.at, self.end, self.entries = at, end, entries

    def identity(self, data):
        """A name that holds in every file with this machine code."""
        return hashlib.sha256(data[self.at : self.end]).hexdigest()[:16]


def fat_binaries(data):
    """All of a file, in their order. The magic number alone is none."""
    at = data.find(MAGIC)
    while at >= 0:
        end = at + len(MAGIC)
        if at + HEADER.size <= len(data):
            _, version, header, length = HEADER.unpack_from(data, at)
            if version == 1 and header == HEADER.size and at + header + length <= len(data):
                end = at + header + length
                yield FatBinary(at, end, list(entries(data, at + header, end)))
        at = data.find(MAGIC, end)


def entries(data, at, end):
    while at + 64 <= end:
        kind, _, length, payload, *_, architecture = ENTRY.unpack_from(data, at)
        if kind not in KINDS or length < ENTRY.size or at + length + payload > end:
            return
        yield Entry(at, at + length, payload, architecture)
        at += length + payload


def offset_in_file(data, address):
    """Where the byte that a library has at `address`, counted from its start in memory, is in its file."""
    (first,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    for number in range(count):
        kind, _, offset, start, _, size, _, _ = SEGMENT.unpack_from(data, first + number * SEGMENT.size)
        if kind == LOADED and start <= address < start + size:
            return address - start + offset
    raise ValueError(f"no segment of the file holds the address {address:#x}")
