"""Compares two outputs with pyarrow and numpy and without the program: `compared.py A B [COLUMN]` prints JSON.

Rows are joined by `key`. The columns and `job.json` show whether targets are sets, and whether rows are scored among some
classes alone by their logits. This script has counts, shares, keys, drift, and the figures of each value of COLUMN;
paired_statistics.py has the statistics.
"""

import json
import sys
from pathlib import Path

import numpy as np

from rows import read


def masked(rows, logits, among):
    """The rows with the list that they would have if there were no other classes."""
    among = np.array(among)
    for row, own in zip(rows, logits):
        if row["status"] != "ok":
            continue
        own = np.array(own, np.float64)[among]
        order = np.argsort(-own, kind="stable")
        above = np.exp(own - own.max())
        row["index"] = among[order].tolist()
        row["prob"] = (above / above.sum())[order].tolist()


def load(out):
    table = read(out)
    vectors = "embedding" in table.column_names
    columns = [name for name in table.column_names if name not in ("embedding", "logits")]
    rows = {row["key"]: row for row in table.select(columns).to_pylist()}
    assert len(rows) == table.num_rows
    if vectors:
        for row, vector in zip(rows.values(), table["embedding"].to_pylist()):
            row["embedding"] = vector
    job = json.loads((Path(out) / "_tresnet/job.json").read_text())
    among = (job.get("truth") or {}).get("among")
    if among:
        masked(rows.values(), table["logits"].to_pylist(), among)
    for row in rows.values():
        one = None if row["target"] is None else [row["target"]]
        # an empty set is no target
        row["truth"] = row["targets"] or None if "targets" in columns else one
    return rows


def class_of(row, truth):
    """The class that the baseline is credited with."""
    return next((index for index in row["index"] or [] if index in truth), min(truth))


def pairs(rows):
    """Right in both, in A only, in B only, in neither."""
    counts = {"both": 0, "only_a": 0, "only_b": 0, "neither": 0}
    for a, b in rows:
        counts["both" if a and b else "only_a" if a else "only_b" if b else "neither"] += 1
    return counts


def right(row, target, k):
    return row["status"] == "ok" and any(index in target for index in row["index"][:k])


def spread(values, worst):
    """Extremes and mean of differences; `worst` converts distances into the reported figure."""
    if not len(values):
        return {"rows": 0, "mean": None, "worst": None}
    ordered = np.sort(values)
    at = lambda share: worst(ordered[int(np.ceil(share * len(ordered))) - 1])
    return {
        "rows": len(values),
        "mean": worst(np.mean(values)),
        "worst": worst(ordered[-1]),
        **{name: at(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999))},
    }


def figures(joined):
    """`joined`: pairs of rows with their targets."""
    ok = [(a, b, target) for a, b, target in joined if a["status"] == b["status"] == "ok"]
    scored = [row for row in ok if row[2] is not None]
    agreed = sum(a["index"][0] == b["index"][0] for a, b, _ in ok)
    return {
        "rows": len(joined),
        "agreement": {"hits": agreed, "of": len(ok)} if ok else None,
        "top1": {"pairs": pairs((right(a, t, 1), right(b, t, 1)) for a, b, t in scored)},
        "top5": {"pairs": pairs((right(a, t, 5), right(b, t, 5)) for a, b, t in scored)},
        "top1_all": {"pairs": pairs((right(a, t, 1), right(b, t, 1)) for a, b, t in joined if t is not None)},
    }


def main():
    a, b = load(sys.argv[1]), load(sys.argv[2])
    column = sys.argv[3] if len(sys.argv) > 3 else None
    joined = {}
    for key in a.keys() & b.keys():
        target = a[key]["truth"] if a[key]["truth"] is not None else b[key]["truth"]
        joined[key] = (a[key], b[key], target)
    ok = [(x, y) for x, y, _ in joined.values() if x["status"] == y["status"] == "ok"]
    same = [(x, y) for x, y in ok if x["index"][0] == y["index"][0]]
    f32 = np.float32
    moved = np.array([abs(float(f32(x["prob"][0])) - float(f32(y["prob"][0]))) for x, y in same])
    distances = []
    if ok and all("embedding" in row for pair in ok for row in pair):
        left, right_ = (np.array([pair[i]["embedding"] for pair in ok], np.float64) for i in (0, 1))
        cosines = (left * right_).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right_, axis=1)
        distances = np.maximum(1 - cosines, 0)
    told = [row for row in joined.values() if row[2] and row[0]["status"] == row[1]["status"] == "ok"]
    classes = sorted({class_of(x, t) for x, _, t in told})
    by_class = [figures([row for row in told if class_of(row[0], row[2]) == index]) for index in classes]
    flips = {"lost": [], "gained": [], "wrong": [], "unknown": []}
    for key, (x, y, t) in sorted(joined.items(), key=lambda item: item[0].encode()):
        if x["status"] == y["status"] == "ok" and x["index"][0] != y["index"][0]:
            kind = "unknown" if t is None else {(1, 0): "lost", (0, 1): "gained", (0, 0): "wrong"}[
                (x["index"][0] in t, y["index"][0] in t)
            ]
            flips[kind].append(key)
    slices = None
    if column:
        values = sorted({str(row[0][column]) for row in joined.values()})
        groups = {value: [row for row in joined.values() if str(row[0][column]) == value] for value in values}
        slices = [{"value": "(null)" if v == "None" else v, **figures(rows)} for v, rows in groups.items()]
        for slice_ in slices:
            del slice_["top5"], slice_["top1_all"]
        slices.sort(key=lambda slice_: slice_["value"].encode())
    failed = lambda x, y: x["status"] == "error" and y["status"] == "ok"
    whole = figures(list(joined.values()))
    del whole["rows"]
    print(
        json.dumps(
            {
                "figures": {
                    **whole,
                    "counts": {
                        "rows_a": len(a),
                        "rows_b": len(b),
                        "joined": len(joined),
                        "only_a": len(a.keys() - b.keys()),
                        "only_b": len(b.keys() - a.keys()),
                        "both_ok": len(ok),
                        "failed_only_a": sum(failed(x, y) for x, y, _ in joined.values()),
                        "failed_only_b": sum(failed(y, x) for x, y, _ in joined.values()),
                        "with_target": sum(t is not None for _, _, t in joined.values()),
                        "changed": len(ok) - len(same),
                    },
                    "classes": [
                        {"index": index, "pairs": figure["top1"]["pairs"]} for index, figure in zip(classes, by_class)
                    ],
                    "prob_drift": spread(moved, float),
                },
                "cosine": spread(distances, lambda distance: float(1 - distance)),
                "slices": slices,
                "flips": flips,
            }
        )
    )


if __name__ == "__main__":
    main()
