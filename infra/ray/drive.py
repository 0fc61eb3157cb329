#!/usr/bin/env python3
"""Runs a job on a Ray cluster: plans it once, runs ranges of its parts as Ray tasks, reports and verifies.

    drive.py JOB [--address ADDRESS] [--cpus 4] [--gpus 1] [--program PATH] [--set TABLE.KEY=VALUE] [--date YYYY-MM-DD]

Every node needs the program, ONNX Runtime and the model at the same paths; the job file is sent along. Relative paths
count from --folder on each node. Variables that the job file names are sent; credentials are not: they come from each
node's environment or role.

A range is tried again when the program ends with 69, 74 or 75 or is killed, and when Ray loses its worker or its node.
Any other exit code stops everything at once and is the driver's own. Whatever happens, each part stands once: the same
command takes up where it was. Progress goes to standard error; standard output is one JSON object.
"""

import argparse
import collections
import datetime
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray  # noqa: E402

# the program's exit codes that another try may mend; a negative one is the signal that ended it
RETRIED = (69, 74, 75)
USAGE, UNAVAILABLE, BUG, TRY_AGAIN, CONFIG = 64, 69, 70, 75, 78
# ranges of each slot, so that the last ones end at about the same time
RANGES_PER_SLOT = 8
# a longer range gains nothing: starting the program is nothing against it
MOST_PARTS = 256
# tasks that Ray is handed at once
MOST_PENDING = 5000
PROGRESS_SECONDS, LONGEST_PAUSE = 10, 60.0
# the program ends by itself within `limits.grace_seconds` of SIGTERM
DEFAULT_GRACE_SECONDS, MORE_SECONDS = 25.0, 10.0


class Stop(Exception):
    """The end of the whole run, with the exit code that it means."""

    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


