#!/usr/bin/env python3
"""The peer of the program: PyTorch if it is installed, else Python's ONNX Runtime on the CPU.

    peer.py facts                         name, device, whether there is a GPU
    peer.py outputs REQUEST PIXELS OUT    logits and embeddings in double, single and half precision, as .npz
    peer.py speeds REQUEST                images a second of one way at several batch sizes
    peer.py copies BYTES                  bytes a second between host and device, by CUDA events
    peer.py profile REQUEST PREFIX        a profile of ONNX Runtime's, and the seconds of a batch (without PyTorch)

REQUEST is a JSON object (`Peer` in peers.py writes it). Results are JSON objects, one a line. Each call is a process: a
compiler's caches and a device's memory go with it, and one that takes too long can be ended.
"""

import json
import re
import statistics
import sys
import time

import numpy as np

try:
    import torch
except ImportError:
    torch = None

WARM_UPS = 3
DEPTHS = re.compile(r"tresnet(_v2)?\[(\d+),(\d+),(\d+),(\d+)\]x(\d+)")
# a way of PyTorch's, the mode of torch.compile, and whether weights are constants for it
WAYS = {
    "eager": None,
    "torch.compile": ("default", False),
    "torch.compile freezing": ("default", True),
    # compiles longest
    "torch.compile max-autotune": ("max-autotune-no-cudagraphs", False),
}


def say(**values):
    print(json.dumps(values), flush=True)


def rounds_of(once, request):
    """Images a second: the median of rounds that last at least `seconds` each; `once` runs n batches and times them."""
    single = max(once(WARM_UPS) / WARM_UPS, 1e-6)
    count = max(1, int(np.ceil(request["seconds"] / single)))
    rates = [count * request["batch"] / max(once(count), 1e-9) for _ in range(request["rounds"])]
    return statistics.median(rates)


def by_clock(step):
    def once(count):
        began = time.perf_counter()
        for _ in range(count):
            step()
        return time.perf_counter() - began

    return once


class OnnxRuntime:
    """Without PyTorch: only shows that the check works."""

    name, device, has_gpu, ways = "Python's ONNX Runtime", "cpu", False, ("ONNX Runtime",)

    def session(self, request):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(request["graph"], options, providers=["CPUExecutionProvider"])

    def outputs(self, request, pixels):
        session = self.session(request)
        images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        found = dict(zip((output.name for output in session.get_outputs()), session.run(None, {"images": images})))
        return {kind: found for kind in ("float64", "float32", "float16")}

    def speeds(self, request):
        session = self.session(request)
        for batch in request["batches"]:
            shape = (batch, 3, request["size"], request["size"])
            images = np.random.default_rng(1).random(shape, dtype=np.float32)
            once = by_clock(lambda: session.run(None, {"images": images}))
            say(way=request["way"], batch=batch, images_per_s=rounds_of(once, {**request, "batch": batch}))

    def profile(self, request, prefix):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.enable_profiling, options.profile_file_prefix = True, prefix
        session = onnxruntime.InferenceSession(request["graph"], options, providers=["CPUExecutionProvider"])
        shape = (request["batch"], 3, request["size"], request["size"])
        images = np.random.default_rng(1).random(shape, dtype=np.float32)
        seconds = by_clock(lambda: session.run(None, {"images": images}))(10) / 10
        say(file=session.end_profiling(), seconds=seconds)


