"""Decode, resize, crop and pack on one core: this program's decoder beside what Python users run, interleaved.

    decode.py FOLDER_OF_JPEGS [ROUNDS] [COMMAND ...]

Needs torch, torchvision, timm and Pillow, installed by hand. COMMAND makes one round of our own decoder and prints its
rates as JSON; the default is `cargo bench --bench decode`. Prints a Markdown table of medians.
"""

import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import PIL
import timm
import torch
import torchvision
from PIL import Image
from timm.data import create_transform
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

torch.set_num_threads(1)

TIMM = create_transform(
    (3, 224, 224), is_training=False, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1), crop_pct=0.875
)
V2 = v2.Compose(
    [
        v2.Resize(256, interpolation=v2.InterpolationMode.BILINEAR, antialias=True),
        v2.CenterCrop(224),
        v2.ToDtype(torch.float32, scale=True),
    ]
)


def timm_transform(data):
    return TIMM(Image.open(io.BytesIO(data)).convert("RGB"))


def torchvision_io(data):
    return V2(decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB))


def pillow_alone(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


PEERS = {
    f"timm {timm.__version__}'s evaluation transform": timm_transform,
    f"torchvision.io {torchvision.__version__.split('+')[0]} and transforms v2": torchvision_io,
    f"Pillow {PIL.__version__}, decode alone": pillow_alone,
}


def rate(work, files):
    started = time.perf_counter()
    for data in files:
        work(data)
    return len(files) / (time.perf_counter() - started)


def main():
    folder = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    command = sys.argv[3:] or ["cargo", "bench", "-q", "--bench", "decode", "--"]
    files = [path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    files = [data for data in files if data.startswith(b"\xff\xd8")]
    rates = {}
    for number in range(rounds + 1):
        once = {name: rate(work, files) for name, work in PEERS.items()}
        ours = subprocess.run(
            [*command, "--images", folder, "--rounds", "1", "--json"], check=True, stdout=subprocess.PIPE
        )
        once.update(json.loads(ours.stdout))
        if number > 0:
            for name, value in once.items():
                rates.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    base, torchvision_rate, _ = list(medians.values())[:3]
    print(f"{len(files)} JPEGs, one core, medians of {rounds} interleaved rounds\n")
    print("| what | images/s | against timm | against torchvision.io |\n|---|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:.0f} | {value / base:.2f} | {value / torchvision_rate:.2f} |")


main()
