"""The device itself: its facts, copies to and from it, its description for cuDNN, and memory errors of one batch."""

import shutil
import sys
from pathlib import Path

from program import CommandFailed, run
from speed import NO_GPU

ROOT = Path(__file__).resolve().parent.parent.parent
# a network so small that its time is the copy's
SMALL = ROOT / "tests/data/model/v1_odd.safetensors"
FACTS = "name,driver_version,clocks.max.sm,power.limit,memory.total"


def device(check):
    with check.lines.attempt("device"):
        report = check.program.call(
            "bench", "engine", SMALL, "--device", check.program.device, "--image-size", 64, "--batch-size", 2,
            "--rounds", 1, "--seconds", 0.1,
        )  # fmt: skip
        text = f"{report['provider']} on {report['device']}, ONNX Runtime {report['onnxruntime']}; beside it {check.peer.name}"
        if shutil.which("nvidia-smi"):
            said = run(["nvidia-smi", f"--query-gpu={FACTS}", "--format=csv,noheader"], check.clock)
            text += f"; {FACTS}: {said.strip()}"
        check.lines.say("device", text, report["provider"] == check.program.device)


def properties(check):
    with check.lines.attempt("properties"):
        if not check.peer.has_gpu:
            return check.lines.not_measured("properties", NO_GPU)
        out = check.folder / "cudnn_device.json"
        library = Path(check.program.library or ".") / "libcudnn.so.9"
        named = ["--library", library] if library.exists() else []
        said = run([sys.executable, Path(__file__).parent / "properties.py", out, *named], check.clock, 60)
        return check.lines.say("properties", said.strip())


def copies(check):
    """Between host and device, by CUDA events: what the data path could reach."""
    with check.lines.attempt("copies"):
        if not check.peer.has_gpu:
            return check.lines.not_measured("copies", NO_GPU)
        rates = check.peer.copies(check.arguments.batch * 224 * 224 * 3 * 2)
        check.lines.record("copies", rates=[[*key, rate] for key, rate in rates.items()])
        named = [
            f"{'pinned' if pinned else 'pageable'} {direction} {rate / 1e9:.1f}" for (pinned, direction), rate in rates.items()
        ]
        return check.lines.say("copies", f"GB/s by events: {', '.join(named)}")


def pinned(check):
    """Bytes a second from the slots to the engine."""
    with check.lines.attempt("pinned"):
        arguments, precision = check.arguments, check.precision
        size, batch = arguments.sizes[-1], arguments.batch
        image = size * size * 3 * (4 if precision == "fp32" else 2)
        if not check.peer.has_gpu:
            rate = check.program.engine(SMALL, precision, size, batch, arguments.seconds)
            return check.lines.not_measured("pinned", f"{NO_GPU}; plain slots reach {rate * image / 1e9:.2f} GB/s")
        rates = {}
        for is_pinned in ("true", "false"):
            option = ["--set", f"pinned={is_pinned}"]
            rates[is_pinned] = image * check.program.engine(SMALL, precision, size, batch, arguments.seconds, *option)
        text = f"{rates['true'] / 1e9:.1f} GB/s out of pinned slots, {rates['false'] / 1e9:.1f} out of pageable ones"
        return check.lines.say("pinned", text, rates["true"] >= 1.3 * rates["false"])


def sanitizer(check):
    """compute-sanitizer over the few batches of a short measurement."""
    with check.lines.attempt("sanitizer"):
        if not check.peer.has_gpu:
            return check.lines.not_measured("sanitizer", NO_GPU)
        found = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
        if not found:
            return check.lines.not_measured("sanitizer", "compute-sanitizer is not installed")
        bench = ["bench", "engine", SMALL, "--device", "cuda", "--precision", "fp16", "--image-size", 64]
        bench += ["--batch-size", 4, "--rounds", 1, "--seconds", 0.001]
        command = [found, "--tool", "memcheck", "--error-exitcode", 9, *check.program.command(*bench)]
        try:
            said = run(command, check.clock, 150)
        except CommandFailed as why:
            check.lines.append("sanitizer.txt", why.said)
            raise
        check.lines.append("sanitizer.txt", said)
        _, summary, after = said.rpartition("ERROR SUMMARY")
        text = (summary + after).splitlines()[0] if summary else "no summary"
        return check.lines.say("sanitizer", text, text.endswith(" 0 errors"))
