#!/usr/bin/env python3
"""Writes tests/data/tiff: a small picture as tifffile writes it. Needs tifffile, imagecodecs and numpy, which no test
needs, so the files are kept.

    python tests/reference/tifffile_files.py
"""
from pathlib import Path

import numpy as np
import tifffile

OUT = Path(__file__).resolve().parent.parent / "data" / "tiff"
WIDTH, HEIGHT = 41, 29


def picture(channels):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    planes = [127 + 100 * np.sin(x / (4 + c)) * np.cos(y / (6 - c)) + 25 * ((x // 7 + y // 5 + c) % 2) for c in range(channels)]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rgb, rgba, gray = picture(3), picture(4), picture(1)[..., 0]
    deep = rgb.astype(np.uint16) * 257 ^ 0x35
    colours = np.random.default_rng(1).integers(0, 65536, (3, 256), np.uint16)
    tile = {"tile": (16, 32)}
    plain = {"metadata": None, "software": False, "datetime": False}
    files = {
        "gray": (gray, {"photometric": "minisblack"}),
        "gray_lzw_predicted": (gray, {"photometric": "minisblack", "compression": "lzw", "predictor": True}),
        "gray_white": (gray, {"photometric": "miniswhite", "compression": "packbits"}),
        "gray_16_big_endian": (deep[..., 0], {"photometric": "minisblack", "byteorder": ">", "compression": "zlib", "predictor": True}),
        "gray_16_tiles": (deep[..., 0], {"photometric": "minisblack", "compression": "lzw", **tile}),
        "gray_jpeg": (gray, {"photometric": "minisblack", "compression": "jpeg"}),
        "palette": (gray, {"photometric": "palette", "colormap": colours, "compression": "zlib"}),
        "palette_tiles": (gray, {"photometric": "palette", "colormap": colours, **tile}),
        "rgb": (rgb, {"photometric": "rgb"}),
        "rgb_strips": (rgb, {"photometric": "rgb", "rowsperstrip": 5, "compression": "zlib"}),
        "rgb_tiles_big": (rgb, {"photometric": "rgb", "bigtiff": True, "compression": "zlib", "predictor": True, **tile}),
        "rgb_tiles_zstd": (rgb, {"photometric": "rgb", "compression": "zstd", **tile}),
        "rgb_planes": (np.moveaxis(rgb, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
        "rgb_planes_tiles_lzw": (np.moveaxis(rgb, -1, 0), {"photometric": "rgb", "planarconfig": "separate", "compression": "lzw", **tile}),
        "rgb_16": (deep, {"photometric": "rgb"}),
        "rgb_16_big_endian_tiles": (deep, {"photometric": "rgb", "byteorder": ">", "compression": "lzw", "predictor": True, **tile}),
        "rgb_jpeg": (rgb, {"photometric": "rgb", "compression": "jpeg", "compressionargs": {"level": 80, "outcolorspace": "rgb"}}),
        "ycbcr_jpeg": (rgb, {"photometric": "ycbcr", "compression": "jpeg", "subsampling": (2, 2), "rowsperstrip": 16}),
        "ycbcr_jpeg_tiles": (rgb, {"photometric": "ycbcr", "compression": "jpeg", "subsampling": (1, 1), **tile}),
        "rgba": (rgba, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        "rgba_premultiplied_lzw": (rgba, {"photometric": "rgb", "extrasamples": ["assocalpha"], "compression": "lzw"}),
        "cmyk": (rgba, {"photometric": "separated"}),
        "cmyk_tiles": (rgba, {"photometric": "separated", "compression": "zlib", **tile}),
        "one_bit": (gray > 127, {"photometric": "minisblack"}),
        "one_bit_packbits": (gray > 127, {"photometric": "miniswhite", "compression": "packbits"}),
        "pages": (np.stack([rgb, rgb[::-1]]), {"photometric": "rgb", "compression": "zlib"}),
    }
    for name, (pixels, options) in files.items():
        tifffile.imwrite(OUT / f"{name}.tif", pixels, **{**plain, **options})


if __name__ == "__main__":
    main()
