"""The network alone: beside PyTorch's ways, for a while on end, in tables, and by operator."""

import json
from bisect import bisect_left, bisect_right
from pathlib import Path

import numpy as np

from program import CommandFailed, NoTime, blocking
from sampling import Sampler

NO_GPU = "needs a GPU"
# of both sides; the median counts
ROUNDS = 3
# seconds for one of PyTorch's ways, compiling included
LONGEST = 220
# seconds for the first of them, which compiles nothing: the others need the call's time
LONGEST_FIRST = 100


def names(pairs):
    found = []
    for network, size in pairs:
        found += [f"speed {Path(network).stem} {size}", f"load {Path(network).stem} {size}"]
    return found


def speed(check):
    for network, size in check.pairs():
        of = f"{Path(network).stem} {size}"
        with check.lines.attempt(f"speed {of}", f"load {of}"):
            one(check, network, size, of)


def one(check, network, size, of):
    arguments, lines = check.arguments, check.lines
    weights = check.weights(network)
    ours = our_rates(check, weights, size)
    batch = max(ours, key=lambda batch: ours[batch]["images_per_s"])
    check.best[network, size] = batch
    start = ours[batch]
    loads = f"{start['load_seconds']:.1f} s to load, {start['warm_up_seconds']:.2f} s to warm up with batches of {batch}"
    lines.say(f"load {of}", loads)
    fused = with_fused_bias(check, weights, size, batch) if check.program.device == "cuda" else None
    # before theirs, which may take all of the call's time
    lines.record(f"speed {of}, ours", ours=ours, fused=fused)
    theirs, absent = their_rates(check, weights, size, batch)
    best_of_theirs = max(theirs, key=lambda way: theirs[way][0])
    rate, fastest = ours[batch]["images_per_s"], max(ours[batch]["images_per_s"], fused or 0)
    lines.record(f"speed {of}", ours=ours, fused=fused, theirs=theirs, absent=absent)
    parts = [f"{rate:.0f} images/s in {check.precision} at {batch}"]
    parts += [f"{fused:.0f} with fuse_conv_bias"] if fused else []
    parts += [f"{way} {found[0]:.0f} at {found[1]}" for way, found in theirs.items()]
    parts += [f"{way} not measured{' in full' if way in theirs else ''} ({why})" for way, why in absent.items()]
    parts += [f"{fastest / theirs[best_of_theirs][0]:.2f} of the best of them"]
    holds = arguments.goal is None or (not absent and fastest >= arguments.goal * theirs[best_of_theirs][0])
    lines.say(f"speed {of}", "; ".join(parts), holds)


def with_fused_bias(check, weights, size, batch):
    """Images a second with `fuse_conv_bias`, or `None`: without it the rest is still worth a line."""
    option, seconds = ["--set", "fuse_conv_bias=true"], check.arguments.seconds
    try:
        return check.program.engine(weights, check.precision, size, batch, seconds, *option, rounds=ROUNDS)
    except CommandFailed as why:
        check.lines.append("errors.txt", f"fuse_conv_bias: {why}")
        return None


def our_rates(check, weights, size):
    """Rows of `bench engine` by batch size; a size that fails, for example out of memory, ends it."""
    rows = {}
    for batch in check.arguments.batches:
        try:
            seconds = check.arguments.seconds
            (rows[batch],) = check.program.bench(weights, check.precision, size, [batch], seconds, rounds=ROUNDS)
        except CommandFailed:
            if not rows:
                raise
            break
    return rows


def their_rates(check, weights, size, our_batch):
    """The best rate of each way with its batch size, and why a way has none or not all. The first way, which compiles
    nothing, finds the batch sizes for the others: its two best for the next one, and that one's best for the rest. If it
    fails, they get ours."""
    arguments, found, absent = check.arguments, {}, {}
    batches = arguments.batches
    for number, way in enumerate(check.peer.ways):
        most = LONGEST if number else LONGEST_FIRST
        try:
            rows, why = check.peer.speeds(weights, size, way, batches, arguments.seconds, ROUNDS, most=most)
        except (CommandFailed, NoTime) as failure:
            rows, why = [], str(failure)
        if why:
            absent[way] = " ".join(why.split())[-200:]
            check.lines.append("errors.txt", f"{way}: {why}")
        if not rows:
            batches = batches if number else [our_batch]
            continue
        check.lines.record(f"{way} {size}", rows=rows)
        rates = {}
        for row in rows:
            rates[row["batch"]] = max(row["images_per_s"], rates.get(row["batch"], 0))
        order = sorted(rates, key=rates.get, reverse=True)
        found[way] = (rates[order[0]], order[0])
        batches = sorted(order[:2]) if number == 0 else order[:1]
    if not found:
        raise CommandFailed("; ".join(f"{way}: {why}" for way, why in absent.items()))
    return found, absent


