"""Checks ONNX models and runs them on ONNX Runtime's CPU provider: `run_models.py JOBS.json`.

JOBS.json is a list of objects:

- `model`: path of the graph
- `inputs`, `tensor`: a safetensors file and the tensor in it; uint8 is divided by 255 unless the graph takes bytes,
  float32 taken as it is; a graph whose last axis is 48 gets them packed space-to-depth
- `outputs`: the safetensors file to write, one tensor for each output of the graph
- `crop` (optional): take the centre of this many rows and columns
- `mean`, `std` (optional): three numbers each; pixels between 0 and 1 are normalised with them
- `batch` (optional, 8): how many images run at once
- `pad` (optional, 0): append this many black images, and drop their rows again

One process runs them all, since starting it takes longer than a small model does. It prints the versions used.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime as ort
from safetensors.numpy import load_file, save_file


def images_of(job, wants_bytes):
    images = load_file(job["inputs"])[job["tensor"]]
    if images.dtype == np.uint8 and not wants_bytes:
        images = images.astype(np.float32) / np.float32(255)
    if job.get("mean"):
        mean, std = (np.array(job[key], np.float64)[:, None, None] for key in ("mean", "std"))
        images = ((images.astype(np.float64) - mean) / std).astype(np.float32)
    if job.get("crop"):
        top, left = ((side - job["crop"]) // 2 for side in images.shape[2:])
        images = images[:, :, top : top + job["crop"], left : left + job["crop"]]
    black = np.zeros((job.get("pad") or 0, *images.shape[1:]), images.dtype)
    return np.ascontiguousarray(np.concatenate([images, black])), len(images)


def space_to_depth(images):
    """[n, c, h, w] to [n, h / 4, w / 4, 16 c], channels in the order (row, column, channel) of each 4x4 square."""
    n, c, h, w = images.shape
    squares = images.reshape(n, c, h // 4, 4, w // 4, 4).transpose(0, 2, 4, 3, 5, 1)
    return np.ascontiguousarray(squares.reshape(n, h // 4, w // 4, 16 * c))


def run(job):
    onnx.checker.check_model(onnx.load(job["model"]), full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = ort.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])
    (image_input,) = session.get_inputs()
    images, wanted = images_of(job, image_input.type == "tensor(uint8)")
    if image_input.type == "tensor(float16)":
        images = images.astype(np.float16)
    if image_input.shape[-1] == 48:
        images = space_to_depth(images)
    names = [output.name for output in session.get_outputs()]
    batch = job.get("batch") or 8
    parts = [
        session.run(names, {image_input.name: images[start : start + batch]})
        for start in range(0, len(images), batch)
    ]
    outputs = {name: np.concatenate([part[i] for part in parts])[:wanted] for i, name in enumerate(names)}
    save_file({name: np.ascontiguousarray(value) for name, value in outputs.items()}, job["outputs"])


with open(sys.argv[1], encoding="utf-8") as file:
    for each in json.load(file):
        run(each)
print(f"onnx {onnx.__version__}, onnxruntime {ort.__version__}")
