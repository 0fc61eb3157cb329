"""One machine: images from a plan to committed parts, in the order in which the program takes its resources."""

import math
import random
from collections import deque
from dataclasses import dataclass, replace

from events import Clock, Places, Pool, Shared

UNIT = 1024
# of the images, between which a run is steady; the last one is never reached
SHARES = (0.3, 0.9, math.inf)


@dataclass(frozen=True)
class Machine:
    """The resources of a machine, and the costs of an image. Seconds are of one core if nothing else is stated."""

    cores: int = 2
    # 0: the network computes on the cores
    devices: int = 1
    # of an image on a device, or on one core; of a batch, whatever it holds
    infer: float = 1 / 25_000
    infer_batch: float = 0.0
    decode: float = 1.35e-3
    # of its logarithm: photographs are of many sizes
    decode_spread: float = 0.4
    # of an image in the task of its part, one after another; and elsewhere on the runtime's threads
    turn: float = 18.5e-6
    read: float = 266e-6
    runtime_threads: int | None = None
    # a part's rows of the plan are read by a request of the output's store, while the part has the turn
    plan_read: float = 0.03
    rows: float = 27e-6
    encode: float = 91e-6
    plan: float = 2e-6
    decode_threads: int | None = None
    batch: int = 64
    depth: int = 2
    requests: int = 4096
    in_flight_bytes: float = 512 * 2**20
    image_bytes: float = 105e3
    rows_per_part: int = 4096
    # images that pass through all stages before the first part
    first_images: int = 16
    row_bytes: float = 7000.0
    latency: float = 0.03
    latency_spread: float = 0.3
    bandwidth: float = 12.5e9
    connection: float = 50e6
    put_latency: float = 0.05
    put_connection: float = 50e6
    # batches that are being filled, and parts that are open
    filling: int | None = None
    open_parts: int | None = None
    # a slot is bound when an image has arrived, or when it is admitted
    slot_at_arrival: bool = True

    def resolved(self):
        """With the program's defaults for fields that are not set."""
        threads = self.decode_threads or self.cores
        requested = max(2, math.ceil(self.requests / self.batch))
        written_to = 1 + math.ceil(threads / self.batch)
        return replace(
            self,
            decode_threads=threads,
            runtime_threads=self.runtime_threads or max(2, math.ceil(self.cores / 4)),
            filling=self.filling or (written_to if self.slot_at_arrival else requested),
            open_parts=self.open_parts or requested + 2,
        )


class Batch:
    def __init__(self, part, images):
        self.part, self.images, self.left = part, images, images
        self.is_bound, self.waiting = False, []


class Part:
    def __init__(self, clock, rows, counts=True):
        self.rows, self.made, self.counts = rows, 0, counts
        self.task = Places(clock, 1)


