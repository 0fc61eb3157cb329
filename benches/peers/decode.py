"""Decode, resize, crop and pack on one core: this program's decoder beside what Python users run, interleaved.

    decode.py FOLDER_OF_JPEGS [ROUNDS] [COMMAND ...]

Needs torch, torchvision, timm and Pillow, installed by hand, and takes DALI (nvidia-dali-cuda130) beside them where it is
there: its CPU operators, one thread, batches of 25. COMMAND makes one round of our own decoder and prints its
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


def dali(paths):
    """DALI's CPU pipeline over the files, as a function that runs all of them once; None where it is not installed."""
    try:
        from nvidia.dali import fn, pipeline_def, types
    except ImportError:
        return None

    @pipeline_def(batch_size=25, num_threads=1, device_id=None)
    def pipeline():
        encoded, _ = fn.readers.file(files=paths, name="files", dont_use_mmap=True)
        images = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
        images = fn.resize(images, resize_shorter=256, interp_type=types.INTERP_TRIANGULAR)
        return fn.crop_mirror_normalize(
            images, crop=(224, 224), mean=[0.0] * 3, std=[255.0] * 3, output_layout="CHW", dtype=types.FLOAT
        )

    built = pipeline()
    built.build()

    def run():
        for _ in range(len(paths) // 25):
            built.run()
        return len(paths) // 25 * 25

    return run


def rate(work, files):
    started = time.perf_counter()
    for data in files:
        work(data)
    return len(files) / (time.perf_counter() - started)


def main():
    folder = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    command = sys.argv[3:] or ["cargo", "bench", "-q", "--bench", "decode", "--"]
    paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    paths = [path for path in paths if path.read_bytes().startswith(b"\xff\xd8")]
    files = [path.read_bytes() for path in paths]
    all_by_dali = dali([str(path) for path in paths])
    rates = {}
    for number in range(rounds + 1):
        once = {name: rate(work, files) for name, work in PEERS.items()}
        if all_by_dali:
            started = time.perf_counter()
            once["DALI, CPU pipeline"] = all_by_dali() / (time.perf_counter() - started)
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
