"""A run from local files to its rows, beside its stages alone."""

import pictures


def names(sizes):
    return [f"end_to_end {size}" for size in sizes]


def end_to_end(check):
    arguments = check.arguments
    with check.lines.attempt(*names(arguments.sizes)):
        check.clock.limit()
        folder = check.work / "photographs"
        mean = pictures.photographs(folder, arguments.images)
        weights = check.weights(arguments.networks[0])
        for size in arguments.sizes:
            with check.lines.attempt(f"end_to_end {size}"):
                one(check, folder, mean, weights, size)


def one(check, folder, mean, weights, size):
    arguments = check.arguments
    batch = check.best.get((arguments.networks[0], size), arguments.batch)
    stages, run, seconds = check.program.end_to_end(folder, weights, check.precision, size, batch, arguments.seconds)
    rate, engine, decode = run["images_per_s"], stages["engine"]["images_per_s"], stages["decode"]["images_per_s"]
    least = stages["expected"]["images_per_s"]
    load = run["seconds"] - run["working_seconds"]
    text = (
        f"{rate:.0f} images/s from {arguments.images} files of {mean / 1e3:.0f} kB, {seconds:.1f} s in all, {load:.1f} s of it "
        f"before the first image and after the last; engine alone {engine:.0f}, decoding alone {decode:.0f} on "
        f"{stages['decode']['workers']} threads; {100 * rate / least:.0f} % of {stages['expected']['formula']}; bottleneck "
        f"{run['utilisation']['bottleneck'] or stages['bottleneck']}"
    )
    check.lines.record(f"end_to_end {size}", stages=stages, run=run, seconds=seconds)
    check.lines.say(f"end_to_end {size}", text, run["rows"]["ok"] == arguments.images)