class Run:
    """One run over `images` of a machine."""

    def __init__(self, machine, images, seed=1):
        self.machine = m = machine.resolved()
        self.images, self.random = images, random.Random(seed)
        self.clock = clock = Clock()
        self.cores = Shared(clock, m.cores)
        self.network = Shared(clock, m.bandwidth, m.connection)
        self.upload = Shared(clock, m.bandwidth, m.put_connection)
        self.permits = Places(clock, m.open_parts)
        self.turn = Places(clock, 1)
        self.bytes = Places(clock, max(int(m.in_flight_bytes / UNIT), 1))
        self.units = math.ceil(m.image_bytes / UNIT)
        self.requests = Places(clock, m.requests)
        # admitted and not decoded; where a slot is bound at once, there are no more than its rows
        beside = max(m.batch, 4 * m.decode_threads)
        self.rows = Places(clock, m.requests + beside if m.slot_at_arrival else 10**9)
        devices = max(m.devices, 1)
        self.depth = m.depth if m.devices else 1
        self.slots = Places(clock, devices * (self.depth + 1) + m.filling)
        self.outputs = Places(clock, devices * (self.depth + 1) + 1)
        self.runtime = Pool(clock, self.cores, m.runtime_threads)
        self.workers = Pool(clock, self.cores, m.decode_threads)
        self.devices = [Places(clock, 1) for _ in range(devices)]
        self.in_flight = [0] * devices
        self.ready = deque()
        self.turn_busy = 0.0
        self.made_images, self.last_rows, self.committed, self.on_their_way = 0, 0.0, 0, 0.0
        self.marks = []

    def run(self):
        first = min(self.machine.first_images, self.images)
        if first:
            part = Part(self.clock, first, counts=False)
            self.turn.take(1, lambda: self.admit(part, 0, None))
        else:
            self.open(self.images)
        self.clock.run()
        if self.committed != self.images:
            raise RuntimeError(f"{self.committed} of {self.images} images were committed: something waits for ever")
        return self

    def open(self, left):
        """Opens parts in the order of the plan, while permits last."""
        if left == 0:
            return
        rows = min(left, self.machine.rows_per_part)
        part = Part(self.clock, rows)

        def opened():
            self.turn.take(1, lambda: self.clock.after(self.machine.plan_read, lambda: self.admit(part, 0, None)))
            self.open(left - rows)

        # the planner is one, and has these keys at the earliest then
        planned = (self.images - left + rows) * self.machine.plan
        wait = max(planned - self.clock.now, 0.0)
        self.clock.after(wait, lambda: self.permits.take(1, opened))

    def in_task(self, part, work, then):
        """Work of a part's task: one after another, on a thread of the runtime."""

        def ended():
            part.task.give(1)
            then()

        self.turn_busy += work
        part.task.take(1, lambda: self.runtime.do(work, ended))

    def admit(self, part, row, batch):
        m = self.machine
        if row == part.rows:
            self.turn.give(1)
            return

        def admitted(batch):
            self.rows.take(1, lambda: self.bytes.take(self.units, lambda: on(batch)))

        def on(batch):
            self.in_task(part, m.turn / 2, lambda: begun(batch))

        def begun(batch):
            self.fetch(part, batch)
            self.admit(part, row + 1, batch)

        if row % m.batch:
            admitted(batch)
            return
        batch = Batch(part, min(m.batch, part.rows - row))

        def bound():
            batch.is_bound = True
            waiting, batch.waiting = batch.waiting, []
            for decode in waiting:
                decode()
            if not m.slot_at_arrival:
                admitted(batch)

        self.slots.take(1, bound)
        if m.slot_at_arrival:
            admitted(batch)

    def fetch(self, part, batch):
        m = self.machine
        # of mean 1
        spread = self.random.lognormvariate(-(m.latency_spread**2) / 2, m.latency_spread)
        began = None

        def asked():
            nonlocal began
            began = self.clock.now
            self.clock.after(m.latency * spread, lambda: self.network.add(m.image_bytes, came))

        def came():
            self.requests.give(1)
            self.on_their_way += self.clock.now - began
            self.runtime.do(m.read, lambda: self.in_task(part, m.turn / 2, arrived))

        def arrived():
            if batch.is_bound:
                self.decode(batch)
            else:
                batch.waiting.append(lambda: self.decode(batch))

        self.requests.take(1, asked)

    def decode(self, batch):
        m = self.machine
        spread = self.random.lognormvariate(-(m.decode_spread**2) / 2, m.decode_spread)

        def decoded():
            self.bytes.give(self.units)
            self.rows.give(1)
            batch.left -= 1
            if batch.left == 0:
                self.ready.append(batch)
                self.submit()

        self.workers.do(m.decode * spread, decoded)

    def submit(self):
        """Gives a batch that is ready to the device with the fewest batches."""
        if not self.ready:
            return
        device = min(range(len(self.in_flight)), key=lambda device: self.in_flight[device])
        if self.in_flight[device] == self.depth:
            return
        batch = self.ready.popleft()
        self.in_flight[device] += 1
        self.outputs.take(1, lambda: self.devices[device].take(1, lambda: self.infer(device, batch)))
        self.submit()

    def infer(self, device, batch):
        m = self.machine

        def ended():
            self.devices[device].give(1)
            self.in_flight[device] -= 1
            self.slots.give(1)
            self.workers.do(m.rows * batch.images, lambda: self.made(batch), urgent=True)
            self.submit()

        work = m.infer_batch + m.infer * batch.images
        if m.devices:
            self.clock.after(work, ended)
            return
        left = m.cores

        def one_ended():
            nonlocal left
            left -= 1
            if left == 0:
                ended()

        for _ in range(m.cores):
            self.cores.add(work / m.cores, one_ended)

    def made(self, batch):
        m, part = self.machine, batch.part
        self.outputs.give(1)
        self.made_images += batch.images
        self.last_rows = self.clock.now
        if self.made_images >= SHARES[len(self.marks)] * self.images:
            self.marks.append((self.clock.now, self.made_images, self.used()))
        part.made += batch.images
        if part.made < part.rows:
            return
        if not part.counts:
            self.open(self.images)
            return

        def encoded():
            self.clock.after(m.put_latency, lambda: self.upload.add(m.row_bytes * part.rows, committed))

        def committed():
            self.committed += part.rows
            self.permits.give(1)

        self.cores.add(m.encode * part.rows, encoded)

    def rate(self):
        """Images a second until the last rows, the first images among them, as the program counts them."""
        return self.made_images / self.last_rows

    def steady(self):
        """Images a second without the beginning and the end."""
        (began, before, _), (ended, after, _) = self.marks
        return (after - before) / (ended - began)

    def used(self):
        """Seconds in which everything there is of each was used, so far."""
        m, now = self.machine, self.clock.now
        used = {
            "cores": self.cores.done() / m.cores,
            "network": self.network.done() / m.bandwidth,
            "requests": self.requests.held() / m.requests,
            "bytes in flight": self.bytes.held() / self.bytes.many,
            "the turn": self.turn_busy,
            "runtime threads": self.runtime.threads.held() / m.runtime_threads,
            # no part is open that could take rows
            "part permits": now - self.turn.held(),
        }
        if m.devices:
            used["devices"] = sum(device.held() for device in self.devices) / m.devices
        return used

    def busy(self):
        """Share of the time in which each was used, without the beginning and the end."""
        (began, _, before), (ended, _, after) = self.marks
        return {name: (after[name] - before[name]) / (ended - began) for name in after}

    def busiest(self):
        """What holds the others up: something that works nearly all the time, or else what is waited for."""
        busy = self.busy()
        waited = {name: busy.pop(name) for name in ("requests", "bytes in flight", "part permits")}
        name = max(busy, key=busy.get)
        return name if busy[name] > 0.9 else max(waited | {name: busy[name]}, key=(waited | busy).get)
