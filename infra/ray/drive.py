#!/usr/bin/env python3
"""Runs a job on a Ray cluster: plans it once, hands ranges of its parts to slots of the cluster, reports and verifies.

    drive.py JOB [--address ADDRESS] [--cpus 4] [--gpus 1] [--program PATH] [--set TABLE.KEY=VALUE] [--date YYYY-MM-DD]

Every node needs the program, ONNX Runtime and the model at the same paths; the driver sends the job file. Relative paths
are relative to --folder on each node. Variables that the job file names are sent; credentials are not: they come from
each node's environment or role.

A slot is an actor with --cpus and --gpus. It keeps one `run JOB --parts -`, which loads the model once, takes a range on
a line and answers it on a line. Slots are opened while ranges wait for one, and released when none does.

A range is retried when it ends with 69, 74 or 75, when the program is killed, and when Ray loses its slot or its
node; its slot is replaced by a new one. Any other exit code stops everything at once and is the driver's own. Whatever
happens, each part is committed once: the same command resumes. Progress goes to standard error; standard output is one
JSON object.
"""

import argparse
import collections
import datetime
import json
import os
import queue
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray  # noqa: E402

# the program's exit codes that are retried; a negative one is the signal that ended it
RETRIED = (69, 74, 75)
USAGE, UNAVAILABLE, BUG, TRY_AGAIN, CONFIG = 64, 69, 70, 75, 78
# ranges of each slot, so that the last ones end at about the same time
RANGES_PER_SLOT = 8
# a longer range gains nothing, and loses more if its slot is lost
MOST_PARTS = 256
# slots that are opened before the plan is known: they load the model meanwhile
FIRST_SLOTS = 8
# slots that wait for room in the cluster: they are what an autoscaler sees
MOST_WAITING = 1000
PROGRESS_SECONDS, LONGEST_PAUSE = 10, 60.0
# the program ends by itself within `limits.grace_seconds` of SIGTERM
DEFAULT_GRACE_SECONDS, MORE_SECONDS = 25.0, 10.0


class Stop(Exception):
    """Ends the whole run with this exit code."""

    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