def sustained(check):
    """One network for a while on end, and what nvidia-smi reports meanwhile."""
    network, size = check.pairs()[0]
    with check.lines.attempt("sustained"):
        if not check.peer.has_gpu:
            return check.lines.not_measured("sustained", NO_GPU)
        batch = check.best.get((network, size), check.arguments.batch)
        weights, seconds = check.weights(network), check.arguments.sustained
        with Sampler() as sampler:
            rate = check.program.engine(weights, check.precision, size, batch, seconds, rounds=1)
        found = sampler.summary()
        check.lines.record("sustained", images_per_s=rate, batch=batch, sampled=found, samples=sampler.values)
        text = ", ".join(f"{field} {low:.0f}/{middle:.0f}/{most:.0f}" for field, (low, middle, most) in found.items())
        text = f"{rate:.0f} images/s over {seconds:.0f} s at {batch}; least/median/most: {text}"
        return check.lines.say("sustained", text, bool(found))


def tables(check):
    """Ways to draw the network and options of the session, each in turn with the first."""
    arch, size = check.arguments.networks[0], check.arguments.sizes[0]
    if Path(arch).exists():
        # random weights of the same shapes
        arch = check.program.call("model", "inspect", arch)["arch"]
    for table in ("forms", "optimisations"):
        with check.lines.attempt(f"table {table}"):
            command = ["bench", "engine", "--device", check.program.device, "--arch", arch, "--table", table]
            command += ["--image-size", size, "--batch-size", check.arguments.batch, "--precision", check.precision]
            command += ["--rounds", ROUNDS, "--seconds", check.arguments.seconds / 4]
            rows = check.program.call(*command)["rows"]
            check.lines.record(f"table {table}", rows=rows)
            ratios = [f"{row['name'].split(': ')[-1]} {row['ratio']:.3f}" for row in rows if row["ratio"]]
            first = rows[0]["name"].split(": ")[-1]
            check.lines.say(f"table {table}", f"beside `{first}`: {'; '.join(ratios)}", len(ratios) == len(rows) - 1)


def kernels(check):
    """Time in operators by ONNX Runtime's profile, over the time of a batch.

    The wheel has no GPU profiler inside, so an operator's time is the host's. With launches that block it holds the
    kernel, and some launching, which a large batch makes small. The batch's time is that of a run as it is, which
    launches nothing one by one: where kernels leave no gap the share is a little above one.
    """
    with check.lines.attempt("kernels"):
        network, size, batch = check.arguments.networks[0], check.arguments.sizes[0], check.arguments.batch
        weights = check.weights(network)
        if check.peer.has_gpu:
            prefix = check.work / "profile"
            options = ["--set", "cuda_graph=false", "--set", "lanes=1", "--profile", prefix]
            check.program.engine(weights, check.precision, size, batch, 1, *options, environment=blocking())
            files = sorted(check.work.glob("profile*.json"), key=lambda path: path.stat().st_mtime)
            assert files, "ONNX Runtime wrote no profile"
            file = files[-1]
            seconds = batch / check.program.engine(weights, check.precision, size, batch, check.arguments.seconds)
        else:
            found = check.peer.profile(weights, size, batch)
            if found is None:
                return check.lines.not_measured("kernels", NO_GPU)
            file, seconds = found
        operators, slowest = operators_of(file)
        share = operators / seconds
        check.lines.record("kernels", share=share, slowest=slowest)
        named = ", ".join(f"{kind} {100 * part:.0f} %" for kind, part in slowest[:5])
        text = f"{100 * share:.1f} % of a batch's {1e3 * seconds:.2f} ms are spent in operators ({named})"
        return check.lines.say("kernels", text, 0 < share <= 1.5)


def operators_of(file):
    """Median seconds a batch in operators, and which kinds of them take most."""
    kinds = {}
    events = json.loads(Path(file).read_text())
    operators = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    sessions = [event for event in events if event.get("cat") == "Session" and event["name"] == "model_run"]
    # a profile has some hundred thousand operators, so they are sorted once and not looked through for each run
    operators.sort(key=lambda event: event["ts"])
    starts = [event["ts"] for event in operators]
    sums = np.concatenate([[0], np.cumsum([event["dur"] for event in operators])])
    spans = [(bisect_left(starts, run["ts"]), bisect_right(starts, run["ts"] + run["dur"])) for run in sessions]
    runs = [(sums[last] - sums[first]) / 1e6 for first, last in spans]
    for event in operators:
        kind = event["args"]["op_name"]
        kinds[kind] = kinds.get(kind, 0) + event["dur"]
    total = sum(kinds.values())
    assert runs and total, f"{file} names no operator"
    slowest = sorted(((kind, time / total) for kind, time in kinds.items()), key=lambda pair: -pair[1])
    return float(np.median(runs)), slowest
