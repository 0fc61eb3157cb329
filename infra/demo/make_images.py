#!/usr/bin/env python3
"""Makes a labelled set of pictures for the demo: OUT/<class>/<class>-0001.jpg and so on.

Ten kinds of pattern are drawn in any colours, sizes and angles, seen at a slant, badly lit, blurred, noisy, half
covered, or with another kind shining through. So a good network is right most of the time, and not always, which is
what a report about accuracy needs. The same seed gives the same files, byte for byte, with the pinned Pillow and numpy.

    .venv/bin/python infra/demo/make_images.py .demo/images --seed 7 --per-class 40 --corrupt
"""

import argparse
import io
import multiprocessing
import os
import pathlib
import shutil

import numpy as np
from PIL import Image, ImageFile, ImageFilter

DRAWN_SIDE = 300  # longest side, in pixels, at which a pattern is computed; larger files are enlarged from it
ImageFile.MAXBLOCK = 4 << 20  # Pillow's guess of a buffer is too small for grainy progressive files


# --- the patterns: (u, v, rng, soft) -> coverage from 0 to 1; `soft` is the width of an edge in units of u ----------


def edge(distance, soft):
    """Coverage from a signed distance: 1 inside (positive), 0 outside, a ramp between."""
    return np.clip(distance / soft + 0.5, 0, 1)


def band(phase, duty, soft):
    """One band a unit of `phase`, `duty` of it covered."""
    return edge(duty / 2 - np.abs(phase - np.floor(phase) - 0.5), soft)


def cells(u, v, rng):
    """Cuts the plane into unit cells: coordinates within the cell, and a function that draws a number a cell."""
    column, row = np.floor(u), np.floor(v)
    table = rng.random((8, 64, 64), dtype=np.float32)
    where = column.astype(int) % 64, row.astype(int) % 64
    return u - column - 0.5, v - row - 0.5, lambda k: table[k][where]


def scattered(u, v, rng, soft, points, inner):
    """Shapes strewn over the plane, one to a cell: stars of `points` points, polygons, or discs (points = 0)."""
    frequency = rng.uniform(1.0, 2.8)
    x, y, number = cells(u * frequency, v * frequency, rng)
    jitter = rng.uniform(0, 0.2)
    x, y = x + (number(0) - 0.5) * jitter, y + (number(1) - 0.5) * jitter
    outer = rng.uniform(0.3, 0.42) * (1 - rng.uniform(0, 0.4) * number(2))
    radius = np.hypot(x, y)
    if not points:
        reach = outer * 0.85
    else:
        half = np.pi / points
        turn = rng.uniform(0, 2 * np.pi) + (number(3) * 2 * np.pi if rng.random() < 0.6 else 0)
        angle = np.abs((np.arctan2(y, x) + turn) % (2 * half) - half)
        angle = half - angle  # from the nearest tip
        low = outer * inner
        reach = outer * low * np.sin(half) / (outer * np.sin(angle) + low * np.sin(half - angle))
    present = number(4) < rng.uniform(0.7, 1.01)
    return edge(reach - radius, soft * frequency) * present


def smooth_noise(u, v, rng, octaves=3):
    """Noise with soft hills, about -1 to 1: value noise summed over octaves."""
    total = 0
    for octave in range(octaves):
        scale = 1.0 * 2**octave
        x, y = u * scale + 100, v * scale + 100
        column, row = np.floor(x).astype(int), np.floor(y).astype(int)
        a, b = x - column, y - row
        a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
        table = rng.uniform(-1, 1, (64, 64)).astype(np.float32)
        here = lambda i, j: table[(column + i) % 64, (row + j) % 64]
        level = (here(0, 0) * (1 - a) + here(1, 0) * a) * (1 - b) + (here(0, 1) * (1 - a) + here(1, 1) * a) * b
        total = total + level / 2**octave
    return total


def blobs(u, v, rng, soft):
    frequency = rng.uniform(1.0, 2.2)
    height = smooth_noise(u * frequency, v * frequency, rng, octaves=2)
    return edge(height - rng.uniform(-0.2, 0.25), soft * frequency * 2 + rng.choice([0, 0.5]))


def bricks(u, v, rng, soft):
    frequency, aspect, joint = rng.uniform(1.5, 4), rng.uniform(1.5, 3), rng.uniform(0.08, 0.22)
    y = v * frequency
    row = np.floor(y)
    x = u * frequency / aspect + (row % 2) * rng.uniform(0.35, 0.5)
    covered = np.minimum(band(x, 1 - joint / aspect, soft * frequency / aspect), band(y, 1 - joint, soft * frequency))
    _, _, number = cells(x, y, rng)
    return covered * (1 - rng.uniform(0, 0.4) * number(0))


