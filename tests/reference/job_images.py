"""Makes the image folder that the tests of `run` read: `job_images.py OUT`.

OUT/images/<class>/…: small images of many sizes and kinds in seven classes, one image outside any class (whose key sorts before the folder that it begins like), files that
are no images, and five images that cannot be read. OUT/expected.json: for each key its class folder (or null) and
the error kind that its row must have (or null). OUT/classes.txt: the folder names in an order that is not sorted.
"""

import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# code point order, with a capital, a space and a letter beyond ASCII
FOLDERS = ["Kale", "beet", "leek", "okra", "pea pod", "rübe", "yam"]
CLASSES = ["yam", "beet", "rübe", "Kale", "leek", "pea pod", "okra"]
PER_FOLDER = 12


def picture(seed):
    """Noise of several scales with a few rectangles on it: it moves the logits."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(24, 300, 2))
    sum_of_scales = np.zeros((height, width, 3))
    for cells in (2, 5, 13):
        noise = (random.random((cells, cells, 3)) * 255).astype(np.uint8)
        grown = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        sum_of_scales += np.asarray(grown, float) / 3
    for _ in range(4):
        top, left = int(random.integers(height)), int(random.integers(width))
        sum_of_scales[top : top + height // 3, left : left + width // 3] += random.integers(-120, 120, 3)
    return Image.fromarray(sum_of_scales.clip(0, 255).astype(np.uint8))


def encoded(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


# extension and bytes; the extension of the last but two is wrong, and the bytes decide
KINDS = [
    ("jpg", lambda image: encoded(image, "JPEG", quality=90)),
    ("jpg", lambda image: encoded(image, "JPEG", quality=75, subsampling="4:4:4")),
    ("JPEG", lambda image: encoded(image, "JPEG", quality=80, progressive=True)),
    ("jpeg", lambda image: encoded(image.convert("L"), "JPEG")),
    ("png", lambda image: encoded(image, "PNG")),
    ("jpe", lambda image: encoded(image.convert("CMYK"), "JPEG")),
    ("png", lambda image: encoded(image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG")),
    ("gif", lambda image: encoded(image.convert("P", palette=Image.Palette.ADAPTIVE), "GIF")),
    ("bmp", lambda image: encoded(image, "BMP")),
    ("png", lambda image: encoded(image, "JPEG", quality=85)),
    ("webp", lambda image: encoded(image, "WEBP", lossless=True)),
    ("PNG", lambda image: encoded(image.convert("RGBA"), "PNG")),
]


def claims_to_be_huge():
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def files():
    """Key, bytes, error kind; a key whose kind is `None` is no image at all."""
    for number, folder in enumerate(FOLDERS):
        for index in range(PER_FOLDER):
            extension, encode = KINDS[index % len(KINDS)]
            nested = "deep/er #1/" if index == 4 else ""
            data = encode(picture(1000 * number + index))
            yield f"{folder}/{nested}{index:02}.{extension}", data, "ok"
    yield "beet-leaf.jpg", encoded(picture(7), "JPEG"), "ok"
    jpeg, png = (encoded(picture(8).resize((200, 150)), kind) for kind in ("JPEG", "PNG"))
    yield "okra/cut.jpg", jpeg[: len(jpeg) // 2], "truncated"
    yield "okra/page.jpg", b"<!DOCTYPE html><title>404</title>\n", "unsupported"
    yield "yam/cut.png", png[: len(png) // 2], "truncated"
    yield "yam/empty.jpg", b"", "unsupported"
    yield "leek/huge.png", claims_to_be_huge(), "limit"
    yield "beet/notes.txt", b"not an image\n", None
    yield "leek/notes.txt", b"not an image\n", None
    yield "LICENSE", b"not an image\n", None


def main():
    out = Path(sys.argv[1])
    expected = {}
    for key, data, kind in files():
        path = out / "images" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if kind is not None:
            folder = key.split("/")[0] if "/" in key else None
            expected[key] = {"folder": folder, "error": None if kind == "ok" else kind}
    (out / "expected.json").write_text(json.dumps(expected, indent=1))
    (out / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    print(len(expected))


if __name__ == "__main__":
    main()
