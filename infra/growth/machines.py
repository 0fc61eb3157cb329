"""Several machines: segments of the plan as they are frozen, parts by their number, one store, one report at the end."""

import random
import sys
from dataclasses import dataclass
from pathlib import Path

from events import Clock, Places, Shared

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scale import COLUMNS, FOOTERS, SHORT_FOOTER, segments

# how often a process looks for a segment that does not exist yet
LOOK_EVERY = 2.0


@dataclass(frozen=True)
class Fleet:
    """Machines that share a job."""

    machines: int = 1
    images: int = 10**8
    # images a second of one machine, and by how much they differ
    rate: float = 20_000.0
    spread: float = 0.03
    rows_per_part: int = 32_768
    # keys a second of the planner, images a second of the whole store
    planned: float = 140_000.0
    store: float = float("inf")
    # until everything is loaded, and for any request
    start: float = 20.0
    request: float = 0.03


class Work:
    """One job on a fleet."""

    def __init__(self, fleet, seed=1):
        self.fleet, self.random, self.clock = fleet, random.Random(seed), Clock()
        parts = -(-fleet.images // fleet.rows_per_part)
        self.segments = segments(parts, fleet.rows_per_part)
        # of the share of each machine: the store gives all of them no more than it has
        rates = [fleet.rate * self.random.gauss(1, fleet.spread) for _ in range(fleet.machines)]
        self.rates = [max(rate, fleet.rate / 2) for rate in rates]
        self.store = Shared(self.clock, fleet.store, 1.0) if fleet.store != float("inf") else None
        self.frozen, self.ended = [], [0.0] * fleet.machines
        self.images, self.seconds = 0, 0.0

    def run(self):
        fleet, clock = self.fleet, self.clock
        listed, first = fleet.start, 0
        for parts in self.segments:
            last = min((first + parts) * fleet.rows_per_part, fleet.images)
            listed += (last - first * fleet.rows_per_part) / fleet.planned + 3 * fleet.request
            self.frozen.append(listed)
            first += parts
        for machine in range(fleet.machines):
            clock.after(fleet.start, lambda machine=machine: self.walk(machine, 0, 0, Places(clock, 1)))
        clock.run()
        if self.images != fleet.images:
            raise RuntimeError(f"{self.images} of {fleet.images} images are done")
        self.seconds = max(self.ended) + self.report()
        return self

    def report(self):
        parts = sum(self.segments)
        columns = max(COLUMNS * 32_768 // self.fleet.rows_per_part, 1)
        return parts * self.fleet.request * (1 / FOOTERS + 1 / columns)

    def walk(self, machine, segment, first, turn):
        """Reads segment after segment, and does the own parts of each in order."""
        if segment == len(self.segments):
            return
        clock, parts = self.clock, self.segments[segment]

        def seen():
            own = first + (machine - first) % self.fleet.machines
            for part in range(own, first + parts, self.fleet.machines):
                turn.take(1, lambda part=part: self.do(machine, part, turn))
            self.walk(machine, segment + 1, first + parts, turn)

        wait = max(self.frozen[segment] - clock.now, 0.0)
        if machine and wait:
            wait = -(-wait // LOOK_EVERY) * LOOK_EVERY
        requests = 2 if parts <= SHORT_FOOTER else 3
        clock.after(wait + requests * self.fleet.request, seen)

    def do(self, machine, part, turn):
        fleet = self.fleet
        rows = min(fleet.rows_per_part, fleet.images - part * fleet.rows_per_part)

        def ended():
            self.images += rows
            self.ended[machine] = self.clock.now
            turn.give(1)

        if self.store is None:
            self.clock.after(rows / self.rates[machine], ended)
            return
        # a machine is one user of the store, who takes its own rate at most
        self.store.most = fleet.rate
        self.store.add(rows * fleet.rate / self.rates[machine], ended)

    def efficiency(self):
        """Images a second, by that of as many machines with nothing to wait for."""
        return self.fleet.images / self.seconds / sum(self.rates)
