"""Networks of several families through both of PyTorch's exporters, and what `run` makes of the files: run by hand.

    onnx_exports.py make WORK PHOTOGRAPHS [--images 50] [--only NAME …]
        writes the graphs, PyTorch's outputs and cases.json (needs torch, timm, transformers, onnx, onnxscript)
    onnx_exports.py run WORK PHOTOGRAPHS --program PATH [--images 50]
        runs a job on each graph, compares its rows with PyTorch's outputs, prints a table

The weights are random, and the classifier is scaled by the photographs themselves, so that images get different classes.
Exports have the exporter's default settings: a batch of one where no axis is named, weights beside the graph where the exporter
puts them there. PyTorch computes on the same squares in single precision, in half precision where the graph is in that.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from pillow_crops import square, to_rgb

SIDE = 224
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SHARE = 0.875
# rows of half precision whose best class may be another: the runtime adds in another order
HALF_MISSES = 2


def photographs(folder, count):
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[:count]


def squares(paths):
    mean, std = np.array(MEAN)[:, None, None], np.array(STD)[:, None, None]
    found = []
    for path in paths:
        flat = np.frombuffer(square(to_rgb(path.read_bytes()), SIDE, SHARE, "crop", "bilinear"), np.uint8)
        pixels = flat.reshape(SIDE, SIDE, 3).transpose(2, 0, 1).astype(np.float64)
        found.append(((pixels / 255 - mean) / std).astype(np.float32))
    return np.stack(found)


def networks():
    """Name, kind of its result, and the module."""
    import timm
    import torch
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
        Dinov2Config,
        Dinov2Model,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    class Tower(torch.nn.Module):
        """All outputs of a tower, as Optimum exports them."""

        def __init__(self, tower, *names):
            super().__init__()
            self.tower, self.names = tower, names

        def forward(self, pixel_values):
            found = self.tower(pixel_values=pixel_values)
            return tuple(found[name] for name in self.names)

    class Probabilities(torch.nn.Module):
        def __init__(self, network, activation):
            super().__init__()
            self.network, self.activation = network, activation

        def forward(self, images):
            return self.activation(self.network(images))

    torch.manual_seed(0)
    for name in ["resnet50", "convnext_atto", "vit_tiny_patch16_224", "mobilenetv3_small_050"]:
        yield name, "logits", timm.create_model(name)
    yield "resnet18 with softmax", "softmax", Probabilities(timm.create_model("resnet18"), torch.nn.Softmax(dim=-1))
    yield "resnet18 with sigmoid", "sigmoid", Probabilities(timm.create_model("resnet18"), torch.nn.Sigmoid())
    small = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 3, "image_size": SIDE}
    dino = Dinov2Model(Dinov2Config(patch_size=14, **small))
    yield "DINOv2", "embedding", Tower(dino, "last_hidden_state", "pooler_output")
    clip = CLIPVisionConfig(patch_size=32, intermediate_size=384, projection_dim=64, **small)
    yield "CLIP", "embedding", Tower(CLIPVisionModelWithProjection(clip), "image_embeds", "last_hidden_state")
    siglip = SiglipVisionModel(SiglipVisionConfig(patch_size=16, intermediate_size=384, **small))
    yield "SigLIP", "embedding", Tower(siglip, "last_hidden_state", "pooler_output")


def spread(network, images):
    """Scales the classifier so that the classes' logits have mean 0 and deviation 3 over the images."""
    import torch

    inner = getattr(network, "network", network)
    head = inner.get_classifier()
    seen = []
    handle = head.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        for at in range(0, len(images), 10):
            inner(images[at : at + 10])
        handle.remove()
        features = torch.cat(seen).flatten(1)
        centred = features - features.mean(0)
        weights = torch.randn_like(head.weight)
        weights *= 3 / (centred @ weights.T).std(0).clamp_min(1e-12)[:, None]
        head.weight.copy_(weights)
        head.bias.copy_(-(features.mean(0) @ weights.T))


def export(network, kind, path, exporter, half, free):
    import torch

    example = torch.randn(1, 3, SIDE, SIDE)
    if half:
        example = example.half()
    named = {}
    if kind == "embedding":
        named = {"input_names": ["pixel_values"], "output_names": list(network.names)}
    if free and exporter == "dynamo":
        axes = {0: "batch", 2: "height", 3: "width"}
        named["dynamic_shapes"] = [axes]
    elif free:
        named["input_names"] = ["pixel_values"]
        named["dynamic_axes"] = {"pixel_values": dict(enumerate(["batch_size", "num_channels", "height", "width"]))}
        if kind != "embedding":
            named["output_names"] = ["logits"]
            named["dynamic_axes"]["logits"] = {0: "batch_size", 1: "classes"}
    torch.onnx.export(network, (example,), str(path), dynamo=exporter == "dynamo", **named)


