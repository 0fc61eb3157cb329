"""Writes small image networks of other architectures: foreign_models.py FOLDER.

Each takes [batch, 3, 64, 64] and scores two classes by the mean of all pixels: class 0 by how much it is above 0.5, class 1
by 0. They need `preprocess` in the job, and have no embedding.

- plain.onnx       that score
- logarithm.onnx   its logarithm: no number for an image whose mean is below 0.5
- batch_4.onnx     plain, for batches of exactly 4
- half.onnx        plain, with outputs in half precision
- heavy.onnx       plain, after maps of 4096 channels: 64 MiB an image
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 64


def model(path, batch="batch", score=None, output=TensorProto.FLOAT, channels=None):
    stored = {
        "weights": np.full((3, 2), 1 / 3, np.float32) * np.array([1, 0], np.float32),
        "bias": np.array([-0.5, 0], np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "end": np.array([2], np.int64),
        "axis": np.array([1], np.int64),
    }
    nodes, image = [], "input"
    if channels:
        # every channel is the mean of red, green and blue, scaled so that the classifier sees the same sum
        stored["spread"] = np.full((channels, 3, 1, 1), 1 / 3, np.float32)
        stored["weights"] = np.full((channels, 2), 1 / channels, np.float32) * np.array([1, 0], np.float32)
        nodes.append(helper.make_node("Conv", [image, "spread"], ["spread_out"]))
        image = "spread_out"
    nodes += [
        helper.make_node("GlobalAveragePool", [image], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
        helper.make_node("Gemm", ["mean", "weights", "bias"], ["scores"]),
    ]
    last = "scores"
    if score:
        nodes += [
            helper.make_node("Slice", ["scores", "first", "second", "axis"], ["above"]),
            helper.make_node("Slice", ["scores", "second", "end", "axis"], ["zero"]),
            helper.make_node(score, ["above"], ["scored"]),
            helper.make_node("Concat", ["scored", "zero"], ["both"], axis=1),
        ]
        last = "both"
    nodes.append(helper.make_node("Cast", [last], ["logits"], to=output))
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", output, [batch, 2])],
        [numpy_helper.from_array(values, name) for name, values in stored.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    onnx.save(made, path)


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
model(folder / "plain.onnx")
model(folder / "logarithm.onnx", score="Log")
model(folder / "batch_4.onnx", batch=4)
model(folder / "half.onnx", output=TensorProto.FLOAT16)
model(folder / "heavy.onnx", channels=4096)