class Torch:
    """On the GPU where there is one."""

    ways = tuple(WAYS)

    def __init__(self):
        self.has_gpu = torch.cuda.is_available()
        self.device = "cuda" if self.has_gpu else "cpu"
        gpu = f" on {torch.cuda.get_device_name()}" if self.has_gpu else ""
        self.name = f"PyTorch {torch.__version__}{gpu}"
        # single precision is to be that
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    def network(self, request):
        import timm
        from safetensors.torch import load_file
        from timm.models.tresnet import TResNet

        arch, classes = request["arch"], request["classes"]
        small = DEPTHS.fullmatch(arch)
        if small:
            layers = [int(number) for number in small.groups()[1:5]]
            width = int(small[6]) / 64
            model = TResNet(layers, num_classes=classes, width_factor=width, v2=small[1] is not None)
        else:
            model = timm.create_model(arch, pretrained=False, num_classes=classes)
        state = {name: value.float() for name, value in load_file(request["weights"]).items() if value.is_floating_point()}
        absent = model.load_state_dict(state, strict=False)
        missing = [name for name in absent.missing_keys if not name.endswith("num_batches_tracked")]
        assert not missing and not absent.unexpected_keys, f"timm has another network: {missing} {absent.unexpected_keys}"
        return model.eval().to(self.device)

    def outputs(self, request, pixels):
        """Logits and embeddings in double, single and half precision."""
        model, found = self.network(request), {}
        for kind in (torch.float64, torch.float32, torch.float16):
            model = model.to(kind)
            rows = {"logits": [], "embedding": []}
            with torch.no_grad():
                for start in range(0, len(pixels), 32):
                    images = torch.from_numpy(pixels[start : start + 32]).permute(0, 3, 1, 2).float().to(self.device) / 255
                    features = model.forward_features(images.to(kind))
                    rows["embedding"].append(features.mean((2, 3)).double().cpu())
                    rows["logits"].append(model.forward_head(features).double().cpu())
            found[str(kind).removeprefix("torch.")] = {name: torch.cat(parts).numpy() for name, parts in rows.items()}
            # halves are made of the stored values
            model = self.network(request) if kind is torch.float64 else model
        return found

    def speeds(self, request):
        """One way in half precision, channels last; on a GPU also with cuDNN's search, at the best of the batch sizes."""
        # `import torch._dynamo` would make `torch` a local name
        from torch import _dynamo
        from torch._inductor import config

        kind = torch.float16 if self.has_gpu else torch.float32
        model = self.network(request).to(kind).to(memory_format=torch.channels_last)
        _dynamo.reset()
        way, compiled = WAYS[request["way"]], model
        with torch.no_grad():
            if way:
                mode, freezes = way
                config.freezing = freezes
                compiled = torch.compile(model, dynamic=False, mode=mode)
            rates = {}
            for batch in request["batches"]:
                rates[batch] = self.speed(compiled, request, batch, search=False)
            # cuDNN tries plans for each shape, which takes long, so one size has it
            if self.has_gpu:
                self.speed(compiled, request, max(rates, key=rates.get), search=True)

    def speed(self, compiled, request, batch, search):
        """Images a second at one batch size; `search` is that of cuDNN."""
        kind = torch.float16 if self.has_gpu else torch.float32
        shape = (batch, 3, request["size"], request["size"])
        images = torch.rand(shape, device=self.device).to(kind).contiguous(memory_format=torch.channels_last)
        torch.backends.cudnn.benchmark = search
        began = time.perf_counter()
        compiled(images)
        seconds = time.perf_counter() - began
        once = self.replays(compiled, images) if self.has_gpu else by_clock(lambda: compiled(images))
        rate = rounds_of(once, {**request, "batch": batch})
        say(way=request["way"], batch=batch, images_per_s=rate, cudnn_benchmark=search, first_s=seconds)
        return rate

    def replays(self, run, images):
        """Replays of one captured graph, between two events."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                run(images)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            run(images)

        def once(count):
            before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            before.record()
            for _ in range(count):
                graph.replay()
            after.record()
            torch.cuda.synchronize()
            return before.elapsed_time(after) / 1e3

        return once

    def copies(self, size):
        """Medians of ten copies of `size` bytes each, to the device and back."""
        device = torch.empty(size, dtype=torch.uint8, device=self.device)
        for pinned in (True, False):
            host = torch.ones(size, dtype=torch.uint8, pin_memory=pinned)
            for direction, target, source in (("in", device, host), ("out", host, device)):
                times = []
                for _ in range(WARM_UPS + 10):
                    before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                    before.record()
                    target.copy_(source, non_blocking=True)
                    after.record()
                    torch.cuda.synchronize()
                    times.append(before.elapsed_time(after) / 1e3)
                say(pinned=pinned, direction=direction, bytes_per_s=size / statistics.median(times[WARM_UPS:]))


def main():
    command, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else sys.exit(__doc__)
    peer = Torch() if torch else OnnxRuntime()
    if command == "facts":
        say(name=peer.name, device=peer.device, has_gpu=peer.has_gpu, ways=peer.ways)
    elif command == "outputs":
        request, pixels, out = arguments
        found = peer.outputs(json.loads(request), np.load(pixels))
        np.savez(out, **{f"{kind}.{name}": values for kind, rows in found.items() for name, values in rows.items()})
    elif command == "speeds":
        peer.speeds(json.loads(arguments[0]))
    elif command == "profile":
        peer.profile(json.loads(arguments[0]), arguments[1])
    elif command == "copies":
        peer.copies(int(arguments[0]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
