"""Checks an int8 graph: `quantized_graph.py GRAPH`. Runs ONNX's own checker, then ONNX Runtime's optimizer on this CPU.

Prints one JSON object: how often each operator is in the optimized graph.
"""

import collections
import json
import pathlib
import sys
import tempfile

import onnx
import onnxruntime as ort

path = sys.argv[1]
onnx.checker.check_model(onnx.load(path), full_check=True)
with tempfile.TemporaryDirectory() as folder:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(pathlib.Path(folder) / "optimised.onnx")
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(options.optimized_model_filepath)
counts = collections.Counter(node.op_type for node in optimised.graph.node)
print(json.dumps(counts))