def make(work, images, only):
    import torch

    torch.set_num_threads(2)
    work.mkdir(parents=True, exist_ok=True)
    inputs = squares(images)
    inputs.tofile(work / "images.f32")
    inputs = torch.from_numpy(inputs)
    cases = []
    for name, kind, network in networks():
        if only and not any(part in name for part in only):
            continue
        network.eval()
        if kind != "embedding":
            spread(network, inputs)
        kept = None
        for dtype in ["fp32", "fp16"]:
            half = dtype == "fp16"
            network = network.half() if half else network
            with torch.no_grad():
                batches = [network(batch.half() if half else batch) for batch in inputs.split(10)]
            if kind == "embedding":
                names = list(network.names)
                at = names.index("image_embeds" if "image_embeds" in names else "pooler_output")
                batches = [batch[at] for batch in batches]
            kept = torch.cat(batches).float().numpy()
            for exporter in ["dynamo", "script"]:
                for free in [False, True] if dtype == "fp32" else [False]:
                    stem = f"{name.replace(' ', '_')}-{exporter}-{dtype}{'-free' if free else ''}"
                    folder = work / stem
                    folder.mkdir(exist_ok=True)
                    case = {"name": name, "kind": kind, "exporter": exporter, "dtype": dtype, "free": free, "folder": stem}
                    try:
                        export(network, kind, folder / "model.onnx", exporter, half, free)
                    except Exception as error:  # the exporter's own limits are part of the table
                        case["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
                    np.save(folder / "expected.npy", kept)
                    case["files"] = sorted(file.name for file in folder.iterdir() if file.name != "expected.npy")
                    cases.append(case)
                    (work / "cases.json").write_text(json.dumps(cases, indent=1))
                    print(stem, case["files"], case.get("failed", ""), file=sys.stderr)


def judge(case, expected, logits, embedding, prob=None):
    """The cell of the table, and whether it is as it should be. `prob` is the first probability of each row."""
    if case["kind"] == "embedding":
        lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(embedding, axis=1)
        cosine = ((expected.astype(np.float64) * embedding).sum(1) / lengths).min()
        return f"cosine {cosine:.6f}", cosine > (0.999 if case["dtype"] == "fp16" else 0.99999)
    # in half precision sigmoids of several classes are equal: each of them is the best
    chosen = np.take_along_axis(expected, logits.argmax(1)[:, None], 1)[:, 0]
    same = int((chosen == expected.max(1)).sum())
    text = f"top-1 {same}/{len(expected)}"
    fine = same >= len(expected) - (HALF_MISSES if case["dtype"] == "fp16" else 0)
    if case["kind"] != "logits" and prob is not None:
        apart = float(np.abs(prob - expected.max(1)).max())
        text += f", probabilities {apart:.1e} apart"
        fine &= apart < (5e-3 if case["dtype"] == "fp16" else 1e-4)
    return text, fine


def takes_two(graph, dtype):
    """Whether ONNX Runtime alone runs the file with two images: an exporter may write one into a shape within."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as refusals

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    pixels = np.zeros((2, 3, SIDE, SIDE), np.float16 if dtype == "fp16" else np.float32)
    try:
        session.run(None, {session.get_inputs()[0].name: pixels})
    except (refusals.Fail, refusals.RuntimeException):
        return False
    return True


def run(work, images, program):
    from rows import read

    chosen = work / "images"
    chosen.mkdir(exist_ok=True)
    for number, path in enumerate(images):
        link = chosen / f"{number:03}.jpg"
        link.unlink(missing_ok=True)
        link.write_bytes(path.read_bytes())
    print("| network | exporter | type | axes | files | PyTorch |\n|---|---|---|---|---|---|")
    wrong = 0
    for case in json.loads((work / "cases.json").read_text()):
        folder = work / case["folder"]
        axes = "free" if case["free"] else "fixed"
        head = [case["name"], case["exporter"], case["dtype"], axes, str(len(case["files"]))]
        if "failed" in case:
            print("| " + " | ".join([*head, f"not exported: {case['failed']}"]) + " |")
            continue
        out = folder / "rows"
        subprocess.run(["rm", "-rf", out], check=True)
        job = folder / "job.toml"
        output = "" if case["kind"] == "embedding" else "logits = true\n"
        job.write_text(
            f'[input]\nuri = "{chosen}"\n[model]\npath = "{folder}/model.onnx"\n[preprocess]\nimage_size = {SIDE}\n'
            f'crop_pct = {SHARE}\ninterpolation = "bilinear"\nmean = {MEAN}\nstd = {STD}\n'
            f'[engine]\ndevice = "cpu"\n[output]\nuri = "{out}"\n{output}'
        )
        batch = []
        if case["free"] and not takes_two(folder / "model.onnx", case["dtype"]):
            batch = ["--set", "engine.batch_size=1"]
        ended = subprocess.run([program, "run", job, *batch], capture_output=True, text=True)
        if ended.returncode:
            wrong += 1
            print("| " + " | ".join([*head, f"**{ended.returncode}**: {ended.stderr.strip().splitlines()[-1]}"]) + " |")
            continue
        table = read(out)
        assert table["status"].to_pylist() == ["ok"] * len(images), f"{case['folder']}: rows failed"
        column = "embedding" if case["kind"] == "embedding" else "logits"
        values = np.array(table[column].to_pylist(), np.float64)
        prob = None if column == "embedding" else np.array([row[0] for row in table["prob"].to_pylist()])
        text, fine = judge(case, np.load(folder / "expected.npy"), values, values, prob)
        wrong += not fine
        if batch:
            text += "; the file takes one image at a time"
        print("| " + " | ".join([*head, text if fine else f"**{text}**"]) + " |", flush=True)
    sys.exit(f"{wrong} of the graphs are wrong" if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["make", "run"])
    parser.add_argument("work", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--only", nargs="*", help="make: networks whose names have one of these texts in them")
    parser.add_argument("--program")
    arguments = parser.parse_args()
    images = photographs(arguments.photographs, arguments.images)
    if arguments.action == "make":
        make(arguments.work.resolve(), images, arguments.only)
    else:
        run(arguments.work.resolve(), images, arguments.program)


if __name__ == "__main__":
    main()
