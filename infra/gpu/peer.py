"""What the program is held against: PyTorch where it is, else Python's ONNX Runtime on the CPU."""

import re
import statistics
import time

import numpy as np

try:
    import torch
except ImportError:
    torch = None

WARM_UPS, REPLAYS = 3, 50
DEPTHS = re.compile(r"tresnet(_v2)?\[(\d+),(\d+),(\d+),(\d+)\]x(\d+)")


class OnnxRuntime:
    """Without PyTorch: only shows that the check works."""

    name = "Python's ONNX Runtime"
    device = "cpu"
    has_gpu = False

    def __init__(self, program):
        self.program = program

    def session(self, weights, size):
        import onnxruntime

        path = self.program.work / "imported.onnx"
        self.program.call("model", "import", weights, "-o", path, "--image-size", size)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(self.program.work / "profile")
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def outputs(self, weights, size, pixels):
        session = self.session(weights, size)
        images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        found = dict(zip((output.name for output in session.get_outputs()), session.run(None, {"images": images})))
        return {kind: found for kind in ("float64", "float32", "float16")}

    def speeds(self, weights, size, batch):
        session = self.session(weights, size)
        images = np.random.default_rng(1).random((batch, 3, size, size), dtype=np.float32)
        times = []
        for _ in range(WARM_UPS + 5):
            began = time.perf_counter()
            session.run(None, {"images": images})
            times.append(time.perf_counter() - began)
        return {"ONNX Runtime": batch / statistics.median(times[WARM_UPS:])}

    def profile(self, weights, size, batch):
        """A profile of ONNX Runtime's own making, the batches in it, and the seconds that they took."""
        session = self.session(weights, size)
        images = np.random.default_rng(1).random((batch, 3, size, size), dtype=np.float32)
        began = time.perf_counter()
        for _ in range(10):
            session.run(None, {"images": images})
        seconds = (time.perf_counter() - began) / 10
        return session.end_profiling(), seconds


class Torch:
    """On the GPU where there is one."""

    def __init__(self, program):
        self.program = program
        self.has_gpu = torch.cuda.is_available()
        self.device = "cuda" if self.has_gpu else "cpu"
        gpu = f" on {torch.cuda.get_device_name()}" if self.has_gpu else ""
        self.name = f"PyTorch {torch.__version__}{gpu}"
        # single precision is to be that
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    def network(self, weights):
        import timm
        from safetensors.torch import load_file
        from timm.models.tresnet import TResNet

        found = self.program.call("model", "inspect", weights)
        small = DEPTHS.fullmatch(found["arch"])
        if small:
            layers = [int(number) for number in small.groups()[1:5]]
            width = int(small[6]) / 64
            model = TResNet(layers, num_classes=found["classes"], width_factor=width, v2=small[1] is not None)
        else:
            model = timm.create_model(found["arch"], pretrained=False, num_classes=found["classes"])
        state = {name: value.float() for name, value in load_file(weights).items() if value.is_floating_point()}
        absent = model.load_state_dict(state, strict=False)
        lacking = [name for name in absent.missing_keys if not name.endswith("num_batches_tracked")]
        assert not lacking and not absent.unexpected_keys, f"timm has another network: {lacking} {absent.unexpected_keys}"
        return model.eval().to(self.device)

    def outputs(self, weights, size, pixels):
        """Logits and embeddings in double, single and half precision."""
        model, found = self.network(weights), {}
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
            # halves are made of what was stored
            model = self.network(weights) if kind is torch.float64 else model
        return found

    def speeds(self, weights, size, batch):
        """Eager and compiled, channels last, with and without cuDNN's search for algorithms."""
        kind = torch.float16 if self.has_gpu else torch.float32
        model = self.network(weights).to(kind).to(memory_format=torch.channels_last)
        images = torch.rand(batch, 3, size, size, device=self.device).to(kind).contiguous(memory_format=torch.channels_last)
        ways = {"eager": model}
        if self.has_gpu:
            ways["torch.compile"] = torch.compile(model, dynamic=False)
        rates = {}
        with torch.no_grad():
            for way, run in ways.items():
                for search in (False, True) if self.has_gpu else (False,):
                    torch.backends.cudnn.benchmark = search
                    name = f"{way}, benchmark {'on' if search else 'off'}" if self.has_gpu else way
                    rates[name] = batch / self.seconds(run, images)
        return rates

    def seconds(self, run, images):
        """Median of many runs; on a GPU each is a replay of a captured graph between two events."""
        if not self.has_gpu:
            return self.seconds_by_clock(run, images)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                run(images)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            run(images)
        times = []
        for number in range(WARM_UPS + REPLAYS):
            before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            before.record()
            graph.replay()
            after.record()
            torch.cuda.synchronize()
            if number >= WARM_UPS:
                times.append(before.elapsed_time(after) / 1e3)
        return statistics.median(times)

    def seconds_by_clock(self, run, images):
        times = []
        for _ in range(WARM_UPS + 5):
            began = time.perf_counter()
            run(images)
            times.append(time.perf_counter() - began)
        return statistics.median(times[WARM_UPS:])

    def copy_rates(self, size):
        """Bytes a second to the device out of pinned and out of pageable memory."""
        rates = []
        target = torch.empty(size, dtype=torch.uint8, device=self.device)
        for pinned in (True, False):
            source = torch.ones(size, dtype=torch.uint8, pin_memory=pinned)
            times = []
            for _ in range(WARM_UPS + 10):
                torch.cuda.synchronize()
                began = time.perf_counter()
                target.copy_(source, non_blocking=True)
                torch.cuda.synchronize()
                times.append(time.perf_counter() - began)
            rates.append(size / statistics.median(times[WARM_UPS:]))
        return rates


def find(program):
    return Torch(program) if torch else OnnxRuntime(program)
