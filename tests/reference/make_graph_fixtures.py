"""Writes tests/data/graphs: one small network as PyTorch's exporters write it. Run by hand; needs torch and onnxscript.

    make_graph_fixtures.py FOLDER

`KIND-TYPE[-free].onnx`, where KIND is `dynamo` (with its weights in `….onnx.data` if the exporter puts them there) or `script`,
TYPE is `fp32` or `fp16`, and `free` has names for the axes of batch, height and width.
"""

import sys
from pathlib import Path

import onnx
import torch

SIDE = 32


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.head = torch.nn.Linear(16, 5)

    def forward(self, images):
        return self.head(torch.relu(self.stem(images)).mean((2, 3)) * 8)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    network = Network().eval()
    example = torch.randn(1, 3, SIDE, SIDE)
    free = {0: "batch", 2: "height", 3: "width"}
    for half in [False, True]:
        kind = "fp16" if half else "fp32"
        if half:
            network, example = network.half(), example.half()
        for exporter in ["dynamo", "script"]:
            named = {"dynamo": exporter == "dynamo"}
            torch.onnx.export(network, (example,), str(folder / f"{exporter}-{kind}.onnx"), **named)
            if half:
                continue
            if exporter == "dynamo":
                # the exporter fixes an axis of length 1
                named |= {"dynamic_shapes": [free]}
                shown = (example.repeat(2, 1, 1, 1),)
            else:
                named |= {"input_names": ["images"], "output_names": ["out"]}
                named |= {"dynamic_axes": {"images": free, "out": {0: "batch", 1: "classes"}}}
                shown = (example,)
            torch.onnx.export(network, shown, str(folder / f"{exporter}-{kind}-free.onnx"), **named)
    for path in folder.glob("*.onnx"):
        # the exporter writes the paths of this machine beside every node
        model = onnx.load(path, load_external_data=False)
        graph = model.graph
        for part in [*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]:
            del part.metadata_props[:]
        path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
