#!/usr/bin/env python3
"""Trains the demo's network, a small TResNet of timm's own class, and measures it on pictures that it never saw.

    python3 -m venv .demo/venv-train
    .demo/venv-train/bin/pip install -r infra/demo/requirements-train.txt
    nice .demo/venv-train/bin/python infra/demo/train.py

Writes models/demo/model.safetensors and models/demo/config.json, as timm lays them out, and prints the accuracy.
Pictures come from make_images.py: one seed to learn from, one to watch the training by, one for the final figure alone,
and, as a second figure, the very pictures that `make demo` classifies.
"""

import argparse
import json
import math
import pathlib
import sys
import time

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.models.tresnet import TResNet

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import make_images  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = make_images.CLASSES
SIZE, CROP_PCT = 128, 0.875
LAYERS, WIDTH = [1, 2, 2, 1], 0.2
SETS = {"train": (101, 1000), "watch": (102, 60), "test": (103, 200), "demo": (7, 40)}  # name: (seed, pictures a class)


def preprocess(path, side):
    """The middle `side` x `side` pixels after a bilinear resize of the shortest side: timm's evaluation, in Pillow."""
    image = Image.open(path).convert("RGB")
    short = math.floor(SIZE / CROP_PCT)
    width, height = image.size
    if width <= height:
        image = image.resize((short, int(short * height / width)), Image.Resampling.BILINEAR)
    else:
        image = image.resize((int(short * width / height), short), Image.Resampling.BILINEAR)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def load(name, work, side):
    """Pictures as uint8 NCHW and their class indices; made first if they do not exist yet."""
    seed, per_class = SETS[name]
    folder = work / f"seed-{seed}-{per_class}"
    if not folder.exists():
        fresh = folder.with_suffix(".new")
        make_images.make(fresh, seed, per_class)
        fresh.rename(folder)
    paths = sorted(folder.glob("*/*"))
    pictures = np.stack([preprocess(path, side) for path in paths])
    labels = [CLASSES.index(path.parent.name) for path in paths]
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def batch_of(pictures, labels, chosen):
    """A training batch: each picture cropped at random, flipped or turned by a quarter, its colours stretched."""
    rows = []
    for i in chosen:
        room = pictures.shape[-1] - SIZE + 1
        top, left = torch.randint(room, (2,)).tolist()
        row = pictures[i, :, top : top + SIZE, left : left + SIZE]
        row = torch.rot90(row, int(torch.randint(4, ())), (1, 2))
        rows.append(row.flip(2) if torch.rand(()) < 0.5 else row)
    x = torch.stack(rows).float() / 255
    n = len(rows)
    x = (x - 0.5) * (0.7 + 0.6 * torch.rand(n, 3, 1, 1)) + 0.5 + 0.2 * (torch.rand(n, 3, 1, 1) - 0.5)
    return x.clamp(0, 1).contiguous(memory_format=torch.channels_last), labels[chosen]


@torch.inference_mode()
def accuracy(model, pictures, labels):
    """Top-1 and top-2 in percent, and the confusion counts (rows are the truth)."""
    model.eval()
    scores = torch.cat([model(part.float() / 255) for part in pictures.split(100)])
    best = scores.topk(2).indices
    confusion = torch.bincount(labels * len(CLASSES) + best[:, 0], minlength=len(CLASSES) ** 2)
    top1 = (best[:, 0] == labels).float().mean().item() * 100
    top2 = (best == labels[:, None]).any(1).float().mean().item() * 100
    return top1, top2, confusion.view(len(CLASSES), len(CLASSES))


def train(model, work, epochs, batch, rate):
    pictures, labels = load("train", work, math.floor(SIZE / CROP_PCT))
    watched = load("watch", work, SIZE)
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=rate)
    steps = len(labels) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps, pct_start=0.15)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.05)
    for epoch in range(epochs):
        model.train()
        start, total = time.monotonic(), 0.0
        order = torch.randperm(len(labels))
        for step in range(steps):
            x, y = batch_of(pictures, labels, order[step * batch : (step + 1) * batch])
            loss = loss_of(model(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        top1, _, _ = accuracy(model, *watched)
        print(f"epoch {epoch + 1:2}/{epochs}  loss {total / steps:.3f}  watch top-1 {top1:.1f}  {time.monotonic() - start:.0f} s", flush=True)


def save(model, out):
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, out / "model.safetensors", {"format": "pt"})
    config = {
        "architecture": "tresnet_m",
        "num_classes": len(CLASSES),
        "num_features": model.num_features,
        "model_args": {"layers": LAYERS, "width_factor": WIDTH},
        "pretrained_cfg": {
            "input_size": [3, SIZE, SIZE],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": CROP_PCT,
            "crop_mode": "center",
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
            "num_classes": len(CLASSES),
            "pool_size": [SIZE // 32, SIZE // 32],
            "first_conv": "body.conv1.conv",
            "classifier": "head.fc",
            "license": "apache-2.0",
            "label_names": CLASSES,
        },
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "models/demo")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / ".demo/train", help="where the pictures lie")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.work.mkdir(parents=True, exist_ok=True)
    model = TResNet(LAYERS, num_classes=len(CLASSES), width_factor=WIDTH).to(memory_format=torch.channels_last)
    print(f"TResNet{LAYERS} width {WIDTH}: {sum(p.numel() for p in model.parameters())} parameters", flush=True)

    start = time.monotonic()
    train(model, arguments.work, arguments.epochs, arguments.batch, arguments.rate)
    print(f"trained in {(time.monotonic() - start) / 60:.1f} minutes")
    save(model, arguments.out)
    for name in ("test", "demo"):
        top1, top2, confusion = accuracy(model, *load(name, arguments.work, SIZE))
        seed, per_class = SETS[name]
        print(f"\n{name}: seed {seed}, {per_class * len(CLASSES)} pictures: top-1 {top1:.2f} %, top-2 {top2:.2f} %")
        print("truth      " + " ".join(f"{c[:6]:>6}" for c in CLASSES))
        for c, row in zip(CLASSES, confusion.tolist()):
            print(f"{c:10} " + " ".join(f"{n:6}" for n in row))


if __name__ == "__main__":
    main()
