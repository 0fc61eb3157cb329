#!/usr/bin/env python3
"""The picture of the README: prediction_sheet.py IMAGES OUTPUT SHEET.png

Shows predictions of a finished demo: some that are right, the most confident mistakes, and the broken files.
"""

import pathlib
import sys

import pyarrow.dataset
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

TILE, GAP, TEXT, COLUMNS = 118, 10, 34, 8
RIGHT, WRONG, BROKEN, INK, PAPER = "#1a7f37", "#bc4c00", "#cf222e", "#1f2328", "#ffffff"


def tile(images, row):
    try:
        return ImageOps.fit(Image.open(images / row["key"]).convert("RGB"), (TILE, TILE), Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError):
        empty = Image.new("RGB", (TILE, TILE), "#eaeef2")
        ImageDraw.Draw(empty).line((0, 0, TILE, TILE), "#afb8c1", 2)
        return empty


def choose(rows):
    ok = [row for row in rows if row["status"] == "ok"]
    right = [row for row in ok if row["target_rank"] == 1]
    wrong = sorted((row for row in ok if row["target_rank"] > 1), key=lambda row: -row["prob"][0])
    spread = [right[position * len(right) // COLUMNS] for position in range(COLUMNS)]
    broken = [row for row in rows if row["status"] == "error"]
    return [spread, wrong[:COLUMNS - len(broken)] + broken[:COLUMNS // 2]]


def caption(row):
    truth = row["key"].split("/")[0]
    if row["status"] == "error":
        return row["key"].split("/")[1][:20], row["error_kind"], BROKEN
    said = f"{row['label'][0]} {100 * row['prob'][0]:.0f} %"
    return truth, said, RIGHT if row["target_rank"] == 1 else WRONG


def main(images, output, sheet):
    columns = ["key", "status", "error_kind", "label", "prob", "target_rank"]
    rows = pyarrow.dataset.dataset(output).to_table(columns=columns).to_pylist()
    lines = choose(rows)
    step = TILE + GAP
    height = TILE + TEXT + GAP
    picture = Image.new("RGB", (COLUMNS * step + GAP, len(lines) * height + GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    for line, chosen in enumerate(lines):
        for column, row in enumerate(chosen):
            left, top = GAP + column * step, GAP + line * height
            picture.paste(tile(pathlib.Path(images), row), (left, top))
            truth, said, colour = caption(row)
            draw.text((left, top + TILE + 3), truth, INK, ImageFont.load_default(12))
            draw.text((left, top + TILE + 17), said, colour, ImageFont.load_default(13))
    picture.save(sheet, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
