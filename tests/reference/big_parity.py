"""Compares the program with PyTorch on TResNet-M, -L, -XL and V2-L. Not part of `make test`.

    python -m venv v && v/bin/pip install torch==2.15.0 timm==1.0.31 safetensors==0.8.0 pyarrow==26.0.1
    v/bin/python tests/reference/big_parity.py PHOTOGRAPHS WORK [--binary target/release/tresnet-batch]

PHOTOGRAPHS is a folder of JPEGs, at any depth; 8 are classified, others calibrate the statistics. WORK keeps weights
and references (2 GB), so that a second run only repeats the program's part.

Weights are random, every scale, shift, mean and variance of batch norm among them: the statistics are measured on
photographs and then changed, so that none equals the statistics of the maps. Each network must give other logits when
any one of its blocks loses its branch. The reference is timm's model in float64 over pixels of timm's evaluation
transform; PyTorch's own error in float32 is printed beside ours.

Ours is what `tresnet-batch run` writes into its Parquet files, with pixels that it decoded itself. An error is
||a - b|| / ||b|| over all images. It must be at most 1e-5, or at most twice PyTorch's own, and the best class must be
the same for every image. The same weights in the authors' layout must give the same within 1e-6. Halves (fp16, on
the CPU) must stay within 5e-3, or within twice the error of PyTorch's own halves at the same size; both are counted
over the first photographs only, since PyTorch's halves take long. The exit code is 1 if anything does not hold.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import timm
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from timm.data import create_transform
from timm.models.tresnet import Bottleneck, TResNet

from authors_layout import authors_name, authors_scale, blur_filters, used_scale

NETWORKS = ["tresnet_m", "tresnet_l", "tresnet_xl", "tresnet_v2_l"]
SIZES = [224, 368, 448]
OUTPUTS = ["logits", "embedding"]
CALIBRATION = 16
# raised whenever the weights or the references of a work folder are no longer what this script would make
VERSION = 3


def residual_blocks(model):
    return [block for number in range(1, 5) for block in getattr(model.body, f"layer{number}")]


def distance(ours, theirs):
    ours, theirs = ours.double(), theirs.double()
    return float((ours - theirs).norm() / theirs.norm())


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixels(files, size):
    """Pixels of timm's evaluation loop for a network that normalises nothing."""
    transform = create_transform(
        (3, size, size), is_training=False, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1), crop_pct=0.875
    )
    return torch.stack([transform(Image.open(path).convert("RGB")) for path in files])


def randomise(model, images, generator):
    """Random weights of every kind; batch norm's statistics are measured on batches of all sizes, then moved."""

    def noise(like):
        return torch.randn(like.shape, generator=generator)

    def even(like):
        return torch.rand(like.shape, generator=generator)

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        # what the authors' file can hold to the bit, so that both files are one network
        norm.weight.data = used_scale(authors_scale(0.5 + even(norm.weight), generator))
        norm.bias.data = 0.4 * noise(norm.bias)
        norm.reset_running_stats()
        norm.momentum = None
    for name, parameter in model.named_parameters():
        if ".se." in name:
            scale = 1.0 if name.endswith("bias") else (2 / parameter.shape[1]) ** 0.5
            parameter.data = scale * noise(parameter)
        elif name.startswith("head."):
            parameter.data = 0.2 * noise(parameter)
    model.train()
    for batch in images:
        model.forward_features(batch)
    for norm in norms:
        norm.running_mean += 0.1 * norm.running_var.sqrt() * noise(norm.running_mean)
        norm.running_var *= 0.7 + 0.6 * even(norm.running_var)
    # a bias that leaves the classes level for a typical image: otherwise one class would win every image
    model.eval()
    model.head.fc.bias.data.zero_()
    logits = torch.cat([model(batch) for batch in images])
    model.head.fc.bias.data = noise(model.head.fc.bias) - logits.median(0).values


def assert_every_branch_counts(model, images):
    """Checks that the logits differ without the branch of any one block."""
    whole = model(images)
    moved = []
    for block in residual_blocks(model):
        last = block.conv3.bn if isinstance(block, Bottleneck) else block.conv2.bn
        kept = last.weight.clone(), last.bias.clone()
        last.weight.zero_(), last.bias.zero_()
        moved.append(distance(model(images), whole))
        last.weight.copy_(kept[0]), last.bias.copy_(kept[1])
    assert min(moved) > 1e-3, f"block {moved.index(min(moved))} moves the logits by {min(moved):.1e} only"
    return moved


def write_authors(state, path, bottlenecks, generator):
    stored = OrderedDict()
    for name, value in state.items():
        if name.endswith(".bn.weight"):
            scale = authors_scale(value, generator)
            assert torch.equal(used_scale(scale), value), name
            value = scale
        stored[authors_name(name, bottlenecks)] = value
    stored |= blur_filters(bottlenecks)
    negative = sum(int((value < 0).sum()) for name, value in stored.items() if name.endswith(".1.weight"))
    assert negative > 0
    torch.save({"model": stored}, path)
    return negative


