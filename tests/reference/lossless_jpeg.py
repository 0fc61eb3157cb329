"""A small lossless JPEG encoder (ITU-T T.81, Annex H), which Pillow reads and does not write. Used by image_fixtures.py."""
import struct

import numpy as np

# every size of a difference, 0 to 16 bits, has a code of five bits
CODE_BITS, SIZES = 5, range(17)


def prediction(plane, predictor):
    """Of each sample: the middle value, its left neighbour in the first row, its upper one in the first column."""
    left, above = np.roll(plane, 1, 1), np.roll(plane, 1, 0)
    corner = np.roll(above, 1, 1)
    made = {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor].copy()
    made[:, 0] = above[:, 0]
    made[0] = left[0]
    made[0, 0] = 128
    return made


def coded(differences):
    """The bits of a row of differences: [rows, columns, components] row by row, as text."""
    words = []
    for value in differences.ravel().tolist():
        size = abs(value).bit_length()
        words.append(f"{size:0{CODE_BITS}b}")
        if size:
            words.append(f"{value if value > 0 else value + (1 << size) - 1:0{size}b}")
    bits = "".join(words)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def lossless_jpeg(planes, predictor=1, restart_rows=0, scans="together", head=b""):
    """Planes of 8 bits, in one scan or (`scans="apart"`) in one each; `head` is put before the frame."""
    height, width = planes[0].shape
    step = restart_rows or height
    parts = []  # of each stretch between restarts: its differences, which begin afresh
    for top in range(0, height, step):
        rows = [plane[top : top + step].astype(int) for plane in planes]
        parts.append(np.stack([part - prediction(part, predictor) for part in rows], -1))

    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    def scan(components):
        out = segment(
            0xDA, bytes([len(components)]) + b"".join(bytes([c + 1, 0]) for c in components) + bytes([predictor, 0, 0])
        )
        for number, part in enumerate(parts):
            if number:
                out += bytes([0xFF, 0xD0 + (number - 1) % 8])
            out += coded(part[..., components])
        return out

    everything = list(range(len(planes)))
    frame = b"".join(bytes([c + 1, 0x11, 0]) for c in everything)
    counts = bytes([len(SIZES) if length == CODE_BITS else 0 for length in range(1, 17)])
    out = b"\xff\xd8" + head
    out += segment(0xC3, struct.pack(">BHHB", 8, height, width, len(planes)) + frame)
    out += segment(0xC4, bytes([0]) + counts + bytes(SIZES))
    if restart_rows:
        out += segment(0xDD, struct.pack(">H", restart_rows * width))
    for components in [everything] if scans == "together" else [[c] for c in everything]:
        out += scan(components)
    return out + b"\xff\xd9"