def checks(u, v, rng, soft):
    frequency, stretch = rng.uniform(0.7, 2.2), rng.uniform(1, 1.5)
    across, down = band(u * frequency, 0.5, soft * frequency), band(v * frequency * stretch, 0.5, soft * frequency)
    return across * (1 - down) + (1 - across) * down


def dots(u, v, rng, soft):
    return scattered(u, v, rng, soft, 0, 0)


def centre(u, v, rng):
    squeeze = rng.uniform(0.75, 1.33)
    return u * squeeze - rng.uniform(-0.6, 0.6), v / squeeze - rng.uniform(-0.6, 0.6)


def rings(u, v, rng, soft):
    frequency = rng.uniform(1.4, 4)
    x, y = centre(u, v, rng)
    return band(np.hypot(x, y) * frequency + rng.random(), rng.uniform(0.3, 0.7), soft * frequency)


def spirals(u, v, rng, soft):
    frequency, arms = rng.uniform(1.4, 3.6), rng.choice([-3, -2, -1, 1, 2, 3])
    x, y = centre(u, v, rng)
    phase = np.hypot(x, y) * frequency + arms * np.arctan2(y, x) / (2 * np.pi)
    return band(phase, rng.uniform(0.3, 0.7), soft * frequency)


def stars(u, v, rng, soft):
    return scattered(u, v, rng, soft, int(rng.integers(4, 8)), rng.uniform(0.35, 0.5))


def stripes(u, v, rng, soft):
    frequency = rng.uniform(0.8, 4)
    plain = band(u * frequency, rng.uniform(0.3, 0.7), soft * frequency)
    return plain if rng.random() < 0.7 else 0.5 + 0.5 * np.sin(2 * np.pi * frequency * u)


def triangles(u, v, rng, soft):
    return scattered(u, v, rng, soft, 3, 0.5)


def waves(u, v, rng, soft):
    frequency, length = rng.uniform(0.8, 3), rng.uniform(0.5, 1.6)
    height = rng.uniform(0.06, 0.3) * length
    bent = u + height * np.sin(2 * np.pi * v / length)
    plain = band(bent * frequency, rng.uniform(0.3, 0.7), soft * frequency)
    return plain if rng.random() < 0.7 else 0.5 + 0.5 * np.sin(2 * np.pi * frequency * bent)


PATTERNS = {f.__name__: f for f in (blobs, bricks, checks, dots, rings, spirals, stars, stripes, triangles, waves)}
CLASSES = sorted(PATTERNS)


# --- from a pattern to a picture ------------------------------------------------------------------------------------


def plane(width, height, rng):
    """The position of each pixel on the pattern's plane, turned, scaled and seen at a slant, and the size of a pixel."""
    short = min(width, height)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (2 * x - width) / short, (2 * y - height) / short
    slant = 1 + x * rng.uniform(-0.28, 0.28) + y * rng.uniform(-0.28, 0.28)
    angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.85, 1.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32) * scale
    u = (turn[0, 0] * x + turn[0, 1] * y) / slant
    v = (turn[1, 0] * x + turn[1, 1] * y) / slant
    return u, v, 3.0 * scale / short


def coverage(name, width, height, rng):
    u, v, soft = plane(width, height, rng)
    away = rng.uniform(-0.3, 0.3, 2) if name in ("rings", "spirals") else rng.uniform(-20, 20, 2)
    mask = PATTERNS[name](u + np.float32(away[0]), v + np.float32(away[1]), rng, np.float32(soft))
    return (1 - mask if rng.random() < 0.3 else mask).astype(np.float32)


def two_colours(rng, contrast):
    """Two random colours whose brightness differs by about `contrast` (of 255)."""
    dark = rng.uniform(10, 245 - contrast)
    pair = []
    for level in (dark, dark + contrast):
        colour = rng.uniform(0, 255, 3)
        grey = colour @ (0.299, 0.587, 0.114)
        pair.append(np.clip(grey + (colour - grey) * rng.uniform(0.2, 1) + level - grey, 0, 255))
    return pair if rng.random() < 0.5 else pair[::-1]


