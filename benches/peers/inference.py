"""A folder of images to predictions on this machine's CPU: `tresnet-batch run` beside a loop as timm's inference.py.

    inference.py FOLDER WEIGHTS.safetensors [--copies 4] [--rounds 3] [--compile] [--bf16]

Needs torch, torchvision and timm, installed by hand. Both read the same folder (--copies is the number of links to every
image), resize as timm's evaluation does, run the same weights in batches of 32 and write the five best classes of each
image, interleaved. timm's loop: a DataLoader of two workers, an eager model in channels-last order, or one that
torch.compile made (a first batch outside the clock), in fp32 or, with --bf16, in bfloat16 by autocast, a CSV at the
end; its clock starts when the loader does. Ours is the whole process from its start to its end. It includes loading the
weights, the first images that are tried before all others, the report, and writing the embeddings: some three seconds,
which matter for a few hundred images and not for many. Prints a Markdown table of medians.
"""

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from timm.data import ImageDataset, create_loader

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from inputs import link_copies, write_job  # noqa: E402

EXTENSIONS = (".jpg", ".jpeg", ".png")


def copy(folder, copies, into):
    """A folder of classes, as timm needs it."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    return link_copies(files, copies, into / "all")


class Timm:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        model = timm.create_model(arguments.arch, pretrained=False).eval()
        model.load_state_dict(load_file(arguments.weights))
        self.model = model.to(memory_format=torch.channels_last)
        if arguments.compile:
            self.model = torch.compile(self.model)
            size = arguments.size
            images = torch.rand(arguments.batch, 3, size, size).contiguous(memory_format=torch.channels_last)
            with self.precision():
                self.model(images)

    def precision(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.arguments.bf16)

    def run(self, work):
        size = self.arguments.size
        began = time.perf_counter()
        dataset = ImageDataset(str(self.folder))
        loader = create_loader(
            dataset, input_size=(3, size, size), batch_size=self.arguments.batch, is_training=False, use_prefetcher=False,
            interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1), crop_pct=0.875, num_workers=2,
        )  # fmt: skip
        rows = []
        for images, _ in loader:
            images = images.to(memory_format=torch.channels_last)
            if self.arguments.compile and len(images) < self.arguments.batch:
                # a last batch of another size would be compiled anew
                short = len(images)
                images = torch.cat([images, images[-1:].expand(self.arguments.batch - short, -1, -1, -1)])
                images = images.contiguous(memory_format=torch.channels_last)
                best = self.logits(images).softmax(1)[:short].topk(5)
            else:
                best = self.logits(images).softmax(1).topk(5)
            rows += zip(best.indices.tolist(), best.values.tolist())
        with open(work / "timm.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for name, (index, probability) in zip(dataset.filenames(basename=True), rows):
                writer.writerow([name, index, probability])
        return len(rows), time.perf_counter() - began

    def logits(self, images):
        with self.precision():
            return self.model(images).float()


class Ours:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder

    def run(self, work):
        shutil.rmtree(work / "output", ignore_errors=True)
        job = work / "job.toml"
        tables = {"preprocess": {"image_size": self.arguments.size}, "engine": {"batch_size": self.arguments.batch}}
        write_job(job, self.folder, self.arguments.weights, work / "output", **tables)
        began = time.perf_counter()
        run = subprocess.run([self.arguments.binary, "run", job, "--json", "--quiet"], text=True, capture_output=True)
        seconds = time.perf_counter() - began
        if run.returncode != 0:
            sys.exit(f"our run ended with {run.returncode}:\n{run.stderr}")
        return json.loads(run.stdout)["rows"]["planned"], seconds


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=lambda path: Path(path).resolve())
    parser.add_argument("--arch", default="tresnet_m")
    parser.add_argument("--binary", default="target/release/tresnet-batch")
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, work = Path(scratch) / "images", Path(scratch)
        count = copy(arguments.folder, arguments.copies, folder)
        how = ("torch.compile" if arguments.compile else "eager") + (", bf16" if arguments.bf16 else "")
        peers = {
            f"timm {timm.__version__}, as inference.py, {how}": Timm(arguments, folder),
            "tresnet-batch run": Ours(arguments, folder),
        }
        rates = {name: [] for name in peers}
        for _ in range(arguments.rounds):
            for name, peer in peers.items():
                rows, seconds = peer.run(work)
                assert rows == count, f"{name} gave {rows} rows for {count} images"
                rates[name].append(rows / seconds)
        print(f"{count} images, {arguments.arch} at {arguments.size}, medians of {arguments.rounds} interleaved rounds\n")
        print("| what | images/s | against timm |\n|---|---|---|")
        control = next(iter(rates.values()))
        for name, values in rates.items():
            ratios = [value / base for value, base in zip(values, control)]
            print(f"| {name} | {statistics.median(values):.1f} | {statistics.median(ratios):.2f} |")


main()
