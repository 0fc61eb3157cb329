"""Checkpoints as training leaves them, written by timm and PyTorch. Not part of `make test`.

    python -m venv v && v/bin/pip install torch==2.15.0 timm==1.0.31 onnxruntime
    v/bin/python tests/reference/training_checkpoints.py fixtures
    v/bin/python tests/reference/training_checkpoints.py table PROGRAM [EARLIER]

`fixtures` writes `tests/data/model/training/`: a TResNet of base width 1 with 3 classes whose weights are in several
files, one of each kind, and in `raw.safetensors` and `ema.safetensors` as plain dictionaries; `logits.safetensors` has
what timm computes from each of these for the centre 64×64 pixels of `../images.safetensors`.

`table` writes some seventy files of a network of base width 5 into a temporary folder, has PROGRAM import each, runs the
graphs on ONNX Runtime, and compares the logits with those of a timm model that `timm.models.load_checkpoint` filled from
the same file. timm does not read some kinds; the dictionary that was saved is the reference of those. It prints a table
in Markdown, with what EARLIER (a program before these files were read) does with each, and fails where a file is read as
another network, or a file that has to be refused is read.
"""

import argparse
import copy
import json
import pathlib
import random
import subprocess
import sys
import tempfile
from collections import OrderedDict

import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models.tresnet import TResNet
from timm.utils import CheckpointSaver, ModelEmaV3, NativeScaler

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "model"
SIZE = 64
PREFIXES = ["module.", "_orig_mod.", "model.", "net.", "backbone."]


def network(width, classes, seed):
    """A network whose every value is random, with running statistics of noise."""
    torch.manual_seed(seed)
    model = TResNet([1, 1, 1, 1], num_classes=classes, width_factor=width / 64)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
            module.momentum = None
    for name, parameter in model.named_parameters():
        if ".se." in name or name.startswith("head."):
            torch.nn.init.normal_(parameter, std=0.3)
    model.train()
    with torch.no_grad():
        model(torch.rand(16, 3, SIZE, SIZE))
    return model.eval()


def like(model, seed):
    """The network with other values, as an average over a training has them."""
    torch.manual_seed(seed)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1 + 0.2 * torch.rand_like(parameter))
    return other


def images():
    pixels = load_file(DATA / "images.safetensors")["images"]
    edge = (pixels.shape[2] - SIZE) // 2
    return pixels[:, :, edge : edge + SIZE, edge : edge + SIZE].float() / 255


@torch.no_grad()
def logits(model):
    return model.double()(images().double()).float()


def arguments():
    """What timm's training script and others keep beside the weights."""
    return argparse.Namespace(
        model="tresnet_m", lr=0.1, output=pathlib.PurePosixPath("runs/1"), best=np.float64(81.5), crop=np.float32(0.875),
        device=torch.device("cpu"), dtype=torch.float16, size=torch.Size([3, 224, 224]), tags={"a", "b"},
        nested=argparse.Namespace(aug=("rand", None, True)), seeds=np.arange(3),
    )  # fmt: skip


def saver(folder, model, ema=None, args=None, scaler=None, **kind):
    """The file of timm's own saver."""
    folder.mkdir(parents=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    if kind.get("steps"):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.0)
        optimizer.param_groups[0]["lr"] = 0.0
        optimizer.step()
        optimizer.zero_grad()
    average = None
    if ema is not None:
        average = ModelEmaV3(model)
        average.module.load_state_dict(ema.state_dict())
    files = CheckpointSaver(
        model, optimizer, args=args, model_ema=average, amp_scaler=scaler, checkpoint_dir=str(folder), recovery_dir=str(folder)
    )
    files.save_checkpoint(3, metric=np.float64(71.25))
    return folder / "model_best.pth.tar"


def prefixed(state, prefix):
    return OrderedDict((prefix + name, value) for name, value in state.items())


