#!/usr/bin/env python3
"""Compares `square` of pillow_crops.py with the transforms of timm and transformers themselves, on photographs. By hand:

    pip install torch timm transformers pillow numpy
    transforms.py FOLDER [OUT]

Every filter of Pillow; timm's evaluation transform in each of its crop modes at four shares; the slow image processors of
transformers (the backend of PIL since version 5) with a resized side above the square and equal to it. Prints how many
squares there are and how many of their bytes differ. OUT receives cases.tsv and the squares.
"""
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pillow_crops import MEAN, square
from timm.data.transforms_factory import transforms_imagenet_eval
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
SHARES = (0.8, 0.875, 0.95, 1.0)
SIDES = (224, 256, 257)
SIZE = 224


def of_timm(mode, share, name):
    crop_mode = "center" if mode == "crop" else mode
    transform = transforms_imagenet_eval(
        SIZE, crop_pct=share, crop_mode=crop_mode, interpolation=name, mean=MEAN, normalize=False
    )
    return lambda image: transform(image).numpy().transpose(1, 2, 0)


def of_transformers(mode, side, name):
    kind, size = (
        (CLIPImageProcessorPil, {"shortest_edge": side})
        if mode == "crop"
        else (DeiTImageProcessorPil, {"height": side, "width": side})
    )
    processor = kind(
        size=size,
        crop_size={"height": SIZE, "width": SIZE},
        resample=Image.Resampling[name.upper()],
        do_rescale=False,
        do_normalize=False,
    )
    return lambda image: processor(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)


def main():
    photographs = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.is_file())
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    kinds = [(mode, share, name, of_timm) for mode in ("crop", "squash", "border") for share in SHARES for name in FILTERS]
    kinds += [(mode, side, name, of_transformers) for mode in ("crop", "squash") for side in SIDES for name in FILTERS]
    if out:
        out.mkdir(parents=True, exist_ok=True)
        table = open(out / "cases.tsv", "w")
    squares = differing = 0
    for mode, share, name, make in kinds:
        transform = make(mode, share, name)
        share = f"{share}px" if make is of_transformers else share
        for path in photographs:
            image = Image.open(path).convert("RGB")
            expected = np.asarray(transform(image), np.uint8)
            found = np.frombuffer(square(image, SIZE, share, mode, name), np.uint8)
            differing += int((found != expected.ravel()).sum())
            if out:
                (out / f"{squares:05}.rgb").write_bytes(expected.tobytes())
                print(path, SIZE, share, mode, name, "ignore", f"{squares:05}.rgb", sep="\t", file=table)
            squares += 1
    print(f"{squares} squares of {len(photographs)} photographs, {differing} bytes differ")


if __name__ == "__main__":
    main()
