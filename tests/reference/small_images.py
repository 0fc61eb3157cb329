"""Small JPEGs, all different: small_images.py FOLDER COUNT."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder, count = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(1)
for number in range(count):
    pixels = random.integers(0, 255, (6, 6, 3), np.uint8)
    image = Image.fromarray(pixels).resize((40, 36), Image.Resampling.BILINEAR)
    image.save(folder / f"{number:03}.jpg", quality=85)