def call(program, command, name, job, options, folder, variables, patience):
    """Runs on a node: one command of the program. Gives its exit code, its result and where it ran."""
    import ctypes
    import tempfile

    # Ray cancels by Python's handler of SIGINT, which Python lacks where a shell started the node in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
    libc, worker = ctypes.CDLL(None, use_errno=True), os.getpid()

    def end_with_the_worker():
        # a program that outlives its worker would hold its GPU and its share against the next try
        if libc.prctl(1, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != worker:
            os._exit(75)

    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as printed:
        file = Path(scratch, name)
        file.write_text(job, encoding="utf-8")
        arguments = [program, command, file, "--json", "--progress", "none", *options]
        where = os.uname().nodename
        # an exception could come when the program has begun and nobody waits for it yet
        interrupts = []
        signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
        try:
            places = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": printed}
            environment = {**os.environ, **variables}
            process = subprocess.Popen(arguments, env=environment, preexec_fn=end_with_the_worker, **places)
            while process.poll() is None and not interrupts:
                time.sleep(0.05)
            if interrupts:
                end(process, patience)
                raise KeyboardInterrupt
        except OSError as error:
            return 78, {"error": f"`{program}` cannot be started in `{folder}` on {where}: {error}"}, where
        finally:
            # Ray takes a worker for the next task, which may be cancelled before it comes here
            signal.signal(signal.SIGINT, signal.default_int_handler)
        printed.seek(0)
        try:
            summary = json.loads(printed.read().decode(errors="replace"))
        except json.JSONDecodeError:  # it was killed
            summary = {}
        return process.returncode, summary, where


def end(process, patience):
    """SIGTERM, and SIGKILL where that does not help in so many seconds."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
    """The program's commands on one job, as Ray tasks."""

    def __init__(self, arguments):
        self.arguments = arguments
        try:
            self.text = arguments.job.read_text(encoding="utf-8")
            tables = tomllib.loads(self.text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Stop(CONFIG, f"the job file `{arguments.job}` cannot be read: {error}") from error
        # a run must not change its day at midnight, nor have another one on another node
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
        except (TypeError, ValueError):  # not named, or nothing that the program takes
            self.patience = DEFAULT_GRACE_SECONDS + MORE_SECONDS
        self.call = ray.remote(call)

    def start(self, command, *options):
        arguments = self.arguments
        task = self.call.options(
            name=" ".join([command, *options[:2]]),
            num_cpus=arguments.cpus,
            # the plan freezes precision and rows a part by the device that it finds
            num_gpus=arguments.gpus if command in ("plan", "run") else 0,
            # tries are counted here
            max_retries=0,
            scheduling_strategy="SPREAD",
        )
        given = [*options, *self.common, *(self.threads if command in ("plan", "run") else [])]
        name, folder = arguments.job.name, arguments.folder
        return task.remote(
            arguments.program, command, name, self.text, given, folder, self.variables, self.patience
        )


class Drive:
    def __init__(self, arguments):
        self.arguments, self.job = arguments, Job(arguments)
        self.signal = None
        self.running = {}
        self.waiting, self.later = collections.deque(), []
        self.parts = self.rows = self.to_do = self.done = self.retried = self.lost = 0
        self.began = self.told = time.monotonic()

    def interrupt(self, number, _frame):
        self.signal = number

    def end_of(self, reference):
        """What became of a task: its exit code (none where Ray lost it), its result, and in words."""
        try:
            code, summary, where = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise Stop(BUG, f"a bug: {error}") from error
        except (ray.exceptions.RuntimeEnvSetupError, ray.exceptions.TaskUnschedulableError) as error:
            raise Stop(UNAVAILABLE, f"Ray cannot run the tasks: {error}") from error
        except ray.exceptions.RayError as error:
            return None, {}, f"Ray lost its worker or its node ({type(error).__name__})"
        if code < 0:
            why = f"the program was killed by signal {-code} on {where}"
        else:
            why = f"exit {code} on {where}: {summary.get('error', 'it printed no result')}"
        return code, summary, why

    def ended(self, references):
        """Tasks that have ended, as soon as one has or half a second is over."""
        ended = ray.wait(references, timeout=0.5, fetch_local=False)[0] if references else []
        if not references:
            time.sleep(0.2)
        if self.signal is not None:
            raise Stop(TRY_AGAIN, f"interrupted by {signal.Signals(self.signal).name}; the same command goes on")
        return ended

    def pause(self, times):
        return min(self.arguments.pause * 2 ** (times - 1), LONGEST_PAUSE) * random.uniform(0.75, 1.25)

    def try_again(self, what, code, why, tries, losses):
        """Counts a failed try; gives how long to wait for the next one, or stops where there is none."""
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

    def once(self, command, *options):
        """One command to its end. Gives its result."""
        tries = losses = 0
        while True:
            reference = self.job.start(command, *options)
            self.running[reference] = None
            while not self.ended([reference]):
                pass
            del self.running[reference]
            code, summary, why = self.end_of(reference)
            if code == 0:
                return summary
            tries, losses = tries + (code is not None), losses + (code is None)
            until = time.monotonic() + self.try_again(f"`{command}`", code, why, tries, losses)
            while time.monotonic() < until:
                self.ended([])

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
        say(f"{text}; {len(self.running):,} ranges handed out, {self.retried} tried again, {self.lost} lost")

    def run_ranges(self, ranges):
        """Every range to its end; true where one of them has finished the job."""
        self.waiting.extend((first, last, count, 0, 0) for first, last, count in ranges)
        finished = False
        while self.waiting or self.running or self.later:
            now = time.monotonic()
            self.waiting.extendleft(item for at, item in self.later if at <= now)
            self.later = [(at, item) for at, item in self.later if at > now]
            while self.waiting and len(self.running) < MOST_PENDING:
                item = self.waiting.popleft()
                self.running[self.job.start("run", "--parts", f"{item[0]}-{item[1]}")] = item
            for reference in self.ended(list(self.running)):
                first, last, count, tries, losses = self.running.pop(reference)
                code, summary, why = self.end_of(reference)
                if code == 0:
                    self.done += count
                    finished |= summary.get("complete") is True
                    continue
                tries, losses = tries + (code is not None), losses + (code is None)
                pause = self.try_again(f"parts {first}-{last}", code, why, tries, losses)
                self.later.append((time.monotonic() + pause, (first, last, count, tries, losses)))
            self.tell()
        return finished

    def size(self, missing):
        """Parts of a range."""
        if self.arguments.parts_per_task:
            return self.arguments.parts_per_task
        has = ray.cluster_resources()
        slots = has.get("CPU", 0) / self.arguments.cpus
        if self.arguments.gpus:
            slots = min(slots, has.get("GPU", 0) / self.arguments.gpus)
        return min(max(-(-missing // (RANGES_PER_SLOT * max(int(slots), 1))), 1), MOST_PARTS)

    def warn_of_nodes_too_small(self):
        wanted = {"CPU": self.arguments.cpus, "GPU": self.arguments.gpus}
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= number for name, number in wanted.items()) for node in alive):
            say(f"no node has {wanted['CPU']} CPUs and {wanted['GPU']} GPUs now: the tasks wait for one")

    def run(self):
        self.warn_of_nodes_too_small()
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
            # whoever wrote the last part died before it could finish the job, or nothing is new and there is no part
            self.once("run", *(["--parts", "0-0"] if self.parts else []))
        self.tell(last=True)
        report = self.once("report")
        rate = self.rows * missing / max(self.parts, 1) / max(seconds, 1e-9)
        facts = {"complete": report["complete"], "output": plan["output"], "metrics": report["metrics"]}
        facts |= {"parts": self.parts, "rows": self.rows, "resumed_parts": self.parts - missing}
        facts |= {"ranges": len(ranges), "seconds": round(seconds, 2), "images_per_s": round(rate, 2)}
        if self.arguments.verify:
            facts["verified"] = self.once("verify")["complete"]
        return facts

    def end_tasks(self):
        """SIGTERM for every program that still runs; what it can finish within its grace is kept."""
        left = list(self.running)
        for reference in left:
            ray.cancel(reference, force=False)
        if left:
            _, late = ray.wait(left, num_returns=len(left), timeout=self.job.patience + 5)
            for reference in late:
                ray.cancel(reference, force=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", type=Path, help="the job file (TOML)")
    parser.add_argument("--address", help="the cluster (default: RAY_ADDRESS, one that runs here, or a new one here)")
    parser.add_argument("--program", default="tresnet-batch", help="the program on each node (default: by PATH)")
    parser.add_argument("--folder", default=os.getcwd(), help="where it is started there (default: this folder)")
    parser.add_argument("--cpus", type=int, default=4, help="CPUs of a task, and the threads it uses (default: 4)")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of a task (default: 0)")
    parser.add_argument("--parts-per-task", type=int, help="parts of a range (default: 8 ranges for each task at a time)")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="as the program's")
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    parser.add_argument("--date", default=today, metavar="YYYY-MM-DD", help="as the program's")
    parser.add_argument("--tries", type=int, default=5, help="tries of one range that may fail (default: 5)")
    parser.add_argument("--losses", type=int, default=10, help="workers that one range may lose (default: 10)")
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
    """Gives the exit code and the fields of the result."""
    running = None
    try:
        running = Drive(arguments)
        connect(arguments)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, running.interrupt)
        code, facts = 0, running.run()
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        code, facts = stop.code, {"error": str(stop), "complete": False}
        if running:
            running.end_tasks()
    except ray.exceptions.RayError as error:
        print(f"error: Ray failed: {error}", file=sys.stderr)
        code, facts = UNAVAILABLE, {"error": f"Ray failed: {error}", "complete": False}
    if running:
        facts |= {"retried": running.retried, "lost": running.lost}
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
