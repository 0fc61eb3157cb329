"""The parts of a simulation: a clock, resources that are taken in turn, and capacities that users share equally."""

import heapq
import itertools
from collections import deque


class Clock:
    """Does what is due, in the order of time."""

    def __init__(self):
        self.now = 0.0
        self._due = []
        self._order = itertools.count()

    def after(self, seconds, then):
        heapq.heappush(self._due, (self.now + seconds, next(self._order), then))

    def run(self):
        while self._due:
            self.now, _, then = heapq.heappop(self._due)
            then()


class Places:
    """A number of places of one kind, taken in the order of asking: a semaphore."""

    def __init__(self, clock, many):
        self.clock, self.many, self.free = clock, many, many
        self._waiting = deque()
        self._held, self._since = 0.0, 0.0

    def _count(self):
        self._held += (self.many - self.free) * (self.clock.now - self._since)
        self._since = self.clock.now

    def take(self, units, then):
        units = min(units, self.many)
        if not self._waiting and self.free >= units:
            self._count()
            self.free -= units
            then()
        else:
            self._waiting.append((units, then))

    def give(self, units):
        self._count()
        self.free += min(units, self.many)
        while self._waiting and self.free >= self._waiting[0][0]:
            units, then = self._waiting.popleft()
            self.free -= units
            then()

    def held(self):
        """Units in use, times the seconds that they were, so far."""
        self._count()
        return self._held


class Shared:
    """A capacity that all users share equally, each at most `most` of it: cores by threads, a network by connections."""

    def __init__(self, clock, capacity, most=1.0):
        self.clock, self.capacity, self.most = clock, capacity, most
        self._ends = []
        self._order = itertools.count()
        # what each has got since the beginning, and until when that is so
        self._got, self._until = 0.0, 0.0
        self._planned = None
        self._done = 0.0

    def _rate(self):
        return min(self.most, self.capacity / len(self._ends)) if self._ends else 0.0

    def _advance(self):
        got = (self.clock.now - self._until) * self._rate()
        self._got += got
        self._done += got * len(self._ends)
        self._until = self.clock.now

    def done(self):
        """Work that was done so far, for all."""
        self._advance()
        return self._done

    def add(self, work, then):
        self._advance()
        heapq.heappush(self._ends, (self._got + work, next(self._order), then))
        self._plan()

    def _plan(self):
        if not self._ends:
            self._planned = None
            return
        plan = (self._ends[0][1], self._rate())
        if plan == self._planned:
            return
        self._planned = plan
        seconds = max(self._ends[0][0] - self._got, 0.0) / plan[1]
        self.clock.after(seconds, lambda: self._ended(plan))

    def _ended(self, plan):
        # another user came or went meanwhile, and another event replaces this one. The events are not compared by value,
        # because a later plan may be equal at another time
        if plan is not self._planned:
            return
        self._advance()
        _, _, then = heapq.heappop(self._ends)
        self._planned = None
        self._plan()
        then()


class Pool:
    """Threads that do one thing after another on shared cores; what is urgent first."""

    def __init__(self, clock, cores, threads):
        self.threads = Places(clock, threads)
        self.cores, self.idle = cores, threads
        self._urgent, self._waiting = deque(), deque()

    def do(self, work, then, urgent=False):
        (self._urgent if urgent else self._waiting).append((work, then))
        self._begin()

    def _begin(self):
        while self.idle and (self._urgent or self._waiting):
            work, then = (self._urgent or self._waiting).popleft()
            self.idle -= 1
            self.threads.take(1, lambda: None)
            self.cores.add(work, lambda then=then: self._end(then))

    def _end(self, then):
        self.idle += 1
        self.threads.give(1)
        then()
        self._begin()
