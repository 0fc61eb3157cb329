"""The lines of the check: each must be printed, measured and right, or the check fails."""

import json
import sys
import time
import traceback
from contextlib import contextmanager


class NoTime(Exception):
    """The call has no time left for it."""


class Lines:
    """`wanted` are the names of the lines that must come; `folder` gets them as they are printed."""

    def __init__(self, wanted, is_dry, folder=None):
        self.wanted, self.is_dry, self.folder = list(wanted), is_dry, folder
        self.printed, self.absent, self.failed, self.broken = set(), {}, [], []
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def print(self, text):
        print(text, flush=True)
        self.append("lines.txt", text)

    def append(self, name, text):
        """Appends to a file at once: a call that is ended at its limit keeps the written lines."""
        if self.folder:
            with open(self.folder / name, "a") as file:
                file.write(f"{text}\n")

    def record(self, name, **values):
        """Writes results, one JSON object a line."""
        self.append("results.jsonl", json.dumps({"name": name, "time": round(time.time(), 1), **values}))

    def say(self, name, text, holds=True):
        """Prints a line with its result."""
        assert name in self.wanted, f"`{name}` is no line of this check"
        self.printed.add(name)
        if not holds:
            self.failed.append(name)
        self.print(f"{name:34} {'' if holds else 'DOES NOT HOLD '}{text}")

    def not_measured(self, name, why):
        """Prints a line that needs a GPU, or for which the call has no time left."""
        assert name in self.wanted, f"`{name}` is no line of this check"
        self.absent[name] = why
        self.print(f"{name:34} not measured: {why}")

    @contextmanager
    def attempt(self, *names):
        """Catches a failure and reports it in each of the lines `names` that is not printed yet."""
        try:
            yield
        except NoTime as why:
            for name in self.open(names):
                self.not_measured(name, str(why))
        except Exception as error:
            self.append("errors.txt", f"{', '.join(names)}\n{traceback.format_exc()}")
            for name in self.open(names):
                self.broken.append(name)
                self.print(f"{name:34} FAILED {' '.join(str(error).split())[:600] or type(error).__name__}")

    def open(self, names):
        done = {*self.printed, *self.absent, *self.broken}
        return [name for name in names if name not in done]

    def end(self):
        """Exits with 1 unless every line is there and holds."""
        wrong = []
        for what, names in (
            ("missing", self.open(self.wanted)),
            ("failed", self.broken),
            ("not measured", [] if self.is_dry else list(self.absent)),
            ("does not hold", self.failed),
        ):
            if names:
                wrong.append(f"{what}: {', '.join(names)}")
        self.print(f"{len(self.printed)} of {len(self.wanted)} lines measured")
        for text in wrong:
            self.append("lines.txt", text)
        sys.exit("; ".join(wrong) or 0)