class Program(threading.Thread):
    """A command of the program on a node, with what it prints.

    The thread that reads the program is the one that has started it, because the kernel ends a process with the thread
    that has started it: a program that outlives its worker would hold its GPU and its share against the next try.
    """

    def __init__(self, arguments, folder, environment, takes_ranges):
        super().__init__(daemon=True)
        self.arguments, self.folder, self.environment = arguments, folder, environment
        self.stdin = subprocess.PIPE if takes_ranges else subprocess.DEVNULL
        self.process = self.code = None
        self.last, self.lines, self.begun = {}, queue.SimpleQueue(), threading.Event()
        self.start()

    def run(self):
        import ctypes

        libc, worker = ctypes.CDLL(None, use_errno=True), os.getpid()

        def end_with_the_worker():
            if libc.prctl(1, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != worker:
                os._exit(75)

        places = {"cwd": self.folder, "stdin": self.stdin, "stdout": subprocess.PIPE}
        try:
            self.process = subprocess.Popen(
                self.arguments, env=self.environment, preexec_fn=end_with_the_worker, **places
            )
        except OSError as error:
            where = os.uname().nodename
            why = f"`{self.arguments[0]}` cannot be started in `{self.folder}` on {where}: {error}"
            self.code, self.last = 78, {"error": why}
        self.begun.set()
        if self.process:
            for line in self.process.stdout:
                self.lines.put(line)
            self.code = self.process.wait()
        self.lines.put(None)

    def line(self):
        """The next object that it prints; none at its end. An end in the middle of a line leaves no object."""
        line = self.lines.get()
        if line is None:
            self.lines.put(None)
            return None
        try:
            self.last = json.loads(line.decode(errors="replace"))
        except json.JSONDecodeError:
            self.last = {}
        return self.last

    def ask(self, parts):
        """Sends it a range and waits for the answer, or for its end. Returns the range's exit code and result."""
        self.begun.wait()
        if self.process:
            try:
                self.process.stdin.write(f"{parts}\n".encode())
                self.process.stdin.flush()
            except OSError:
                pass  # it has ended; its exit code is read now
        while (line := self.line()) is not None:
            if line.get("range") == parts:
                return line["exit"], line
        if self.code == 0:
            return BUG, {"error": f"`{self.arguments[0]}` ended and did not answer the range {parts}"}
        return self.code, self.last

    def result(self):
        """Waits for its end. Returns its exit code and the last object that it printed."""
        while self.line() is not None:
            pass
        return self.code, self.last

    def end(self, patience):
        """Sends SIGTERM, and SIGKILL if the process has not ended after `patience` seconds."""
        self.begun.wait()
        if self.process:
            self.process.terminate()
            self.close()
            self.wait(patience)
            self.process.kill()
            self.process.wait()

    def leave(self, patience):
        """Lets a program without a range end by itself."""
        self.begun.wait()
        if self.process:
            self.close()
            if not self.wait(patience):
                self.end(patience)

    def close(self):
        try:
            if self.process.stdin:
                self.process.stdin.close()
        except OSError:
            pass  # it has ended, and a range that it has not read is lost with it

    def wait(self, patience):
        try:
            self.process.wait(patience)
            return True
        except subprocess.TimeoutExpired:
            return False


class Slot:
    """An actor: CPUs and GPUs of one node, and the program that keeps its model there. Its methods run side by side."""

    def __init__(self, program, name, text, folder, variables, patience):
        self.scratch = tempfile.TemporaryDirectory(prefix="tresnet-batch-")
        self.file = Path(self.scratch.name, name)
        self.file.write_text(text, encoding="utf-8")
        self.program, self.folder, self.patience = program, folder, patience
        self.environment = {**os.environ, **variables}
        self.where = os.uname().nodename
        self.keeper = self.other = None

    def start(self, command, options, takes_ranges):
        arguments = [self.program, command, self.file, "--json", "--progress", "none", *options]
        return Program(arguments, self.folder, self.environment, takes_ranges)

    def begin(self, options):
        """Starts the program that takes ranges. A failure shows with its first range."""
        self.keeper = self.start("run", ["--parts", "-", *options], True)
        return 0, {}, self.where

    def take(self, parts):
        """Runs a range. Returns its exit code, its result and the node."""
        return *self.keeper.ask(parts), self.where

    def once(self, command, options, is_alone):
        """Runs another command, beside the program that takes ranges or after it."""
        if is_alone:
            self.keeper.leave(self.patience)
        self.other = self.start(command, options, False)
        return *self.other.result(), self.where

    def end(self, now):
        """Ends the program of this slot, by SIGTERM or after its range."""
        for program in filter(None, (self.keeper, self.other)):
            (program.end if now else program.leave)(self.patience)
        self.scratch.cleanup()
        return 0, {}, self.where


def say(text):
    print(f"drive: {text}", file=sys.stderr, flush=True)


def duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"


def cut(missing, count, parts, size):
    """Ranges over the missing parts, about `size` of them each; `status` names the first ten gaps only."""
    gaps = [tuple(map(int, (gap.split("-") * 2)[:2])) for gap in missing]
    named = sum(last - first + 1 for first, last in gaps)
    if named < count:
        gaps.append((gaps[-1][1] + 1, parts - 1))
    ranges, first, taken = [], None, 0
    for low, high in gaps:
        while low <= high:
            if first is None:
                first, taken = low, 0
            step = min(high - low + 1, size - taken)
            low, taken = low + step, taken + step
            last = low - 1
            if taken == size:
                ranges.append((first, last, taken))
                first = None
    if first is not None:
        ranges.append((first, last, taken))
    return ranges


class Job:
    """One job, its slots, and the arguments of each command of the program."""

    def __init__(self, arguments):
        self.arguments = arguments
        try:
            self.text = arguments.job.read_text(encoding="utf-8")
            tables = tomllib.loads(self.text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Stop(CONFIG, f"the job file `{arguments.job}` cannot be read: {error}") from error
        # the day of a run must not change at midnight, nor differ between nodes
        self.common = ["--date", arguments.date, *(word for key in arguments.set for word in ("--set", key))]
        typed = {key.split("=")[0].strip() for key in arguments.set}
        self.threads = []
        for table, key in (("engine", "threads"), ("limits", "decode_threads")):
            if f"{table}.{key}" not in typed and key not in tables.get(table, {}):
                self.threads += ["--set", f"{table}.{key}={arguments.cpus}"]
        named = set(re.findall(r"\$\{(\w+)", "\n".join([self.text, *arguments.set])))
        self.variables = {name: os.environ[name] for name in named if name in os.environ}
        grace = [key.split("=", 1)[1] for key in arguments.set if key.split("=")[0].strip() == "limits.grace_seconds"]
        grace = (grace or [tables.get("limits", {}).get("grace_seconds")])[-1]
        try:
            self.patience = float(grace) + MORE_SECONDS
        except (TypeError, ValueError):  # not named, or not a valid value
            self.patience = DEFAULT_GRACE_SECONDS + MORE_SECONDS
        self.slot = ray.remote(Slot)

    def options(self, command, *options):
        return [*options, *self.common, *(self.threads if command in ("plan", "run") else [])]

    def open(self):
        """A new slot, which waits for room in the cluster."""
        arguments = self.arguments
        slot = self.slot.options(
            num_cpus=arguments.cpus,
            # the plan freezes precision and rows a part by the device that it finds, so that it runs in a slot, too
            num_gpus=arguments.gpus,
            # tries are counted here
            max_restarts=0,
            max_task_retries=0,
            # a range, another command, and the end of both
            max_concurrency=4,
            scheduling_strategy="SPREAD",
        )
        name, folder = arguments.job.name, arguments.folder
        return slot.remote(arguments.program, name, self.text, folder, self.variables, self.patience)


class Place:
    """A slot as the driver sees it."""

    def __init__(self, actor):
        self.actor = actor
        # it waits for room in the cluster; it is open and has no work
        self.is_pending, self.is_idle = True, False


class Drive:
    def __init__(self, arguments):
        self.arguments, self.job = arguments, Job(arguments)
        self.signal = None
        # slots, and their calls: each reference has (what, place, range)
        self.places, self.running = [], {}
        self.waiting, self.later = collections.deque(), []
        self.parts = self.rows = self.to_do = self.done = self.retried = self.lost = self.unopened = 0
        self.began = self.told = time.monotonic()

    def interrupt(self, number, _frame):
        self.signal = number

    def ask(self, what, place, reference, item=None):
        self.running[reference] = what, place, item
        place.is_idle = False

    def open(self, many):
        """Opens slots. Each begins to load the model as soon as it has room."""
        for _ in range(many):
            place = Place(self.job.open())
            self.places.append(place)
            self.ask("begin", place, place.actor.begin.remote(self.job.options("run")))

    def give_back(self, place):
        """Releases a slot; a program that has no range ends by itself."""
        self.places.remove(place)
        if place.is_pending:
            self.running = {reference: asked for reference, asked in self.running.items() if asked[1] is not place}
            ray.kill(place.actor)
        else:
            self.ask("end", place, place.actor.end.remote(False))

    def adjust(self, wanted):
        """Has as many slots without work as ranges wait for one, and one at least."""
        unused = [place for place in self.places if place.is_pending or place.is_idle]
        self.open(min(wanted, MOST_WAITING) - len(unused))
        # those that have waited for the shortest time first, those that have loaded the model last
        unused.sort(key=lambda place: place.is_pending)
        for place in reversed(unused[wanted:]):
            if len(self.places) > 1:
                self.give_back(place)

    def end_of(self, reference):
        """Returns the end of a call: its exit code (none if Ray lost its slot), its result, and a text."""
        try:
            code, summary, where = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise Stop(BUG, f"a bug: {error}") from error
        except (
            ray.exceptions.RuntimeEnvSetupError,
            ray.exceptions.TaskUnschedulableError,
            ray.exceptions.ActorUnschedulableError,
        ) as error:
            raise Stop(UNAVAILABLE, f"Ray cannot run the tasks: {error}") from error
        except ray.exceptions.RayError as error:
            return None, {}, f"Ray lost its worker or its node ({type(error).__name__})"
        if code < 0:
            why = f"the program was killed by signal {-code} on {where}"
        else:
            why = f"exit {code} on {where}: {summary.get('error', 'it printed no result')}"
        return code, summary, why

    def ended(self):
        """Ranges and commands that have ended, as soon as one has or half a second is over."""
        if self.running:
            references = ray.wait(list(self.running), timeout=0.5, fetch_local=False)[0]
        else:
            references = []
            time.sleep(0.2)
        if self.signal is not None:
            raise Stop(TRY_AGAIN, f"interrupted by {signal.Signals(self.signal).name}; the same command goes on")
        ended = []
        for reference in references:
            what, place, item = self.running.pop(reference)
            if what == "end":
                ray.kill(place.actor)
                continue
            code, summary, why = self.end_of(reference)
            place.is_pending, place.is_idle = False, True
            if code is None:
                self.places.remove(place)
            elif what == "range" and code != 0:
                # the program has ended, and a new slot may be on another node
                self.give_back(place)
            if what == "begin":
                self.opened(code, why)
            else:
                ended.append((what, item, code, summary, why))
        return ended

    def opened(self, code, why):
        """Counts slots that were lost before they began, one after the other."""
        self.unopened = 0 if code == 0 else self.unopened + 1
        if self.unopened >= self.arguments.losses:
            raise Stop(TRY_AGAIN, f"{self.unopened} slots were lost before they began, the last one because {why}")

    def pause(self, times):
        return min(self.arguments.pause * 2 ** (times - 1), LONGEST_PAUSE) * random.uniform(0.75, 1.25)

    def try_again(self, what, code, why, tries, losses):
        """Counts a failed try; returns how long to wait for the next one, or stops if no try is left."""
        if code is None:
            self.lost += 1
            if losses >= self.arguments.losses:
                raise Stop(TRY_AGAIN, f"{what} was lost {losses} times, the last time because {why}")
        elif code < 0 or code in RETRIED:
            self.retried += 1
            if tries >= self.arguments.tries:
                raise Stop(TRY_AGAIN if code < 0 else code, f"{what} failed {tries} times, the last time: {why}")
        else:
            raise Stop(code, f"{what}: {why}")
        pause = self.pause(tries + losses)
        say(f"{what}: tried again in {pause:.0f} s, since {why}")
        return pause

    def free_place(self):
        """Waits for a slot without work."""
        while not (idle := [place for place in self.places if place.is_idle]):
            self.open(0 if self.places else 1)
            self.ended()
        return idle[0]

    def once(self, command, *options, is_alone=False):
        """Runs one command to its end, while no ranges run, and returns its result."""
        tries = losses = 0
        while True:
            place = self.free_place()
            self.ask("once", place, place.actor.once.remote(command, self.job.options(command, *options), is_alone))
            while not (ended := self.ended()):
                pass
            ((_, _, code, summary, why),) = ended
            if code == 0:
                return summary
            tries, losses = tries + (code is not None), losses + (code is None)
            until = time.monotonic() + self.try_again(f"`{command}`", code, why, tries, losses)
            while time.monotonic() < until:
                self.ended()

    def tell(self, last=False):
        now = time.monotonic()
        if not last and now - self.told < PROGRESS_SECONDS:
            return
        self.told = now
        stood, seconds = self.parts - self.to_do, now - self.began
        images = self.rows * self.done / max(self.parts, 1)
        text = f"{stood + self.done:,} of {self.parts:,} parts, {images / max(seconds, 1e-9):,.1f} images/s"
        if 0 < self.done < self.to_do:
            text += f", {duration(seconds / self.done * (self.to_do - self.done))} left"
        handed_out = sum(what == "range" for what, _, _ in self.running.values())
        say(f"{text}; {handed_out:,} ranges handed out, {self.retried} tried again, {self.lost} lost")

    def run_ranges(self, ranges):
        """Runs every range to its end; returns whether one of them has finished the job."""
        self.waiting.extend((first, last, count, 0, 0) for first, last, count in ranges)
        finished, at_work = False, 0
        while self.waiting or self.later or at_work:
            now = time.monotonic()
            self.waiting.extendleft(item for at, item in self.later if at <= now)
            self.later = [(at, item) for at, item in self.later if at > now]
            for place in [place for place in self.places if place.is_idle]:
                if self.waiting:
                    item = self.waiting.popleft()
                    self.ask("range", place, place.actor.take.remote(f"{item[0]}-{item[1]}"), item)
                    at_work += 1
            self.adjust(len(self.waiting) + len(self.later))
            for _, (first, last, count, tries, losses), code, summary, why in self.ended():
                at_work -= 1
                if code == 0:
                    self.done += count
                    finished |= summary.get("complete") is True
                    continue
                tries, losses = tries + (code is not None), losses + (code is None)
                pause = self.try_again(f"parts {first}-{last}", code, why, tries, losses)
                self.later.append((time.monotonic() + pause, (first, last, count, tries, losses)))
            self.tell()
        return finished

    def slots(self):
        """Slots that the cluster has room for, if nothing else uses it."""
        has = ray.cluster_resources()
        slots = has.get("CPU", 0) / self.arguments.cpus
        if self.arguments.gpus:
            slots = min(slots, has.get("GPU", 0) / self.arguments.gpus)
        return max(int(slots), 1)

    def size(self, missing):
        """Parts of a range."""
        if self.arguments.parts_per_task:
            return self.arguments.parts_per_task
        return min(max(-(-missing // (RANGES_PER_SLOT * self.slots())), 1), MOST_PARTS)

    def warn_of_nodes_too_small(self):
        wanted = {"CPU": self.arguments.cpus, "GPU": self.arguments.gpus}
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= number for name, number in wanted.items()) for node in alive):
            say(f"no node has {wanted['CPU']} CPUs and {wanted['GPU']} GPUs now: the slots wait for one")

    def run(self):
        self.warn_of_nodes_too_small()
        self.open(min(self.slots(), FIRST_SLOTS))
        plan = self.once("plan", "--write")
        self.parts, self.rows = plan["parts"], plan["rows"]
        status = self.once("status")
        missing = status["missing_parts"]
        ranges = cut(status["missing"], missing, self.parts, self.size(missing)) if missing else []
        self.to_do = sum(count for _, _, count in ranges)
        say(f"{self.rows:,} images in {self.parts:,} parts; {missing:,} parts to do, in {len(ranges):,} ranges")
        self.began = time.monotonic()
        finished = self.run_ranges(ranges) or status["complete"]
        seconds = time.monotonic() - self.began
        if not finished:
            # the process that wrote the last part died before it could finish the job, or no image is new and the plan
            # has no parts
            self.once("run", *(["--parts", "0-0"] if self.parts else []), is_alone=True)
        self.tell(last=True)
        report = self.once("report", is_alone=True)
        rate = self.rows * missing / max(self.parts, 1) / max(seconds, 1e-9)
        facts = {"complete": report["complete"], "output": plan["output"], "metrics": report["metrics"]}
        facts |= {"parts": self.parts, "rows": self.rows, "resumed_parts": self.parts - missing}
        facts |= {"ranges": len(ranges), "seconds": round(seconds, 2), "images_per_s": round(rate, 2)}
        if self.arguments.verify:
            facts["verified"] = self.once("verify", is_alone=True)["complete"]
        return facts

    def end_slots(self, now):
        """Ends every slot. With `now` its program gets SIGTERM: parts that it finishes within its grace are kept."""
        leaving = [reference for reference, (what, _, _) in self.running.items() if what == "end"]
        ends = leaving + [place.actor.end.remote(now) for place in self.places if not place.is_pending]
        if ends:
            ray.wait(ends, num_returns=len(ends), timeout=self.job.patience + 5)
        for place in {*self.places, *(place for _, place, _ in self.running.values())}:
            ray.kill(place.actor)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", type=Path, help="the job file (TOML)")
    parser.add_argument("--address", help="the cluster (default: RAY_ADDRESS, one that runs here, or a new one here)")
    parser.add_argument("--program", default="tresnet-batch", help="the program on each node (default: by PATH)")
    parser.add_argument("--folder", default=os.getcwd(), help="where it is started there (default: this folder)")
    parser.add_argument("--cpus", type=int, default=4, help="CPUs of a slot, and the threads it uses (default: 4)")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of a slot (default: 0)")
    parser.add_argument("--parts-per-task", type=int, help="parts of a range (default: 8 ranges for each slot)")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="as the program's")
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    parser.add_argument("--date", default=today, metavar="YYYY-MM-DD", help="as the program's")
    parser.add_argument("--tries", type=int, default=5, help="tries of one range that may fail (default: 5)")
    parser.add_argument("--losses", type=int, default=10, help="slots that one range may lose (default: 10)")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds before the second try, then doubled")
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="leave out the check of every row")
    parser.add_argument("--logs", action="store_true", help="show the programs' standard error here")
    arguments = parser.parse_args()
    for name in ("cpus", "tries", "losses", "parts_per_task"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    return arguments


def connect(arguments):
    try:
        ray.init(address=arguments.address, log_to_driver=arguments.logs, logging_level="warning")
    except (ConnectionError, TimeoutError) as error:
        raise Stop(UNAVAILABLE, f"no Ray cluster answers at `{arguments.address or 'this machine'}`: {error}") from error
    except (RuntimeError, ValueError) as error:
        raise Stop(CONFIG, f"this Ray cannot join the cluster: {error}") from error


def drive(arguments):
    """Returns the exit code and the fields of the result."""
    running = None
    try:
        running = Drive(arguments)
        connect(arguments)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, running.interrupt)
        code, facts = 0, running.run()
        running.end_slots(now=False)
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        code, facts = stop.code, {"error": str(stop), "complete": False}
        if running:
            running.end_slots(now=True)
    except ray.exceptions.RayError as error:
        print(f"error: Ray failed: {error}", file=sys.stderr)
        code, facts = UNAVAILABLE, {"error": f"Ray failed: {error}", "complete": False}
    if running:
        facts |= {"retried": running.retried, "lost": running.lost}
    if not arguments.logs:
        # at the end of the interpreter Ray waits half a second for logs
        ray.shutdown()
    return code, facts


def main():
    try:
        arguments = parse()
    except SystemExit as wrong:
        if wrong.code:
            print(json.dumps({"command": "drive", "exit": USAGE, "error": "the command line makes no sense"}))
            sys.exit(USAGE)
        raise
    # Ray prints what happens to its nodes
    result, sys.stdout = sys.stdout, sys.stderr
    code, facts = drive(arguments)
    print(json.dumps({"command": "drive", "exit": code, **facts}), file=result, flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
