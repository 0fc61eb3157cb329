"""The cost of optimising the graph at a start: sessions of a graph, and of the same graph optimised before.

    session.py GRAPH.onnx [--rounds 7]

GRAPH is what `tresnet-batch model import` writes. Needs onnxruntime of the program's version. Prints medians of the time
and of the processor time, which other work on the machine changes less, and whether both sessions give the same bytes.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime


def session(graph, level, written=None):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if written:
        options.optimized_model_filepath = str(written)
    began, worked = time.perf_counter(), time.process_time()
    made = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return made, (time.perf_counter() - began, time.process_time() - worked)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    graph = arguments.graph.read_bytes()
    every, none = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    names = ["graph, optimised here", "graph optimised before", "what a cache would save"]
    found = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "optimised.onnx"
        session(graph, every, written)
        ready = written.read_bytes()
        for _ in range(arguments.rounds):
            ours, first = session(graph, every)
            cached, second = session(ready, none)
            saved = tuple(one - other for one, other in zip(first, second))
            for name, seconds in zip(names, (first, second, saved)):
                found[name].append(seconds)
            face = ours.get_inputs()[0]
            shape = [side if isinstance(side, int) else 4 for side in face.shape]
            images = np.random.default_rng(1).random(shape, dtype=np.float32)
            outputs = [made.run(None, {face.name: images}) for made in (ours, cached)]
    print(f"onnxruntime {onnxruntime.__version__}, {arguments.rounds} rounds, median (least to most)\n")
    print("| session of | seconds | processor seconds |\n|---|---|---|")
    for name, pairs in found.items():
        columns = [f"{statistics.median(each):.3f} ({min(each):.3f} to {max(each):.3f})" for each in zip(*pairs)]
        print(f"| {name} | {' | '.join(columns)} |")
    same = all(one.tobytes() == other.tobytes() for one, other in zip(*outputs))
    print(f"\nthe outputs are {'the same bytes' if same else 'not the same bytes'}")


main()
