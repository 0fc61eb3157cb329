"""Pictures drawn from a seed: squares for parity, photographs' stand-ins for the run from files."""

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image


def drawn(width, height, generator):
    """Smooth colour of several scales, hard edges and some grain, uint8."""
    image = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((3, 90), (9, 60), (40, 30)):
        noise = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        grown = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        image += (np.asarray(grown, np.float32) - 128) * (strength / 128)
    for _ in range(8):
        top, left = generator.integers(0, height - 8), generator.integers(0, width - 8)
        bottom, right = top + generator.integers(8, height // 2), left + generator.integers(8, width // 2)
        image[top:bottom, left:right] += generator.uniform(-80, 80, 3).astype(np.float32)
    image += generator.normal(0, 9, image.shape).astype(np.float32)
    return (image + 128).clip(0, 255).astype(np.uint8)


def squares(folder, count, size):
    """Lossless squares that are not resampled; returns them as uint8 `[count, size, size, 3]` in the files' order."""
    generator = np.random.default_rng(size)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pixels = [drawn(size, size, generator) for _ in range(count)]
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:06}.png", compress_level=1)
    return np.stack(pixels)


def photographs(folder, count, distinct=256):
    """JPEGs as large as ImageNet's, `distinct` of them drawn and the rest links; returns their mean size in bytes."""
    generator = np.random.default_rng(7)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = []
    for number in range(min(count, distinct)):
        path = Path(folder) / f"{number:07}.jpg"
        Image.fromarray(drawn(500, 375, generator)).save(path, quality=90)
        files.append(path)
    for number in range(len(files), count):
        os.link(files[number % len(files)], folder / f"{number:07}.jpg")
    return sum(path.stat().st_size for path in files) / len(files)