def covered(picture, rng, how_many):
    """Lays plain shapes over the picture."""
    height, width, _ = picture.shape
    short = min(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(how_many):
        turn = rng.uniform(0, np.pi)
        dx, dy = x - rng.uniform(0, width), y - rng.uniform(0, height)
        a, b = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        a, b = a / (short * rng.uniform(0.06, 0.3)), b / (short * rng.uniform(0.06, 0.3))
        inside = a * a + b * b < 1 if rng.random() < 0.5 else np.maximum(np.abs(a), np.abs(b)) < 1
        picture[inside] = rng.uniform(0, 255, 3)


def picture(name, width, height, rng):
    """One picture of the class, as an RGB image of that size."""
    ratio = min(1.0, DRAWN_SIDE / max(width, height))
    w, h = max(1, round(width * ratio)), max(1, round(height * ratio))
    hard = rng.random() < 0.12

    mask = coverage(name, w, h, rng)
    if rng.random() < 0.45:
        other = CLASSES[rng.integers(len(CLASSES))]
        share = np.float32(rng.uniform(0.3, 0.46) if hard else rng.uniform(0.05, 0.3))
        mask = mask * (1 - share) + coverage(other, w, h, rng) * share
    back, front = two_colours(rng, rng.uniform(14, 40) if hard else rng.uniform(40, 150))
    colours = back + mask[..., None] * (front - back)

    u, v, _ = plane(w, h, rng)
    light = 1 + rng.uniform(0, 0.45) * np.tanh(u) + rng.uniform(0, 0.18) * smooth_noise(u, v, rng)
    colours = colours * light[..., None].astype(np.float32)
    covered(colours, rng, int(rng.integers(3, 7)) if hard else int(rng.integers(0, 3)))

    image = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1.5, 4.5) if hard else rng.exponential(0.6)))
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * rng.uniform(10, 40) * rng.choice([0.1, 0.4, 1])
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + grain, 0, 255).astype(np.uint8))


def write_one(task):
    """Draws and saves one picture. Its random numbers depend on seed, class and number only, never on the order."""
    folder, seed, name, number = task
    rng = np.random.default_rng([seed, CLASSES.index(name), number])
    short = int(rng.integers(100, 420))
    long = min(700, int(short * rng.uniform(1, 1.7)))
    width, height = (long, short) if rng.random() < 0.6 else (short, long)
    image = picture(name, width, height, rng)
    if rng.random() < 0.08:
        image = image.convert("L")
    stem = folder / name / f"{name}-{number:04}"
    # every class has PNG files, one in 25 or at least one
    if number % 25 == 3:
        image.save(stem.with_suffix(".png"))
        return
    image.save(
        stem.with_suffix(".jpg"),
        quality=int(rng.integers(35, 96)),
        subsampling=int(rng.integers(0, 3)),
        progressive=bool(rng.random() < 0.2),
    )


def write_corrupt(folder, seed):
    """Files that look like images by their names: they must become error rows, and stop nothing."""
    rng = np.random.default_rng([seed, 1000])
    buffer = io.BytesIO()
    picture("rings", 320, 240, rng).save(buffer, "JPEG", quality=85)
    whole = buffer.getvalue()
    page = b"<!doctype html>\n<html><head><title>404</title></head><body>Not found</body></html>\n"
    (folder / "bricks" / "cut-short.jpg").write_bytes(whole[: len(whole) * 6 // 10])
    (folder / "dots" / "web-page.jpg").write_bytes(page)
    (folder / "stars" / "empty.jpg").write_bytes(b"")
    (folder / "waves" / "random-bytes.png").write_bytes(rng.bytes(4096))
    return 4


def make(folder, seed, per_class, processes=None):
    """Fills `folder` with `per_class` pictures of each class."""
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    tasks = [(folder, seed, name, number) for name in CLASSES for number in range(per_class)]
    with multiprocessing.Pool(processes or len(os.sched_getaffinity(0))) as pool:
        for _ in pool.imap_unordered(write_one, tasks, chunksize=8):
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path, metavar="OUT_DIR", help="made new; one made by this script is replaced")
    parser.add_argument("--seed", type=int, default=7, help="another seed gives other pictures (default: 7)")
    parser.add_argument("--per-class", type=int, default=40, help="pictures a class (default: 40)")
    parser.add_argument("--corrupt", action="store_true", help="also place four broken files in class folders")
    arguments = parser.parse_args()

    out = arguments.out
    if out.exists():
        strangers = [entry.name for entry in out.iterdir() if entry.name not in CLASSES]
        if strangers:
            parser.error(f"{out} holds something else ({strangers[0]}): not touched")
    # the folder is complete or does not exist: it gets its name when everything is in it
    fresh = out.with_name(f".{out.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    make(fresh, arguments.seed, arguments.per_class)
    broken = write_corrupt(fresh, arguments.seed) if arguments.corrupt else 0
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)
    print(f"{out}: {arguments.per_class * len(CLASSES)} pictures of {len(CLASSES)} classes, {broken} broken files")


if __name__ == "__main__":
    main()