def shards(folder, state, count):
    """Several files with an index, as `transformers` and `huggingface_hub` write them."""
    folder.mkdir(parents=True)
    names = list(state)
    step = -(-len(names) // count)
    index = {}
    for number in range(count):
        name = f"model-{number + 1:05}-of-{count:05}.safetensors"
        part = {key: state[key].contiguous().clone() for key in names[number * step : (number + 1) * step]}
        save_file(part, folder / name, metadata={"format": "pt"})
        index |= dict.fromkeys(part, name)
    size = sum(value.numel() * value.element_size() for value in state.values())
    text = json.dumps({"metadata": {"total_size": size}, "weight_map": index}, indent=2)
    (folder / "model.safetensors.index.json").write_text(text + "\n")
    return folder / "model.safetensors.index.json"


def averaged(model):
    average = torch.optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    return average.state_dict()


def half(state):
    return OrderedDict((name, value.half() if value.is_floating_point() else value) for name, value in state.items())


class Training(torch.nn.Module):
    """A module of a training script: pickled whole, with its class."""

    def __init__(self, model):
        super().__init__()
        self.model = model


class Table:
    """Writes the files, and records the expected result of each."""

    def __init__(self, folder, width=5, classes=7):
        self.folder = folder
        self.raw = network(width, classes, 1)
        self.ema = like(self.raw, 2)
        self.rows = []

    def add(self, what, save, *, use=None, timm_reads=True, chosen=None, refused=None):
        """`use` is the model whose weights are right, `chosen` the set that is requested from the program."""
        path = save(self.folder / f"{len(self.rows):03}")
        self.rows.append((what, path, use or self.raw, timm_reads, chosen, refused))

    def dumped(self, what, value, *, name=".pth", options=None, **row):
        def save(path):
            path = path.with_suffix(name)
            torch.save(value, path, **(options or {}))
            return path

        self.add(what, save, **row)


def fill(table):
    raw, ema = table.raw, table.ema
    state, average = raw.state_dict(), ema.state_dict()
    args = arguments()
    table.add("CheckpointSaver, args, EMA", lambda path: saver(path, raw, ema, args), use=ema)
    table.add("the same, raw", lambda path: saver(path, raw, ema, args), chosen="raw")
    table.add("the same, EMA by name", lambda path: saver(path, raw, ema, args), use=ema, chosen="ema")
    table.add("CheckpointSaver, args", lambda path: saver(path, raw, None, args))
    table.add("CheckpointSaver, EMA", lambda path: saver(path, raw, ema), use=ema)
    table.add("CheckpointSaver alone", lambda path: saver(path, raw))
    table.add("CheckpointSaver, AdamW with moments", lambda path: saver(path, raw, ema, args, steps=1), use=ema)
    table.add("CheckpointSaver, GradScaler", lambda path: saver(path, raw, ema, args, NativeScaler("cpu")), use=ema)

    for prefix in PREFIXES:
        table.dumped(f"prefix `{prefix}`", prefixed(state, prefix), timm_reads=prefix in PREFIXES[:2])
    for outer in PREFIXES:
        for inner in PREFIXES:
            reads = {outer, inner} <= set(PREFIXES[:2]) and outer != inner
            table.dumped(f"prefix `{outer}{inner}`", {"state_dict": prefixed(state, outer + inner)}, timm_reads=reads)
    table.dumped("prefix of three", prefixed(state, "module._orig_mod.model."), timm_reads=False)
    parallel = {"state_dict": prefixed(state, "module."), "state_dict_ema": prefixed(average, "module.")}
    table.dumped("DataParallel with EMA", parallel, use=ema)
    table.dumped("torch.compile", torch.compile(raw, backend="eager").state_dict())
    table.dumped("DataParallel", torch.nn.DataParallel(raw).state_dict())
    table.dumped("torch.compile of DataParallel", torch.compile(torch.nn.DataParallel(raw), backend="eager").state_dict())
    table.dumped("DataParallel of torch.compile", torch.nn.DataParallel(torch.compile(raw, backend="eager")).state_dict())

    table.dumped("AveragedModel", averaged(raw), timm_reads=False)
    table.dumped("AveragedModel of DataParallel", averaged(torch.nn.DataParallel(raw)), timm_reads=False)
    both = {"model": state, "model_ema": average, "epoch": 3, "args": args, "optimizer": {"state": {}}}
    table.dumped("`model` and `model_ema`", both, use=ema)
    table.dumped("the same, raw", both, chosen="raw")
    table.dumped("`model` alone, args", {"model": state, "args": args})
    table.dumped("`model_ema` alone", {"model_ema": average}, use=ema)
    table.dumped("`state_dict_ema` of none", {"state_dict": state, "state_dict_ema": None})
    table.dumped("`model_state_dict`", {"model_state_dict": state, "optimizer_state_dict": {}, "loss": 0.5}, timm_reads=False)
    lightning = {
        "state_dict": prefixed(state, "model."), "hyper_parameters": args, "callbacks": {"best": pathlib.PurePosixPath("a")},
        "pytorch-lightning_version": "2.5.0", "global_step": 7, "loops": {"fit": OrderedDict(a=[1, 2])},
    }  # fmt: skip
    table.dumped("Lightning", lightning, name=".ckpt", timm_reads=False)
    optimizer = torch.optim.SGD(raw.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    objects = {
        "state_dict": state, "optimizer": optimizer, "scheduler": schedule, "args": args, "numpy": np.random.get_state(),
        "random": random.getstate(), "torch": torch.get_rng_state(), "losses": [np.float32(0.5)] * 3, "path": pathlib.PosixPath("."),
    }  # fmt: skip
    table.dumped("optimizer and scheduler as objects, random states", objects)
    table.dumped("protocol 4", {"state_dict": state, "args": args}, options={"pickle_protocol": 4})
    table.dumped("protocol 5", {"state_dict": state, "args": args}, options={"pickle_protocol": 5})

    legacy = {"_use_new_zipfile_serialization": False}
    table.dumped("legacy", state, options=legacy)
    table.dumped("legacy, args and EMA", {"state_dict": state, "state_dict_ema": average, "args": args}, use=ema, options=legacy)
    table.dumped("legacy, raw", {"state_dict": state, "state_dict_ema": average, "args": args}, chosen="raw", options=legacy)
    table.dumped("legacy, DataParallel", prefixed(state, "module."), options=legacy)
    table.dumped("legacy, protocol 4", {"model": state}, options=legacy | {"pickle_protocol": 4})
    table.dumped("legacy, optimizer as an object", {"state_dict": state, "optimizer": optimizer}, options=legacy)
    halves = copy.deepcopy(raw).half()
    table.dumped("legacy, fp16", halves.state_dict(), use=halves, options=legacy)

    table.add("sharded, index", lambda path: shards(path, state, 3), timm_reads=False)
    table.add("sharded, folder", lambda path: shards(path, state, 2).parent, timm_reads=False)
    table.add("sharded, prefix", lambda path: shards(path, prefixed(state, "model."), 2), timm_reads=False)

    def plain(path):
        save_file(state, path.with_suffix(".safetensors"))
        return path.with_suffix(".safetensors")

    table.add("safetensors", plain)
    table.dumped("a plain dictionary", state)

    table.dumped("the whole module", raw, refused="asks for `timm.models.tresnet.TResNet`")
    table.dumped("a training's module", {"model": Training(raw)}, refused="Training`")
    two = prefixed(state, "model.") | prefixed(average, "ema.")
    table.dumped("`model.` beside `ema.`", {"state_dict": two}, refused="`ema.body.conv1.bn.bias`")
    arrays = OrderedDict((name, value.numpy()) for name, value in state.items())
    table.dumped("NumPy arrays", arrays, refused="asks for `numpy")
    table.dumped("EMA asked for, none there", {"state_dict": state}, chosen="ema", refused="`model.weights` is")
    other = timm.create_model("resnet18", num_classes=3).state_dict()
    table.dumped("resnet18", other, refused="`resnet`")
    missing = OrderedDict(list(state.items())[:-1])
    table.dumped("a tensor is missing", missing, refused="1 missing")


def reference(path, use, timm_reads, chosen):
    """The logits of the file, as timm reads it."""
    if not timm_reads:
        return logits(copy.deepcopy(use))
    filled = copy.deepcopy(use)
    with torch.no_grad():
        for value in filled.state_dict().values():
            value.zero_()
    timm.models.load_checkpoint(filled, str(path), use_ema=chosen != "raw", weights_only=False)
    return logits(filled)


def imported(program, path, chosen, graph):
    options = ["--weights", chosen] if chosen else []
    command = [program, "model", "import", path, "-o", graph, "--image-size", str(SIZE), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""


def computed(graph):
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {session.get_inputs()[0].name: images().numpy()})[0])


def compare(program, earlier):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        table = Table(folder)
        fill(table)
        worst, wrong = 0.0, []
        print("| file | reference | before | now |\n|---|---|---|---|")
        for what, path, use, timm_reads, chosen, refused in table.rows:
            graph = folder / "graph.onnx"
            before = "not run"
            if earlier:
                code, _ = imported(earlier, path, None, graph)
                before = f"refused ({code})" if code else "read"
                if not code and not refused and (computed(graph) - logits(copy.deepcopy(use))).abs().max() > 1e-4:
                    before = "read as other weights"
            code, message = imported(program, path, chosen, graph)
            if refused:
                now = f"refused: {message[-160:]}"
                if code != 78 or refused not in message:
                    wrong.append((what, code, message))
            elif code:
                now = f"refused: {message[-160:]}"
                wrong.append((what, code, message))
            else:
                theirs = reference(path, use, timm_reads, chosen)
                error = float((computed(graph) - theirs).norm() / theirs.norm())
                worst = max(worst, error)
                now = f"{error:.1e}"
                if not error <= 1e-6:
                    wrong.append((what, error))
            name = "timm" if timm_reads else "the dictionary"
            print(f"| {what} | {'—' if refused else name} | {before} | {now} |", flush=True)
        print(f"\n{len(table.rows)} files, largest relative difference of the logits {worst:.1e}; timm {timm.__version__}, torch {torch.__version__}")
        for each in wrong:
            print("WRONG:", *each, file=sys.stderr)
        sys.exit(bool(wrong))


def fixtures():
    folder = DATA / "training"
    folder.mkdir(exist_ok=True)
    raw = network(1, 3, 3)
    raw.load_state_dict({name: value.half().float() for name, value in raw.state_dict().items()})
    ema = like(raw, 4)
    ema.load_state_dict({name: value.half().float() for name, value in ema.state_dict().items()})
    save_file({"raw": logits(copy.deepcopy(raw)), "ema": logits(copy.deepcopy(ema))}, folder / "logits.safetensors")
    halves = [copy.deepcopy(model).half() for model in (raw, ema)]
    states = [half(model.state_dict()) for model in halves]
    for name, state in zip(("raw", "ema"), states):
        floats = {key: value for key, value in state.items() if value.is_floating_point()}
        save_file(floats, folder / f"{name}.safetensors")
    with tempfile.TemporaryDirectory() as scratch:
        best = saver(pathlib.Path(scratch) / "saver", *halves, arguments())
        (folder / "saver.pth.tar").write_bytes(best.read_bytes())
    torch.save(averaged(torch.compile(halves[0], backend="eager")), folder / "averaged_compiled.pth")
    both = {"model": prefixed(states[0], "module."), "model_ema": prefixed(states[1], "module."), "args": arguments()}
    torch.save(both, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    # the folder is made anew
    for file in (folder / "sharded").glob("*"):
        file.unlink()
    if (folder / "sharded").exists():
        (folder / "sharded").rmdir()
    shards(folder / "sharded", prefixed(states[0], "net."), 2)
    for path in sorted(folder.rglob("*")):
        print(f"{path.relative_to(folder)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    if sys.argv[1] == "fixtures":
        fixtures()
    else:
        compare(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
