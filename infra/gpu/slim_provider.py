#!/usr/bin/env python3
"""Cuts ONNX Runtime's CUDA provider to what a check on one GPU needs: slim_provider.py IN.so OUT.so SM [LAUNCHED]

SM is 90 for H100 and H200, 89 for RTX 40, 80 for A100. The library carries machine code for several architectures; that of
the others becomes zeros. With LAUNCHED (launched.txt beside this file, written by launched.py), code of more than 200 KiB
that no network launches becomes zeros too. Size and layout stay, and a compressor leaves 31 MB of 188.

Code that is cut out gets the number of an architecture that no device has, so that a kernel of it fails with "no kernel
image is available", as in a library that was built without it. LAUNCHED names the library that it was made from; for
another library only the architectures are cut.
"""

import collections
import hashlib
import sys

from fatbin import ARCHITECTURE, ARCHITECTURE_AT, fat_binaries

# of the payload as it is in the file
LARGEST = 200 << 10
NO_DEVICE = 1


def slim(data, keep, launched=None):
    """Zeroes in place; returns the bytes of each architecture, and the bytes that no network launches."""
    found, unused = collections.Counter(), 0
    for binary in list(fat_binaries(data)):
        is_used = launched is None or binary.identity(data) in launched
        for entry in binary.entries:
            found[entry.architecture] += entry.size
            is_spare = entry.architecture == keep and not is_used and entry.size > LARGEST
            if entry.architecture != keep or is_spare:
                data[entry.start : entry.start + entry.size] = bytes(entry.size)
            if is_spare:
                ARCHITECTURE.pack_into(data, entry.at + ARCHITECTURE_AT, NO_DEVICE)
                unused += entry.size
    return found, unused


def read_launched(path, data):
    """Identities of the fat binaries that are launched, or `None` where the list is of another library."""
    with open(path) as file:
        words = [line.split()[0] for line in file if line.strip() and not line.startswith("#")]
    library, *identities = words
    return set(identities) if library == hashlib.sha256(data).hexdigest() else None


def main():
    if len(sys.argv) not in (4, 5) or not sys.argv[3].isdigit():
        sys.exit(__doc__)
    source, target, keep = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(source, "rb") as file:
        data = bytearray(file.read())
    launched = read_launched(sys.argv[4], data) if len(sys.argv) == 5 else None
    if len(sys.argv) == 5 and launched is None:
        print(f"{sys.argv[4]} is of another library: only architectures are cut; launched.py makes it anew")
    found, unused = slim(data, keep, launched)
    if keep not in found:
        sys.exit(f"{source} has no code for sm_{keep}, only for {', '.join(f'sm_{sm}' for sm in sorted(found)) or 'none'}")
    with open(target, "wb") as file:
        file.write(data)
    sizes = ", ".join(f"sm_{sm}: {size >> 20} MiB" for sm, size in sorted(found.items()))
    print(f"{sizes}; sm_{keep} is left, without {unused >> 20} MiB that are never launched")


if __name__ == "__main__":
    main()
