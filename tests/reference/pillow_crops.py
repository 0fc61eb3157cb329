#!/usr/bin/env python3
"""What Pillow makes of images: the reference of tests/integration/image.rs. Needs Pillow and numpy.

    pillow_crops.py OUT fixtures          every variety that is read, made here, with its squares and its cuts
    pillow_crops.py OUT photos FILE...    squares and cuts of files that exist
    pillow_crops.py OUT tiff FOLDER       squares of each photograph in FOLDER as TIFF in five compressions

OUT/cases.tsv: file, image size, crop share or resized side ("257px"), mode, filter, EXIF policy, file of the square (RGB
bytes). transforms.py compares `square` with timm and transformers themselves.
OUT/refused.tsv: files of modes that are not read.
OUT/cuts.tsv: a file's name, how many of its bytes, "refused" or the file of the square of what Pillow still reads.
"""
import io
import struct
import sys
from pathlib import Path

import image_fixtures
import numpy as np
import tiff_fixtures
from PIL import Image, ImageOps

VARIANTS = [
    (224, 0.875, "crop", "bilinear"),
    (96, 0.95, "crop", "bicubic"),
    (224, 1.0, "squash", "bicubic"),
    (96, 1.0, "squash", "bilinear"),
]
# how the square is cut and every filter, on images of every shape
SHAPE_VARIANTS = [
    (size, share, mode, filter_name)
    for size, share, mode in [
        (224, 0.8, "crop"),
        (96, 0.875, "squash"),
        (96, 0.95, "border"),
        (64, 1.0, "border"),
        (96, "109px", "crop"),
        (64, "71px", "squash"),
    ]
    for filter_name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
]
SHAPES = ["420.jpg", "420_wide.jpg", "420_tall.jpg", "tall_enough.jpg", "portrait.jpg", "1x1.jpg", "7x3.jpg", "256x256.jpg"]
# there are many of them, and what differs from mode to mode is not how they are resized
TIFF_VARIANTS = [VARIANTS[1], VARIANTS[3]]
# what a border is made of; tests/integration/image.rs has it too
MEAN = (0.485, 0.456, 0.1)


def square(image, size, share, mode, filter_name, mean=MEAN):
    """What timm's evaluation transform makes of a PIL image, or, where `share` is a resized side, transformers' slow image
    processors."""
    width, height = image.size
    is_stated = isinstance(share, str)
    side = int(share.removesuffix("px")) if is_stated else int(np.floor(size / share))
    if mode == "squash":
        target = (side, side)
    elif mode == "border":
        ratio = max(width / side, height / side)
        target = (round(width / ratio), round(height / ratio))
    else:
        target = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    if target != image.size:
        image = image.resize(target, Image.Resampling[filter_name.upper()], reducing_gap=None)
    left, top = (offset((whole - size), is_stated) for whole in target)
    padded = Image.new("RGB", (size, size), tuple(round(255 * value) for value in mean))
    padded.paste(image, (-left, -top))
    return padded.tobytes()


def offset(rest, is_stated):
    """Where the square begins in the resized image; negative where a border does."""
    if rest < 0:
        return -(-rest // 2)
    return rest // 2 if is_stated else round(rest / 2.0)


def to_rgb(data, exif="ignore"):
    image = Image.open(io.BytesIO(data))
    if image.mode in ("I;16", "I;16B"):  # Pillow would clip; here 16 bits lose their low byte
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if exif == "apply":
        image = ImageOps.exif_transpose(image)
    return image.convert("RGB")


class Reference:
    def __init__(self, out):
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.cases = open(self.out / "cases.tsv", "w")
        self.cuts = open(self.out / "cuts.tsv", "w")
        self.squares = 0

    def write_square(self, pixels):
        name = f"{self.squares:05}.rgb"
        self.squares += 1
        (self.out / name).write_bytes(pixels)
        return name

    def case(self, path, data, exif="ignore", variants=VARIANTS):
        image = to_rgb(data, exif)
        for size, share, mode, filter_name in variants:
            name = self.write_square(square(image, size, share, mode, filter_name))
            print(path, size, share, mode, filter_name, exif, name, sep="\t", file=self.cases)

    def twin(self, path, data, twin):
        (self.out / path).write_bytes(data)
        self.case(path, twin, variants=TIFF_VARIANTS)

    def cut(self, path, data, length):
        try:
            name = self.write_square(square(to_rgb(data[:length]), *VARIANTS[0]))
        except (OSError, SyntaxError, IndexError, struct.error):
            name = "refused"
        print(path, length, name, sep="\t", file=self.cuts)

    def close(self):
        self.cases.close()
        self.cuts.close()


def cut_lengths(data):
    whole = len(data)
    lengths = {whole * part // 16 for part in range(1, 16)} | {whole - back for back in (1, 2, 3, 4, 8, 16, 40)}
    return sorted(length for length in lengths if length >= 4)


def main():
    reference = Reference(sys.argv[1])
    if sys.argv[2] == "photos":
        for path in sys.argv[3:]:
            data = Path(path).read_bytes()
            reference.case(path, data, variants=VARIANTS[:2])
            for length in [*(len(data) * part // 20 for part in range(1, 20)), len(data) - 2]:
                reference.cut(path, data, length)
    elif sys.argv[2] == "tiff":
        for path in sorted(path for path in Path(sys.argv[3]).rglob("*") if path.is_file()):
            for name, data in tiff_fixtures.photograph(path):
                (reference.out / name).write_bytes(data)
                reference.case(name, data, variants=VARIANTS[:1])
    else:
        for family in image_fixtures.FAMILIES:
            for name, data in family():
                (reference.out / name).write_bytes(data)
                reference.case(name, data)
                if name in SHAPES:
                    reference.case(name, data, variants=SHAPE_VARIANTS)
                if family is image_fixtures.jpegs:
                    for length in cut_lengths(data):
                        reference.cut(name, data, length)
        for name, data in tiff_fixtures.tiffs():
            (reference.out / name).write_bytes(data)
            reference.case(name, data, variants=TIFF_VARIANTS)
        for name, data, twin in tiff_fixtures.twins():
            reference.twin(name, data, twin)
        with open(reference.out / "refused.tsv", "w") as refused:
            for name, data in tiff_fixtures.refused():
                (reference.out / f"refused_{name}.tif").write_bytes(data)
                print(f"refused_{name}.tif", file=refused)
        for name, data in image_fixtures.turned():
            (reference.out / name).write_bytes(data)
            for exif in ("ignore", "apply"):
                reference.case(name, data, exif, VARIANTS[:2])
        # files of which libjpeg warns and which Pillow reads nevertheless
        whole = (reference.out / "420.jpg").read_bytes()
        half = whole[: len(whole) // 2]
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 0x10
        for name, data in (("half_and_end.jpg", half + b"\xff\xd9"), ("one_bit_off.jpg", bytes(damaged))):
            (reference.out / name).write_bytes(data)
            reference.case(name, data)
        (reference.out / "trailing_bytes.jpg").write_bytes(whole + b"PK\3\4" + bytes(999))
        reference.case("trailing_bytes.jpg", whole + b"PK\3\4" + bytes(999))
    reference.close()


if __name__ == "__main__":
    main()