def make_weights(name, work, files):
    """`WORK/NAME.safetensors` in timm's layout, and `NAME_authors.pth`."""
    path, authors = work / f"{name}.safetensors", work / f"{name}_authors.pth"
    if path.exists() and authors.exists() and metadata(path).get("version") == str(VERSION):
        return path, authors
    generator = torch.Generator().manual_seed(13630 + NETWORKS.index(name))
    torch.manual_seed(13630 + NETWORKS.index(name))
    model = timm.create_model(name, pretrained=False)
    assert isinstance(model, TResNet)
    randomise(model, [pixels(files, size) for size in SIZES], generator)
    moved = assert_every_branch_counts(model, pixels(files[:2], 224))
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    bottlenecks = ("1", "2", "3", "4") if "v2" in name else ("3", "4")
    negative = write_authors(state, authors, bottlenecks, generator)
    save_file(state, path, metadata={"version": str(VERSION)})
    print(
        f"{name}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, {len(moved)} blocks; without "
        f"one of them the logits move by {min(moved):.3f} to {max(moved):.3f}; in the authors' layout {negative} "
        "scales are negative",
        flush=True,
    )
    return path, authors


def metadata(path):
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


def forward(model, images):
    """Logits and embeddings, image by image, so that memory stays small."""
    found = {output: [] for output in OUTPUTS}
    for image in images:
        features = model.forward_features(image[None])
        found["embedding"].append(features.mean((2, 3)))
        found["logits"].append(model.forward_head(features))
    return {output: torch.cat(rows) for output, rows in found.items()}


def references(weights, size, work, files):
    """Returns outputs in float64, and PyTorch's in float32."""
    name = weights.stem
    stamp = {"weights": sha256(weights), "files": " ".join(sha256(path)[:16] for path in files)}
    path = work / f"{name}_{size}_expected.safetensors"
    if not (path.exists() and metadata(path) == stamp):
        began = time.monotonic()
        images = pixels(files, size)
        model = timm.create_model(name, pretrained=False).eval()
        model.load_state_dict(load_file(weights))
        single = forward(model, images)
        double = forward(model.double(), images.double())
        found = {f"{output}_32": value for output, value in single.items()} | double
        save_file(found, path, metadata=stamp)
        print(f"{name} at {size}: references took {time.monotonic() - began:.0f} s", flush=True)
    return load_file(path)


