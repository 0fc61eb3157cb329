"""The network alone on this machine's CPU: our engine beside what Python users run, interleaved.

    engine.py WEIGHTS.safetensors [--also FILE.onnx ...] [--rounds 5] [--size 224] [--batch 32]

Needs torch, timm, onnx, onnxscript, onnxruntime and, if it is to be in the table, openvino, installed by hand. WEIGHTS
is a checkpoint of the network that --arch names, in timm's layout; `tresnet-batch model new` writes one. --also adds
other files for our engine, such as an int8 graph. --export FILE only writes PyTorch's export, which
`tresnet-batch bench engine --table forms --against FILE` then takes as its control. Every engine has all cores and gets
the same batch of noise; in every round each runs for at least --seconds, one after another. Prints a Markdown table of
medians, with ratios to PyTorch's own ONNX export in ONNX Runtime: absolute numbers mean little on a machine that does
other work.

Before they are timed, the others must return the same numbers as PyTorch in float32. tests/reference/big_parity.py
checks our engine.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import onnxruntime as ort
import timm
import torch
from safetensors.torch import load_file

# between two engines, so that the threads of the one before have gone to sleep
PAUSE = 0.5


def distance(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


def export(model, images, path):
    """As PyTorch exports it: batch norm stays, and ONNX Runtime folds it."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    torch.onnx.export(
        model, (images,), path, input_names=["images"], output_names=["logits"], dynamic_shapes=({0: batch},), dynamo=True,
        external_data=False, verbose=False,
    )  # fmt: skip


def onnxruntime_session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: torch.from_numpy(session.run(None, {name: images.numpy()})[0])


def openvino_session(path, images):
    import openvino

    core = openvino.Core()
    network = core.read_model(path)
    network.reshape({network.inputs[0]: list(images.shape)})
    hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(network, "CPU", hints)
    request = compiled.create_infer_request()
    return lambda images: torch.from_numpy(request.infer([images.numpy()])[0].copy())


def eager(model):
    changed = model.to(memory_format=torch.channels_last)
    return lambda images: changed(images.to(memory_format=torch.channels_last))


def compiled(model):
    import torch._inductor.config as inductor

    inductor.freezing = True
    changed = torch.compile(model.to(memory_format=torch.channels_last))
    return lambda images: changed(images.to(memory_format=torch.channels_last))


class Peer:
    """An engine that takes a batch and returns logits."""

    def __init__(self, run, images, expected, seconds):
        self.run, self.images, self.seconds = run, images, seconds
        error = distance(run(images), expected)
        assert error < 1e-3, f"it is another network: relative error {error:.1e}"
        run(images)

    def rate(self):
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < self.seconds:
            self.run(self.images)
            done += len(self.images)
        return done / (time.perf_counter() - began)


class Ours:
    """Our engine, a separate process for each round."""

    def __init__(self, binary, model, arguments):
        self.command = [
            binary, "--progress", "none", "bench", "engine", model, "--device", "cpu", "--rounds", "1",
            "--seconds", str(arguments.seconds), "--batch-size", str(arguments.batch),
            "--image-size", str(arguments.size),
        ]  # fmt: skip

    def rate(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "engine.json"
            run = subprocess.run([*self.command, "--json-file", file], text=True, capture_output=True)
            if run.returncode != 0:
                sys.exit(f"our engine ended with {run.returncode}:\n{run.stderr}")
            return json.loads(file.read_text())["rows"][0]["images_per_s"]


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--arch", default="tresnet_m")
    parser.add_argument("--also", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--binary", default="target/release/tresnet-batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--export", metavar="FILE", help="write PyTorch's own ONNX export to FILE and measure nothing")
    arguments = parser.parse_args()

    def network():
        model = timm.create_model(arguments.arch, pretrained=False).eval()
        model.load_state_dict(load_file(arguments.weights))
        return model

    images = torch.rand(arguments.batch, 3, arguments.size, arguments.size, generator=torch.Generator().manual_seed(1))
    if arguments.export:
        return export(network(), images, arguments.export)
    expected = network()(images)
    base = f"ONNX Runtime {ort.__version__} on PyTorch's export"
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/export.onnx"
        export(network(), images, path)
        makers = {
            base: lambda: onnxruntime_session(path),
            f"PyTorch {torch.__version__.split('+')[0]} eager, channels last": lambda: eager(network()),
            "PyTorch torch.compile, frozen, channels last": lambda: compiled(network()),
            "OpenVINO, fp32": lambda: openvino_session(path, images),
        }
        peers, missing = {}, {}
        for name, make in makers.items():
            try:
                peers[name] = Peer(make(), images, expected, arguments.seconds)
            except Exception as error:
                # the export is what the ratios are to, so it must be there
                if name == base:
                    raise
                missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    peers["ours, fp32"] = Ours(arguments.binary, str(arguments.weights), arguments)
    for file in arguments.also:
        peers[f"ours, {Path(file).name}"] = Ours(arguments.binary, file, arguments)

    rates = {name: [] for name in peers}
    for number in range(arguments.rounds):
        for name, peer in peers.items():
            time.sleep(PAUSE)
            rates[name].append(peer.rate())
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    print(
        f"{arguments.arch} at {arguments.size}, batches of {arguments.batch}, {torch.get_num_threads()} threads, medians "
        f"of {arguments.rounds} interleaved rounds\n\n| engine | images/s | of PyTorch's export, median | least | most |\n"
        "|---|---|---|---|---|"
    )
    for name, values in rates.items():
        ratios = [value / control for value, control in zip(values, rates[base])]
        print(
            f"| {name} | {statistics.median(values):.1f} | {statistics.median(ratios):.3f} | {min(ratios):.3f} | "
            f"{max(ratios):.3f} |"
        )
    for name, why in missing.items():
        print(f"| {name} | not measured: {why} | | | |")


main()
