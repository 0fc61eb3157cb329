"""A small baseline JPEG encoder, for samplings and inks that Pillow does not write. Used by image_fixtures.py."""
import io
import struct

import numpy as np
from PIL import Image


def segments(jpeg):
    """(marker, body) of each segment before the first scan."""
    at = 2
    while jpeg[at + 1] != 0xDA:
        length = struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        yield jpeg[at + 1], jpeg[at + 4 : at + 2 + length]
        at += 2 + length


def huffman_tables():
    """The standard tables, taken from a file of Pillow's: (class << 4 | id) -> symbol -> (code, length)."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    standard = out.getvalue()
    tables, raw = {}, b""
    for marker, body in segments(standard):
        if marker != 0xC4:
            continue
        raw += b"\xff\xc4" + struct.pack(">H", len(body) + 2) + body
        while body:
            counts, code, at = body[1:17], 0, 17
            table = tables.setdefault(body[0], {})
            for length, count in enumerate(counts, 1):
                for _ in range(count):
                    table[body[at]] = (code, length)
                    code, at = code + 1, at + 1
                code <<= 1
            body = body[at:]
    return tables, raw


def zigzag():
    def key(position):
        y, x = position
        return (y + x, y if (y + x) % 2 else x)

    return sorted(((y, x) for y in range(8) for x in range(8)), key=key)


def baseline_jpeg(planes, sampling, adobe=None, step=6):
    """A baseline file of full-size planes, each averaged down to its (horizontal, vertical) sampling factor."""
    tables, raw_tables = huffman_tables()
    height, width = planes[0].shape
    h_max, v_max = max(h for h, _ in sampling), max(v for _, v in sampling)
    columns, rows = -(-width // (8 * h_max)), -(-height // (8 * v_max))
    k = np.arange(8)
    dct = np.cos((2 * k[None] + 1) * k[:, None] * np.pi / 16) / 2
    dct[0] /= np.sqrt(2)
    order = zigzag()
    blocks = []
    for plane, (h, v) in zip(planes, sampling):
        full = np.pad(plane.astype(float), ((0, rows * 8 * v_max - height), (0, columns * 8 * h_max - width)), "edge")
        fy, fx = v_max // v, h_max // h
        small = full.reshape(full.shape[0] // fy, fy, full.shape[1] // fx, fx).mean((1, 3)) - 128
        grid = small.reshape(small.shape[0] // 8, 8, small.shape[1] // 8, 8).transpose(0, 2, 1, 3)
        blocks.append(np.rint(dct @ grid @ dct.T / step).astype(int))

    bits = []

    def put(code, length):
        bits.extend((code >> i) & 1 for i in range(length - 1, -1, -1))

    def put_value(value):
        size = int(abs(value)).bit_length()
        put(value if value > 0 else value + (1 << size) - 1, size)

    before = [0] * len(planes)
    for row in range(rows):
        for column in range(columns):
            for c, (h, v) in enumerate(sampling):
                dc, ac = tables[0x00 if c == 0 else 0x01], tables[0x10 if c == 0 else 0x11]
                for y in range(v):
                    for x in range(h):
                        block = blocks[c][row * v + y, column * h + x]
                        values = [int(block[at]) for at in order]
                        difference, before[c] = values[0] - before[c], values[0]
                        put(*dc[abs(difference).bit_length()])
                        put_value(difference)
                        run = 0
                        last = max((i for i in range(1, 64) if values[i]), default=0)
                        for value in values[1 : last + 1]:
                            if value == 0:
                                run += 1
                                continue
                            while run > 15:
                                put(*ac[0xF0])
                                run -= 16
                            put(*ac[run << 4 | abs(value).bit_length()])
                            put_value(value)
                            run = 0
                        if last < 63:
                            put(*ac[0])
    bits += [1] * (-len(bits) % 8)
    scan = np.packbits(np.array(bits, np.uint8)).tobytes().replace(b"\xff", b"\xff\x00")

    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    ids = range(1, len(planes) + 1)
    out = b"\xff\xd8"
    if adobe is not None:
        out += segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, adobe))
    out += segment(0xDB, bytes([0]) + bytes([step] * 64)) + raw_tables
    frame = b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, sampling))
    out += segment(0xC0, struct.pack(">BHHB", 8, height, width, len(planes)) + frame)
    scan_header = b"".join(bytes([i, 0 if i == 1 else 0x11]) for i in ids)
    return out + segment(0xDA, bytes([len(planes)]) + scan_header + bytes([0, 63, 0])) + scan + b"\xff\xd9"
