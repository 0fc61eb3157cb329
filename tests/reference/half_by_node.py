"""Runs fp16 graphs as a device that computes in fp16: `half_by_node.py FP32 FP16… FOLDER COUNT`.

ONNX Runtime's CPU provider has no fp16 convolution: it computes a whole fp16 graph in fp32 and rounds hardly anything.
Here each node is a separate session, so that every map is rounded to the type that the graph gives it.

Compares each FP16 with the FP32 graph on COUNT pictures of FOLDER, spread evenly, or on the first COUNT `images` (uint8)
of a .safetensors file. Prints a JSON list of objects: rows that are finite, rows with the same first class, relative
error of logits and embedding over the finite rows, the least cosine, and how many maps are fp32.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from PIL import Image
from safetensors.numpy import load_file

AT_ONCE = 25


def crop(path, side):
    """timm's evaluation transform: shortest side to side / 0.875, centre crop."""
    with Image.open(path) as image:
        image = image.convert("RGB")
        short = int(side / 0.875)
        width, height = image.size
        size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
        image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = (round((edge - side) / 2) for edge in image.size)
        return np.asarray(image.crop((left, top, left + side, top + side))).transpose(2, 0, 1)


def pictures(source, count, side):
    if source.endswith(".safetensors"):
        return load_file(source)["images"][:count]
    endings = (".jpg", ".jpeg", ".png")
    paths = sorted(path for path in pathlib.Path(source).glob("*/*") if path.suffix.lower() in endings)
    return np.stack([crop(paths[index * len(paths) // count], side) for index in range(count)])


def session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def by_node(model):
    """Logits and embedding of images, one node after another."""
    stored = {weights.name: numpy_helper.to_array(weights) for weights in model.graph.initializer}
    sessions = {}

    def run(images):
        values = dict(stored) | {model.graph.input[0].name: images}
        for node in model.graph.node:
            names = list(dict.fromkeys(node.input))
            if node.name not in sessions:
                kinds = [helper.np_dtype_to_tensor_dtype(values[name].dtype) for name in names]
                axes = [[None, *values[name].shape[1:]] if name not in stored else values[name].shape for name in names]
                inputs = [helper.make_tensor_value_info(*each) for each in zip(names, kinds, axes)]
                outputs = [helper.make_empty_tensor_value_info(node.output[0])]
                graph = helper.make_graph([node], "node", inputs, outputs)
                alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
                sessions[node.name] = session(alone)
            values[node.output[0]] = sessions[node.name].run(None, {name: values[name] for name in names})[0]
        singles = sum(values[name].dtype == np.float32 for node in model.graph.node for name in node.output)
        return values["logits"], values["embedding"], singles

    return run


def judged(fp32, path, images):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    run = by_node(model)
    rows = [run(images[start : start + AT_ONCE].astype(np.float16)) for start in range(0, len(images), AT_ONCE)]
    logits, embedding = (np.concatenate([row[index] for row in rows]) for index in (0, 1))
    finite = np.isfinite(logits).all(1) & np.isfinite(embedding).all(1)
    error = lambda a, b: float(np.linalg.norm(a - b) / np.linalg.norm(b)) if len(a) else None
    pair = embedding[finite].astype(np.float64), fp32[1][finite].astype(np.float64)
    cosine = (pair[0] * pair[1]).sum(1) / np.linalg.norm(pair[0], axis=1) / np.linalg.norm(pair[1], axis=1)
    return {
        "rows": len(images),
        "finite": int(finite.sum()),
        "agreed": int((logits[finite].argmax(1) == fp32[0][finite].argmax(1)).sum()),
        "logits_error": error(logits[finite], fp32[0][finite]),
        "embedding_error": error(*pair),
        "cosine_min": float(cosine.min()) if len(cosine) else None,
        "fp32_maps": rows[0][2],
    }


def main():
    single, *halves, source, count = sys.argv[1:]
    model = onnx.load(single)
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    images = pictures(source, int(count), side).astype(np.float32) / np.float32(255)
    whole = session(model)
    rows = [whole.run(["logits", "embedding"], {model.graph.input[0].name: images[start : start + AT_ONCE]})
            for start in range(0, len(images), AT_ONCE)]
    fp32 = [np.concatenate(part) for part in zip(*rows)]
    print(json.dumps([judged(fp32, half, images) for half in halves]))


main()
