"""infra/gpu/check.py as on a machine with a GPU, over the recording libraries: PyTorch is replaced by numbers that
were not measured, and everything else is called as there. Takes the arguments of check.py."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "infra/gpu"))

import check  # noqa: E402
import peers  # noqa: E402
from program import CommandFailed  # noqa: E402


class Canned(peers.Peer):
    def facts(self):
        ways = ["eager", "torch.compile", "torch.compile freezing", "torch.compile max-autotune"]
        return [{"name": "PyTorch, canned", "device": "cuda", "has_gpu": True, "ways": ways}]

    def speeds(self, weights, size, way, batches, seconds, rounds, most=None):
        if way.endswith("max-autotune"):
            raise CommandFailed("it does not compile")
        rows = [(batch, search) for batch in batches for search in (False, True)]
        rates = [{"way": way, "batch": batch, "images_per_s": 1000.0 + batch + search} for batch, search in rows]
        return rates, "it took too long" if way.endswith("freezing") else None

    def outputs(self, weights, size, pixels):
        found = self.program.call("model", "inspect", weights)
        generator = np.random.default_rng(size)
        widths = (("logits", found["classes"]), ("embedding", found["embedding"]))
        rows = {name: generator.normal(size=(len(pixels), width)) for name, width in widths}
        return {kind: rows for kind in ("float64", "float32", "float16")}

    def copies(self, size):
        return {(pinned, direction): 1e9 for pinned in (True, False) for direction in ("in", "out")}


if __name__ == "__main__":
    check.Peer = Canned
    check.Check(check.arguments()).run()
