"""The lines of the check: each must be printed, measured and right, or the check fails."""

import sys


class Lines:
    """`wanted` are the names of the lines that must come."""

    def __init__(self, wanted, is_dry):
        self.wanted, self.is_dry = list(wanted), is_dry
        self.printed, self.absent, self.failed = set(), {}, []

    def say(self, name, text, holds=True):
        """A line with what was measured."""
        assert name in self.wanted, f"`{name}` is no line of this check"
        self.printed.add(name)
        if not holds:
            self.failed.append(name)
        print(f"{name:34} {'' if holds else 'DOES NOT HOLD '}{text}", flush=True)

    def not_measured(self, name, why):
        """A line that only a GPU can fill."""
        assert name in self.wanted, f"`{name}` is no line of this check"
        self.absent[name] = why
        print(f"{name:34} not measured: {why}", flush=True)

    def end(self):
        """Exits with 1 unless every line is there and holds."""
        missing = [name for name in self.wanted if name not in self.printed and name not in self.absent]
        wrong = []
        if missing:
            wrong.append(f"missing: {', '.join(missing)}")
        if self.absent and not self.is_dry:
            wrong.append(f"not measured: {', '.join(self.absent)}")
        if self.failed:
            wrong.append(f"does not hold: {', '.join(self.failed)}")
        print(f"{len(self.printed)} of {len(self.wanted)} lines measured", flush=True)
        sys.exit("; ".join(wrong) or 0)
