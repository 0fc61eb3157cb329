"""Writes checkpoints that are wrong in one way each: `bad_checkpoints.py DATA FOLDER`, DATA being tests/data/model.

It prints a JSON list of `path` and `words`, which the one error must contain.
"""

import json
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

DATA, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
FILES = []


def add(name, *words):
    FILES.append({"path": str(FOLDER / name), "words": words})
    return FOLDER / name


def change(name, how, *words):
    tensors = load_file(DATA / "v1_odd.safetensors")
    how(tensors)
    save_file(tensors, add(name, *words))


def put(name, value):
    return lambda tensors: tensors.__setitem__(name, value)


def drop(*names):
    return lambda tensors: [tensors.pop(name) for name in names]


def wrong_tensors():
    network = "`tresnet[1,2,1,1]x5`"
    lost = ("body.layer2.1.conv2.bn.bias", "head.fc.bias")
    change("missing.safetensors", drop(*lost), network, f"2 missing: `{lost[0]}`, `{lost[1]}`")
    extra = "body.layer3.0.conv4.conv.weight"
    change("extra.safetensors", put(extra, np.zeros(3, np.float32)), network, f"1 unexpected: `{extra}`")
    scale = np.ones(6, np.float32)
    shape = "`body.conv1.bn.weight` is [6], expected [5]"
    change("shape.safetensors", put("body.conv1.bn.weight", scale), network, f"1 wrong shape: {shape}")
    flat = put("head.fc.weight", np.zeros((7, 160, 1, 1), np.float32))
    change("axes.safetensors", flat, "`head.fc.weight` is [7, 160, 1, 1], expected [7, 160]")
    change("headless.safetensors", drop("head.fc.weight", "head.fc.bias"), "save the model with its head")

    def without_a_block(tensors):
        for name in [name for name in tensors if name.startswith("body.layer2.0.")]:
            del tensors[name]

    change("gap.safetensors", without_a_block, network, "19 missing: `body.layer2.0.conv1.conv.weight`")
    resnet = {"conv1.weight": np.zeros((64, 3, 7, 7), np.float32), "fc.bias": np.zeros(1000, np.float32)}
    save_file(resnet, add("resnet.safetensors", "2 unexpected: `conv1.weight`, `fc.bias`", "weights of another network"))
    names = ("stages.0.blocks.0.conv_dw.weight", "stages.0.blocks.0.gamma", "stages.3.blocks.2.mlp.fc1.weight")
    convnext = dict.fromkeys(names, np.zeros(1, np.float32)) | {"head.fc.bias": np.zeros(5, np.float32)}
    save_file(convnext, add("convnext.safetensors", "by its tensor names a `convnext`", "an ONNX export of it runs"))
    whole = load_file(DATA / "v1_odd.safetensors")
    two = {prefix + name: value for prefix in ("model.", "teacher.") for name, value in whole.items()}
    bias = "body.conv1.bn.bias"
    save_file(two, add("two_networks.safetensors", f"`model.{bias}` and `teacher.{bias}`", "one of them alone"))
    some = {name if name.startswith("head.") else "module." + name: value for name, value in whole.items()}
    save_file(some, add("some_prefixes.safetensors", "some names have the prefix `module.`"))
    change("counts.safetensors", put("head.fc.bias", np.zeros(7, np.int32)), "`head.fc.bias` holds `I32`")


def damaged_values():
    for name, value in (("nan", np.nan), ("infinite", -np.inf)):
        bias = np.zeros(7, np.float32)
        bias[3] = value
        change(f"{name}.safetensors", put("head.fc.bias", bias), "`head.fc.bias`", "not finite")
    half = np.full(5, np.inf, np.float16)
    change("half.safetensors", put("body.conv1.bn.running_mean", half), "running_mean`", "not finite")
    variance = np.full(5, -1.0, np.float32)
    change("variance.safetensors", put("body.conv1.bn.running_var", variance), "negative variance `-1`")

    # NaN in every storage of the authors' file
    def poison(entry, data):
        return b"\xff" * len(data) if "/data/" in entry.filename else data

    repack("nan.pth", poison, lambda entry: False, "not finite")


