"""A real Ray cluster on this machine, with NODES nodes of one CPU each: ray_cluster.py NODES.

Prints a JSON line when it is ready, then one for each line that it reads: `kill_worker` kills -9 a worker that runs the
program, `kill_program` the program itself, `remove_node` a node that runs one, with everything on it; `add_node` adds
one. Each prints the ids of the processes that were killed. The cluster ends with standard input.
"""

import json
import os
import signal
import sys
import time

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
from ray.cluster_utils import Cluster  # noqa: E402

PROGRAM = "tresnet-batch"
MEMORY = 100 << 20


def processes():
    """Id → parent and name, of all that live."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    text = stat.read()
            except OSError:
                continue
            name = text[text.index("(") + 1 : text.rindex(")")]
            state, parent = text[text.rindex(")") + 2 :].split()[:2]
            if state not in "ZX":
                found[int(entry)] = (int(parent), name)
    return found


def at_work():
    """The latest program that a Ray worker runs, that worker and its node's raylet; waits for one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        alive = processes()
        for program in sorted(alive, reverse=True):
            worker, name = alive[program]
            above = worker
            while name == PROGRAM and above in alive:
                if alive[above][1] == "raylet":
                    return program, worker, above
                above = alive[above][0]
        time.sleep(0.01)
    sys.exit("no worker runs the program")


def held():
    """As `at_work`, with the program stopped: it cannot end its range before it is killed."""
    while True:
        program, worker, raylet = at_work()
        try:
            os.kill(program, signal.SIGSTOP)
        except ProcessLookupError:
            continue
        if program in processes():
            return program, worker, raylet


def wait_until_gone(pids, seconds):
    """Acts at once: a program that is not ended has some ten seconds of work left."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not set(pids) & set(processes()):
            return
        time.sleep(0.01)
    sys.exit(f"of {pids} some live on")


class Machines:
    def __init__(self, nodes):
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
        for _ in range(nodes):
            self.add_node()
        self.cluster.wait_for_nodes()

    def add_node(self):
        self.cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
        return []

    def kill_program(self):
        program, _, _ = held()
        os.kill(program, signal.SIGKILL)
        return [program]

    def kill_worker(self):
        program, worker, _ = held()
        os.kill(worker, signal.SIGKILL)
        # the program dies with its worker
        wait_until_gone([program, worker], 3)
        return [worker, program]

    def remove_node(self):
        while True:
            program, worker, raylet = held()
            for node in self.cluster.worker_nodes:
                if node.all_processes["raylet"][0].process.pid == raylet:
                    self.cluster.remove_node(node, allow_graceful=False)
                    # a worker looks for its raylet once a second
                    wait_until_gone([program, worker], 10)
                    return [raylet, worker, program]
            os.kill(program, signal.SIGCONT)


def main():
    # as on a node that a shell has started in the background, or nohup: Python then sets no handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    machines = Machines(int(sys.argv[1]))
    print(json.dumps({"address": machines.cluster.address}), flush=True)
    for line in sys.stdin:
        killed = getattr(machines, line.strip())()
        print(json.dumps({"killed": killed}), flush=True)
    machines.cluster.shutdown()


if __name__ == "__main__":
    main()
