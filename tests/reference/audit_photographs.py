"""Measures which altered photographs `audit` finds by their embeddings.

    audit_photographs.py PROGRAM PHOTOGRAPHS MODEL WORK [--set KEY=VALUE ...] [--thresholds 0.9 0.95 0.98]

Every image below PHOTOGRAPHS is copied, recompressed (quality 30), resized (to a half and to 160 pixels), cropped (to 90 %
and 70 % of both sides), mirrored and lightened. The network MODEL embeds all of them, and the audit looks for near
duplicates at the calibrated threshold and at each of `--thresholds`. Prints, of each alteration, how many images are in the
group of another image of their photograph, and how many findings join different photographs. It needs Pillow and pyarrow.
"""

import argparse
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image, ImageEnhance

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def crop(image, share):
    width, height = image.size
    left, top = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
    return image.crop((left, top, width - left, height - top))


def smaller(image, side):
    scale = side / min(image.size)
    return image.resize([max(1, round(length * scale)) for length in image.size], Image.Resampling.BICUBIC)


ALTERED = {
    "recompressed": lambda image: (image, 30),
    "half": lambda image: (smaller(image, min(image.size) / 2), 90),
    "160-pixels": lambda image: (smaller(image, 160), 90),
    "cropped-90": lambda image: (crop(image, 0.9), 90),
    "cropped-70": lambda image: (crop(image, 0.7), 90),
    "mirrored": lambda image: (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 90),
    "lighter": lambda image: (ImageEnhance.Brightness(image).enhance(1.3), 90),
}


def make(photographs, images):
    files = sorted(file for file in photographs.rglob("*") if file.suffix.lower() in ENDINGS)
    for number, file in enumerate(files):
        shutil.copy(file, images / f"{number:04}.original{file.suffix.lower()}")
        image = Image.open(file).convert("RGB")
        for name, alter in ALTERED.items():
            altered, quality = alter(image)
            altered.save(images / f"{number:04}.{name}.jpg", quality=quality)
    return len(files)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--thresholds", nargs="*", default=["0.9", "0.95", "0.98"])
    arguments = parser.parse_args()
    images, output = arguments.work / "images", arguments.work / "out"
    images.mkdir(parents=True)
    count = make(arguments.photographs, images)
    job = arguments.work / "job.toml"
    job.write_text(
        f'[input]\nuri = "{images.resolve()}"\n\n[model]\npath = "{arguments.model.resolve()}"\n\n'
        f'[output]\nuri = "{output.resolve()}"\nembedding = "f16"\n'
    )
    changes = [word for change in ["input.targets=none", *arguments.set] for word in ("--set", change)]
    run = [arguments.program, "run", str(job), "--progress", "none", *changes]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    for threshold in [None, *arguments.thresholds]:
        findings, figures = arguments.work / "findings.parquet", arguments.work / "audit.json"
        command = [arguments.program, "audit", str(output), "--parquet", str(findings), "--json-file", str(figures)]
        command += ["--threshold", threshold] if threshold else []
        subprocess.run([*command, "--progress", "none"], check=True, stdout=subprocess.DEVNULL)
        rows = [row for row in pq.read_table(findings).to_pylist() if row["kind"] == "near_duplicate"]
        parts = lambda key: key.rsplit("/", 1)[-1].split(".")[:2]
        found, wrong = set(), 0
        for row in rows:
            (one, alteration), (other, of) = parts(row["key"]), parts(row["other_key"])
            if one == other:
                # the representative of a group is found with its members
                found |= {(one, alteration), (other, of)}
            else:
                wrong += 1
        near = json.loads(figures.read_text())["near"]
        used = near["calibration"]["threshold"] if "calibration" in near else None
        how = "as given" if threshold else "calibrated"
        print(f"\n{count} photographs, threshold {used} ({how}); {len(rows)} findings, {wrong} join different photographs")
        kinds = Counter(alteration for _, alteration in found)
        for name in ["original", *ALTERED]:
            print(f"| {name:<12} | {kinds[name]:>4} of {count} |")


if __name__ == "__main__":
    main()