def pytorch_halves(weights, size, work, files):
    """Returns PyTorch's outputs in float16: as many pixels at each size, so fewer photographs at larger sizes."""
    path = work / f"{weights.stem}_{size}_halves.safetensors"
    some = files[: max(1, len(files) * SIZES[0] ** 2 // (2 * size**2))]
    stamp = {"weights": sha256(weights), "files": " ".join(sha256(path)[:16] for path in some)}
    if not (path.exists() and metadata(path) == stamp):
        began = time.monotonic()
        model = timm.create_model(weights.stem, pretrained=False).eval()
        model.load_state_dict(load_file(weights))
        save_file(forward(model.half(), pixels(some, size).half()), path, metadata=stamp)
        print(f"{weights.stem} at {size}: PyTorch's halves took {time.monotonic() - began:.0f} s", flush=True)
    return load_file(path)


def ours(binary, weights, size, precision, photographs, work):
    """What the program writes for the photographs, in the order of their names."""
    output = work / "output"
    shutil.rmtree(output, ignore_errors=True)
    job = work / "job.toml"
    job.write_text(
        f"[input]\nuri = {json.dumps(str(photographs))}\n"
        f'[model]\npath = {json.dumps(str(weights))}\nprecision = "{precision}"\n'
        f"[preprocess]\nimage_size = {size}\n"
        '[engine]\ndevice = "cpu"\nbatch_size = 4\n'
        f'[output]\nuri = {json.dumps(str(output))}\nlogits = true\nembedding = "f32"\n'
        "[report]\nformats = []\n"
    )
    run = subprocess.run([binary, "run", job, "--progress", "none"], text=True, capture_output=True)
    if run.returncode != 0:
        sys.exit(f"{weights.name} at {size}: the program ended with {run.returncode}:\n{run.stderr}{run.stdout}")
    rows = pq.read_table(sorted(output.glob("part-*.parquet"))).to_pydict()
    assert rows["key"] == sorted(path.name for path in photographs.iterdir()), rows["key"]
    assert set(rows["status"]) == {"ok"}, rows["error_message"]
    found = {name: torch.tensor(np.array(rows[name], dtype=np.float32)) for name in OUTPUTS}
    for best, logits in zip(rows["index"], found["logits"]):
        assert best[0] == int(logits.argmax())
    return found


def share_of_same_best(ours, theirs):
    return float((ours["logits"].argmax(1) == theirs["logits"].argmax(1)).double().mean())


def smallest_cosine(ours, theirs):
    pairs = torch.nn.functional.cosine_similarity(ours.double(), theirs.double(), dim=1)
    return float(pairs.min())


class Table:
    """Rows of Markdown, and the bounds that did not hold."""

    def __init__(self):
        self.failed = []
        self.rows = {"fp32": [], "authors": [], "fp16": []}

    def hold(self, holds, what):
        if not holds:
            self.failed.append(what)
        return "yes" if holds else "**no**"

    def add(self, kind, *cells):
        self.rows[kind].append("| " + " | ".join(cells) + " |")
        print(kind, self.rows[kind][-1], flush=True)


HEADS = {
    "fp32": "network | size | logits: ours | PyTorch | embedding: ours | PyTorch | best class the same | holds",
    "authors": "the authors' file | size | logits: from its twin | from float64 | embedding: from its twin | holds",
    "fp16": "fp16 | size | photographs | logits: ours | PyTorch | least cosine | embedding: ours | PyTorch | least cosine "
    "| best class the same, of all | holds",
}


def compare(table, name, size, expected, found):
    errors = {output: distance(found[output], expected[output]) for output in OUTPUTS}
    pytorch = {output: distance(expected[f"{output}_32"], expected[output]) for output in OUTPUTS}
    same = share_of_same_best(found, expected)
    close = all(errors[output] <= max(1e-5, 2 * pytorch[output]) for output in OUTPUTS)
    holds = table.hold(close and same == 1, f"{name} at {size} in fp32")
    cells = [f"{value[output]:.2e}" for output in OUTPUTS for value in (errors, pytorch)]
    table.add("fp32", name, str(size), *cells, f"{100 * same:.0f} %", holds)


def compare_twin(table, name, size, expected, found, twin):
    apart = {output: distance(twin[output], found[output]) for output in OUTPUTS}
    holds = table.hold(max(apart.values()) <= 1e-6, f"{name} in the authors' layout")
    error = f"{distance(twin['logits'], expected['logits']):.2e}"
    table.add("authors", name, str(size), f"{apart['logits']:.2e}", error, f"{apart['embedding']:.2e}", holds)


def compare_halves(table, name, size, expected, half, pytorch):
    count = len(pytorch[OUTPUTS[0]])
    errors = {output: distance(half[output][:count], expected[output][:count]) for output in OUTPUTS}
    theirs = {output: distance(pytorch[output], expected[output][:count]) for output in OUTPUTS}
    cosines = {output: smallest_cosine(half[output], expected[output]) for output in OUTPUTS}
    close = all(errors[output] <= max(5e-3, 2 * theirs[output]) for output in OUTPUTS)
    holds = table.hold(close, f"{name} at {size} in fp16")
    same = share_of_same_best(half, expected)
    cells = [str(count)]
    for output in OUTPUTS:
        cells += [f"{errors[output]:.2e}", f"{theirs[output]:.2e}", f"{cosines[output]:.6f}"]
    table.add("fp16", name, str(size), *cells, f"{100 * same:.0f} %", holds)


def choose(folder, work, count):
    """The photographs that are classified, copied into one folder, and those that calibrate."""
    every = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if len(every) < count + CALIBRATION:
        sys.exit(f"{folder} has {len(every)} JPEGs and {count + CALIBRATION} are needed")
    tested = [every[number * len(every) // count] for number in range(count)]
    rest = [path for path in every if path not in tested]
    calibration = [rest[number * len(rest) // CALIBRATION] for number in range(CALIBRATION)]
    copies = work / "photographs"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    for number, path in enumerate(tested):
        shutil.copyfile(path, copies / f"{number:03}.jpg")
    return copies, sorted(copies.iterdir()), calibration


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--binary", default="target/release/tresnet-batch")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--up-to", type=int, choices=SIZES, default=SIZES[-1], metavar="SIZE", help="leave larger sizes out")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--no-half", action="store_true", help="leave fp16 out")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    copies, files, calibration = choose(arguments.photographs, work, arguments.count)
    table = Table()
    for name in arguments.networks:
        weights, authors = make_weights(name, work, calibration)
        for size in [size for size in SIZES if size <= arguments.up_to]:
            expected = references(weights, size, work, files)
            # with a single class, the comparison of best classes would show nothing
            assert len(set(expected["logits"].argmax(1).tolist())) > 1, f"{name} at {size} knows one class only"
            found = ours(arguments.binary, weights, size, "fp32", copies, work)
            compare(table, name, size, expected, found)
            if size == SIZES[0]:
                twin = ours(arguments.binary, authors, size, "fp32", copies, work)
                compare_twin(table, name, size, expected, found, twin)
            if not arguments.no_half:
                half = ours(arguments.binary, weights, size, "fp16", copies, work)
                pytorch = pytorch_halves(weights, size, work, files)
                compare_halves(table, name, size, expected, half, pytorch)
    print(f"\n{len(files)} photographs, torch {torch.__version__}, timm {timm.__version__}")
    for kind, rows in table.rows.items():
        if rows:
            head = HEADS[kind]
            print(f"\n| {head} |\n|{'---|' * len(head.split(' | '))}\n" + "\n".join(rows))
    if table.failed:
        sys.exit("does not hold: " + "; ".join(table.failed))


main()
