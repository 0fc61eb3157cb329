"""Numbers: our networks and PyTorch's against PyTorch in double precision."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import pictures
from program import OUTPUTS

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "models/demo/model.safetensors"
# how a network is computed: line, precision, keys of [engine]
KINDS = (
    ("parity_fp32", "fp32", "tf32 = false\n"),
    ("parity_fp16", "fp16", ""),
    ("parity_fused", "fp16", "fuse_conv_bias = true\n"),
)
# PyTorch's name of a precision, an error that is small, how often PyTorch's own error is allowed where it is larger, and
# the highest allowed error in any case, which is less than that of a network in TF32
BOUNDS = {"fp32": ("float32", 1e-5, 2.0, 1e-4), "fp16": ("float16", 5e-3, 1.1, float("inf"))}


def error(ours, theirs):
    """‖a − b‖ / ‖b‖; NaN never passes as small."""
    distance = float(np.linalg.norm(ours.astype(np.float64) - theirs) / np.linalg.norm(theirs))
    return distance if np.isfinite(distance) else float("inf")


def same(ours, theirs):
    return float(np.mean(ours["logits"].argmax(1) == theirs["logits"].argmax(1)))


def stretches(count, batch):
    """Rows that are compared apart. A kernel that adds to earlier results shows after the third run, and one that reads
    rows of an earlier batch in a batch that is not full."""
    assert 3 * batch < count and count % batch, f"{count} pictures are no four batches of {batch}, the last partly filled"
    return {"after batch 3": slice(3 * batch, None), f"last batch of {count % batch}": slice(count - count % batch, None)}


def names(pairs):
    found = [f"{line} {Path(network).stem} {size}" for network, size in pairs for line, *_ in KINDS]
    return found + ["agreement_fp16 demo"]


def parity(check):
    for network, size in check.pairs():
        lines = [f"{line} {Path(network).stem} {size}" for line, *_ in KINDS]
        with check.lines.attempt(*lines):
            weights = check.weights(network)
            squares = check.work / "squares"
            pixels = pictures.squares(squares, check.arguments.count, size)
            theirs = check.peer.outputs(weights, size, pixels)
            for name, kind in zip(lines, KINDS):
                with check.lines.attempt(name):
                    compare(check, name, kind, squares, weights, size, theirs)
    with check.lines.attempt("agreement_fp16 demo"):
        agreement(check)


def compare(check, name, kind, squares, weights, size, theirs):
    _, precision, engine = kind
    single, small, factor, most = BOUNDS[precision]
    batch = check.arguments.parity_batch
    ours = check.program.outputs(squares, weights, precision, size, batch, engine)
    exact, beside = theirs["float64"], theirs[single]
    texts, holds, values = [], True, {}
    for stretch, rows in {"all": slice(None), **stretches(len(ours["logits"]), batch)}.items():
        errors = {output: error(ours[output][rows], exact[output][rows]) for output in OUTPUTS}
        their_errors = {output: error(beside[output][rows], exact[output][rows]) for output in OUTPUTS}
        holds &= all(errors[output] <= max(small, min(factor * their_errors[output], most)) for output in OUTPUTS)
        values[stretch] = {"ours": errors, "theirs": their_errors}
        if stretch == "all":
            texts += [f"{output} {errors[output]:.2e} (theirs {their_errors[output]:.2e})" for output in OUTPUTS]
        else:
            texts.append(f"{stretch} {max(errors.values()):.2e}")
    agree, agree_beside = same(ours, exact), same(beside, exact)
    # with random weights some pictures are between two classes, and PyTorch's own rounding decides, too
    holds &= agree >= min(0.995, agree_beside)
    best = f"best class the same for {100 * agree:.1f} % (theirs {100 * agree_beside:.1f} %) of {len(ours['logits'])}"
    check.lines.record(name, errors=values, agree=agree, agree_beside=agree_beside)
    check.lines.say(name, f"{', '.join(texts)}, {best}", holds)


def agreement(check):
    """The only trained network of the check, on pictures of its classes."""
    folder = check.work / "patterns"
    make = [sys.executable, ROOT / "infra/demo/make_images.py", folder, "--seed", "11", "--per-class", "40"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    batch = check.arguments.parity_batch
    half = check.program.outputs(folder, DEMO, "fp16", None, batch)
    single = check.program.outputs(folder, DEMO, "fp32", None, batch, "tf32 = false\n")
    share, apart = same(half, single), error(half["logits"], single["logits"].astype(np.float64))
    text = f"{100 * share:.2f} % of {len(half['logits'])} pictures have the best class of fp32, logits {apart:.2e} apart"
    check.lines.say("agreement_fp16 demo", text, share >= 0.995 and apart < 0.1)
