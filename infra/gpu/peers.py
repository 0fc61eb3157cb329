"""The processes of peer.py, as the check calls them."""

import json
import sys
from pathlib import Path

import numpy as np

from program import Clock, CommandFailed, run

SCRIPT = Path(__file__).parent / "peer.py"


def objects(said):
    """The lines that are JSON objects: libraries may print, too."""
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


class Peer:
    def __init__(self, program, clock):
        self.program, self.clock = program, clock
        (facts,) = self.facts()
        self.name, self.device, self.has_gpu, self.ways = (facts[key] for key in ("name", "device", "has_gpu", "ways"))

    def facts(self):
        """Known also in a call that has no time for anything else."""
        return objects(run([sys.executable, SCRIPT, "facts"], Clock()))

    def call(self, *arguments, most=None):
        return objects(run([sys.executable, SCRIPT, *arguments], self.clock, most))

    def request(self, weights, size, **more):
        found = self.program.call("model", "inspect", weights)
        request = {"weights": str(weights), "arch": found["arch"], "classes": found["classes"], "size": size, **more}
        if not self.name.startswith("PyTorch"):
            request["graph"] = str(self.program.work / "imported.onnx")
            self.program.call("model", "import", weights, "-o", request["graph"], "--image-size", size)
        return json.dumps(request)

    def outputs(self, weights, size, pixels):
        """Logits and embeddings by precision."""
        files = [self.program.work / name for name in ("pixels.npy", "peer.npz")]
        np.save(files[0], pixels)
        self.call("outputs", self.request(weights, size), *files)
        found = {}
        with np.load(files[1]) as file:
            for name in file.files:
                kind, output = name.split(".")
                found.setdefault(kind, {})[output] = file[name]
        return found

    def speeds(self, weights, size, way, batches, seconds, rounds, most=None):
        """Rates of one way, an object a batch size and setting, and why it ended before all of them, or `None`."""
        request, ended = self.request(weights, size, way=way, batches=list(batches), seconds=seconds, rounds=rounds), None
        try:
            found = self.call("speeds", request, most=most)
        except CommandFailed as why:
            # the last line may be cut off
            found, ended = objects(why.said.rpartition("\n")[0]), str(why)
            if not found:
                raise
        if not found:
            raise CommandFailed(f"{way} measured nothing")
        return found, ended

    def profile(self, weights, size, batch):
        """A file of ONNX Runtime's on the CPU and the seconds of a batch; `None` with PyTorch, which is not it."""
        if self.name.startswith("PyTorch"):
            return None
        (found,) = self.call("profile", self.request(weights, size, batch=batch), self.program.work / "profile")
        return found["file"], found["seconds"]

    def copies(self, size):
        return {(found["pinned"], found["direction"]): found["bytes_per_s"] for found in self.call("copies", size)}
