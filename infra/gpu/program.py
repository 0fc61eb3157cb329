"""The program under check, run as a person runs it."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq

OUTPUTS = ("logits", "embedding")


class Program:
    def __init__(self, binary, device, work):
        self.binary, self.device, self.work = str(binary), device, work

    def call(self, *arguments, environment=None):
        """The result of a command that must succeed."""
        command = [self.binary, "--json", "--progress", "none", *map(str, arguments)]
        run = subprocess.run(command, text=True, capture_output=True, env=environment)
        if run.returncode != 0:
            sys.exit(f"`{' '.join(command)}` ended with {run.returncode}:\n{run.stderr}{run.stdout}")
        return json.loads(run.stdout)

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

    def outputs(self, folder, model, precision, size, batch):
        """Logits and embeddings in the order of the names; a size is that of squares, which are taken as they are."""
        # in single precision the device is to compute in single precision
        engine = "tf32 = false\n" if precision == "fp32" and self.device == "cuda" else ""
        preprocess = f"image_size = {size}\ncrop_pct = 1.0\n" if size else ""
        output = 'logits = true\nembedding = "f32"\n'
        file, rows = self.job(folder, model, precision, batch, engine, output, preprocess)
        self.call("run", file)
        table = pq.read_table(sorted(rows.glob("part-*.parquet"))).to_pydict()
        keys = sorted(str(path.relative_to(folder)).encode() for path in folder.rglob("*") if path.is_file())
        assert [key.encode() for key in table["key"]] == keys
        assert set(table["status"]) == {"ok"}, table["error_message"]
        return {name: np.array(table[name], dtype=np.float32) for name in OUTPUTS}

    def engine(self, model, precision, size, batch, seconds, *options, environment=None):
        """Images a second of the engine alone."""
        arguments = ["bench", "engine", model, "--device", self.device, "--precision", precision]
        arguments += ["--image-size", size, "--batch-size", batch, "--seconds", seconds, "--rounds", 5, *options]
        return self.call(*arguments, environment=environment)["rows"][0]["images_per_s"]

    def end_to_end(self, folder, model, precision, size, batch, seconds):
        """What the stages do alone, and what a run does with all of them."""
        file, rows = self.job(folder, model, precision, batch, preprocess=f"image_size = {size}\n")
        stages = self.call("bench", "job", file, "--images", 4096, "--seconds", seconds)
        began = time.perf_counter()
        run = self.call("run", file)
        seconds = time.perf_counter() - began
        shutil.rmtree(rows)
        return stages, run, seconds
