"""The program under check, run as a person runs it."""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pyarrow.parquet as pq

from lines import NoTime

OUTPUTS = ("logits", "embedding")
# seconds that a measurement needs at least, to be begun at all
LEAST = 5.0


class CommandFailed(Exception):
    """`said` is what the command wrote to standard output until then."""

    def __init__(self, why, said=""):
        super().__init__(why)
        self.said = said


class Clock:
    """The time left for a call; none: no limit."""

    def __init__(self, budget=None):
        self.end = None if budget is None else time.monotonic() + budget

    def left(self):
        return float("inf") if self.end is None else self.end - time.monotonic()

    def limit(self, most=None, least=LEAST):
        """A time limit for one command, or `NoTime`."""
        left = self.left()
        if left < least:
            raise NoTime(f"{max(left, 0):.0f} s of the call are left")
        limit = min(left, most or left)
        return None if limit == float("inf") else limit


def run(command, clock, most=None, environment=None):
    """Standard output of a command that must succeed in time."""
    command, limit = [str(word) for word in command], clock.limit(most)
    streams = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # in a group of processes, so that its children end with it and release the GPU
    process = subprocess.Popen(command, text=True, env=environment, process_group=0, **streams)
    try:
        said, errors = process.communicate(timeout=limit)
    except BaseException as why:
        os.killpg(process.pid, signal.SIGKILL)
        if not isinstance(why, subprocess.TimeoutExpired):
            raise
        raise CommandFailed(f"`{' '.join(command)}` was ended after {limit:.0f} s", rest(process)) from why
    if process.returncode != 0:
        words = f"{errors[-2000:]}{said[-2000:]}"
        raise CommandFailed(f"`{' '.join(command)}` ended with {process.returncode}: {words}", said)
    return said


def rest(process):
    """Standard output of a process that was ended; a process outside its group may hold the pipe open."""
    try:
        return process.communicate(timeout=10)[0]
    except subprocess.TimeoutExpired:
        return ""


class Program:
    """`library` is the folder or file of ONNX Runtime, named in every call: in folders that anyone may write the program
    looks for none."""

    def __init__(self, binary, device, work, library, clock):
        self.binary, self.device, self.work, self.library, self.clock = str(binary), device, work, library, clock

    def command(self, *arguments):
        named = ["--onnxruntime", self.library] if self.library else []
        return [self.binary, "--json", "--progress", "none", *named, *map(str, arguments)]

    def call(self, *arguments, environment=None, most=None):
        """The result of a command that must succeed."""
        return json.loads(run(self.command(*arguments), self.clock, most, environment))

    def new(self, arch, path):
        """Random weights of the true shapes."""
        if not path.exists():
            self.call("model", "new", "--arch", arch, "-o", path)
        return path

    def job(self, folder, model, precision, batch, engine="", output="", preprocess=""):
        """A job file, and where its rows go; the last three are lines of its tables."""
        rows, file = self.work / "output", self.work / "job.toml"
        shutil.rmtree(rows, ignore_errors=True)
        quoted = {name: json.dumps(str(value)) for name, value in (("in", folder), ("model", model), ("out", rows))}
        file.write_text(
            f"[input]\nuri = {quoted['in']}\n[model]\npath = {quoted['model']}\nprecision = \"{precision}\"\n"
            f"[engine]\ndevice = \"{self.device}\"\nbatch_size = {batch}\n{engine}"
            f"[output]\nuri = {quoted['out']}\n{output}[preprocess]\n{preprocess}[report]\nformats = []\n"
        )
        return file, rows

    def outputs(self, folder, model, precision, size, batch, engine=""):
        """Logits and embeddings in the order of the names; a size is that of squares, which are used unchanged."""
        preprocess = f"image_size = {size}\ncrop_pct = 1.0\n" if size else ""
        output = 'logits = true\nembedding = "f32"\n'
        file, rows = self.job(folder, model, precision, batch, engine, output, preprocess)
        self.call("run", file)
        table = pq.read_table(sorted(rows.glob("part-*.parquet"))).to_pydict()
        keys = sorted(str(path.relative_to(folder)).encode() for path in folder.rglob("*") if path.is_file())
        assert [key.encode() for key in table["key"]] == keys, "the rows are not those of the folder"
        assert set(table["status"]) == {"ok"}, table["error_message"]
        return {name: np.array(table[name], dtype=np.float32) for name in OUTPUTS}

    def bench(self, model, precision, size, batches, seconds, *options, rounds=5, environment=None, most=150):
        """Rows of the engine alone, one for each batch size."""
        sizes = ",".join(map(str, batches))
        arguments = ["bench", "engine", model, "--device", self.device, "--precision", precision, "--image-size", size]
        arguments += ["--batch-size", sizes, "--seconds", seconds, "--rounds", rounds, *options]
        return self.call(*arguments, environment=environment, most=most)["rows"]

    def engine(self, model, precision, size, batch, seconds, *options, **more):
        """Images a second of the engine alone."""
        return self.bench(model, precision, size, [batch], seconds, *options, **more)[0]["images_per_s"]

    def end_to_end(self, folder, model, precision, size, batch, seconds):
        """Rates of the stages alone, and of a run with all of them."""
        file, rows = self.job(folder, model, precision, batch, preprocess=f"image_size = {size}\n")
        stages = self.call("bench", "job", file, "--images", 4096, "--seconds", seconds)
        began = time.perf_counter()
        run = self.call("run", file)
        seconds = time.perf_counter() - began
        shutil.rmtree(rows)
        return stages, run, seconds


def blocking():
    """An environment in which each launch waits for its kernel."""
    return dict(os.environ, CUDA_LAUNCH_BLOCKING="1")
