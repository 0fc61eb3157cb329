#!/usr/bin/env python3
"""Puts the first pictures of each class of an image folder on one sheet: contact_sheet.py FOLDER OUT.jpg [ROWS]."""

import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

TILE, GAP, HEAD = 92, 4, 20


def pictures(folder):
    """The images of a folder that can be read, cut square."""
    for path in sorted(folder.iterdir()):
        try:
            yield ImageOps.fit(Image.open(path).convert("RGB"), (TILE, TILE), Image.Resampling.LANCZOS)
        except (UnidentifiedImageError, OSError):
            continue


def main(folder, out, rows=6):
    classes = sorted(entry for entry in pathlib.Path(folder).iterdir() if entry.is_dir())
    step = TILE + GAP
    sheet = Image.new("RGB", (len(classes) * step + GAP, int(rows) * step + GAP + HEAD), "white")
    draw = ImageDraw.Draw(sheet)
    for column, entry in enumerate(classes):
        left = GAP + column * step
        draw.text((left + TILE // 2, HEAD // 2 + 1), entry.name, "black", ImageFont.load_default(13), anchor="mm")
        for row, picture in zip(range(int(rows)), pictures(entry)):
            sheet.paste(picture, (left, HEAD + GAP + row * step))
    sheet.save(out, quality=82)


if __name__ == "__main__":
    main(*sys.argv[1:])