def repack(name, edit, is_packed, *words):
    """The authors' file with other bytes in its entries, some of them compressed."""
    with zipfile.ZipFile(DATA / "v1_odd_authors.pth") as whole, zipfile.ZipFile(add(name, *words), "w") as archive:
        for entry in whole.infolist():
            method = zipfile.ZIP_DEFLATED if is_packed(entry) else zipfile.ZIP_STORED
            archive.writestr(entry.filename, edit(entry, whole.read(entry)), method)


def cut():
    for source, name, words in (
        ("v1_odd.safetensors", "cut.safetensors", ["may be cut short, fetch it again"]),
        ("v1_odd_authors.pth", "cut.pth", ["cut short"]),
    ):
        data = (DATA / source).read_bytes()
        add(name, *words).write_bytes(data[: len(data) // 2])
        add(f"almost_{name}", *words).write_bytes(data[:-1])
    header = (DATA / "v1_odd.safetensors").read_bytes()[:300]
    add("header.safetensors", "may be cut short, fetch it again").write_bytes(header)
    add("empty.safetensors", "may be cut short, fetch it again").write_bytes(b"")
    add("empty.pth", "is no checkpoint").write_bytes(b"")


def other_files():
    looks = "is no checkpoint (it looks like "
    add("table.safetensors", looks + "a CSV table").write_text("path,target\na.jpg,1\n")
    add("picture.pth", looks + "a PNG image").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 125000000\n"
    add("pointer.safetensors", looks + "a Git LFS pointer", "git lfs pull").write_text(pointer)
    add("page.bin", looks + "an HTML page").write_text("<!DOCTYPE html><html><body>404</body></html>")
    index = {"weight_map": {"head.fc.bias": "../v1_odd.safetensors"}}
    add("outside.index.json", "`../v1_odd.safetensors`, which is not in its folder").write_text(json.dumps(index))


def bombs():
    """Archives that would exceed any memory if they were unpacked or their sizes trusted."""

    def is_pickle(entry):
        return entry.filename.endswith("/data.pkl")

    def is_weight(entry):
        return "/data/" in entry.filename and entry.file_size == 20

    def swell(which):
        return lambda entry, data: data + bytes(1 << 28) if which(entry) else data

    repack("deflated_pickle.pth", swell(is_pickle), is_pickle, "data.pkl` is compressed", "torch.save")
    repack("deflated_weights.pth", swell(is_weight), is_weight, "is compressed", "torch.save")

    # one storage of four bytes, as a tensor of 2^40 values with strides of zero
    length = b"\x8a\x06" + struct.pack("<Q", 1 << 40)[:6]
    pickle = (
        b"\x80\x02}X\x0c\x00\x00\x00head.fc.biasctorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
        b"K\x00" + length + b"\x85K\x00\x85\x89}tRs."
    )
    with zipfile.ZipFile(add("endless_view.pth", "holds more than"), "w") as archive:
        archive.writestr("x/data.pkl", pickle)
        archive.writestr("x/data/0", b"\x00\x00\x80\x3f")

    # each entry of the directory points at the same bytes
    name = b"x/data.pkl"
    local = b"PK\x03\x04" + struct.pack("<5H3I2H", 20, 0, 0, 0, 0, 0, 4, 4, len(name), 0) + name + b"\x80\x02}."
    listed = b""
    for number in range(50):
        other = name if number == 0 else b"x/data/%04d" % number
        listed += b"PK\x01\x02" + struct.pack("<6H3I5H2I", 20, 20, 0, 0, 0, 0, 0, 4, 4, len(other), 0, 0, 0, 0, 0, 0)
        listed += other
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 50, 50, len(listed), len(local), 0)
    add("one_for_all.pth", "zip archive is damaged").write_bytes(local + listed + end)

    # a header that promises more than the address space
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 61], "data_offsets": [0, 1 << 63]}}).encode()
    bomb = struct.pack("<Q", len(header)) + header + bytes(8)
    add("promised.safetensors", "impossible safetensors header").write_bytes(bomb)


FOLDER.mkdir(parents=True, exist_ok=True)
wrong_tensors()
damaged_values()
cut()
other_files()
bombs()
print(json.dumps(FILES))
