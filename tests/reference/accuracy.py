"""Accuracy figures of an output directory (or one Parquet file), computed apart from the Rust code.

    accuracy.py DIR_OR_FILE [--classes N]

Reads every row at once, works on whole columns (a confusion matrix instead of counters) and solves the quadratic
equation of Wilson's interval numerically instead of using its closed form. Needs pyarrow and numpy only.
Prints one JSON object with the names of the report's JSON.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def read(path):
    """The rows of a file, or of a directory's part files in the order of their names."""
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.glob("*.parquet") if f.name[0] not in "_.")
    return pa.concat_tables([pq.read_table(f) for f in files])


def integers(column, null):
    return np.asarray(pc.fill_null(column, null).to_numpy(), dtype=np.int64)


def proportion(hits, of):
    """Percent and the p for which |hits/of - p| is z standard errors of p."""
    if of == 0:
        return None
    z2 = statistics.NormalDist().inv_cdf(0.975) ** 2
    share = hits / of
    ends = np.roots([1 + z2 / of, -(2 * share + z2 / of), share**2])
    low, high = sorted(float(np.real(end)) for end in ends)
    return {
        "percent": 100 * share,
        "low": 100 * max(low, 0.0),
        "high": 100 * min(high, 1.0),
        "hits": int(hits),
        "of": int(of),
    }


def mean(values):
    return {"mean": float(np.mean(values)) if len(values) else None, "rows": len(values)}


def ratio(above, below):
    """In percent; None if the denominator is 0."""
    return [100 * float(a) / float(b) if b else None for a, b in zip(above, below)]


def histogram(column):
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column.drop_null()).to_pylist()}


def extent(column):
    values = column.drop_null().to_numpy()
    if not len(values):
        return None
    return {
        "min": int(values.min()),
        "mean": float(values.astype(np.float64).mean()),
        "max": int(values.max()),
        "rows": len(values),
    }


def best(lists, width):
    """The lists as a matrix, -1 where one is shorter."""
    matrix = np.full((len(lists), width), -1, dtype=np.int64)
    for row, items in enumerate(lists):
        items = (items or [])[:width]
        matrix[row, : len(items)] = items
    return matrix


def figures(table, classes):
    rows = table.num_rows
    ok = np.array([status == "ok" for status in table["status"].to_pylist()], dtype=bool)
    target = integers(table["target"], -1)
    known = target >= 0
    lists = table["index"].to_pylist()
    lengths = np.array([len(items or []) for items in lists], dtype=np.int64)
    width = max(int(lengths.max(initial=0)), 1)
    index = best(lists, width)
    if classes is None:
        classes = int(max(target.max(initial=-1), index.max(initial=-1))) + 1
    if "target_rank" in table.column_names:
        told = integers(table["target_rank"], 0)
    else:
        told = np.zeros(rows, dtype=np.int64)

    scored = ok & known
    match = (index == target[:, None]) & known[:, None]
    listed = match.any(axis=1)
    place = np.where(listed, match.argmax(axis=1) + 1, 0)
    # Beyond the end of the list `target_rank` decides; it cannot name a place in the list.
    rank = np.where(listed, place, np.where(told > 0, np.maximum(told, lengths + 1), 0))
    right1 = scored & (index[:, 0] == target)
    right5 = scored & (rank > 0) & (rank <= 5)
    unknown5 = scored & (rank == 0) & (lengths < min(5, classes))
    conflict = scored & (told > 0) & np.where(listed, told != place, told <= lengths)

    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (target[scored], index[scored, 0]), 1)
    right, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    failed = np.bincount(target[known & ~ok], minlength=classes)
    recall = ratio(right, support)
    recall_all = ratio(right, support + failed)
    precision = ratio(right, predicted)
    f1 = ratio(2 * right, support + predicted)

    def probabilities(column):
        values = np.array([np.nan if v is None else v for v in column], dtype=np.float64)[scored]
        return mean(values[~np.isnan(values)])

    def of_column(name, pick):
        return probabilities([pick(v) for v in table[name].to_pylist()] if name in table.column_names else [None] * rows)

    def average(values):
        values = [value for value in values if value is not None]
        return float(np.mean(values)) if values else None

    hopeless = unknown5.any()
    kinds = table["error_kind"].filter(pa.array(~ok))
    return {
        "counts": {
            "rows": rows,
            "ok": int(ok.sum()),
            "errors": int((~ok).sum()),
            "errors_by_kind": histogram(pc.fill_null(kinds, "unspecified")),
            "with_target": int(known.sum()),
            "unknown_target": int((~known).sum()),
            "scored": int(scored.sum()),
            "top5_unknown": int(unknown5.sum()),
            "rank_conflicts": int(conflict.sum()),
        },
        "top1": proportion(right1.sum(), scored.sum()),
        "top5": None if hopeless else proportion(right5.sum(), scored.sum()),
        "top1_all": proportion(right1.sum(), known.sum()),
        "top5_all": None if hopeless else proportion(right5.sum(), known.sum()),
        "macro": average(recall),
        "macro_all": average(recall_all),
        "target_prob": of_column("target_prob", lambda value: value),
        "top1_prob": of_column("prob", lambda items: items[0] if items else None),
        "classes": [
            {
                "index": i,
                "support": int(support[i]),
                "correct": int(right[i]),
                "predicted": int(predicted[i]),
                "errors": int(failed[i]),
                "recall": recall[i],
                "precision": precision[i],
                "f1": f1[i],
            }
            for i in range(classes)
        ],
        "inputs": {
            "formats": histogram(table["format"]),
            "unknown_format": table["format"].null_count,
            "width": extent(table["width"]),
            "height": extent(table["height"]),
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file, or a directory of part files")
    parser.add_argument("--classes", type=int, help="classes of the model; default: the highest index seen, plus one")
    arguments = parser.parse_args()
    print(json.dumps(figures(read(arguments.path), arguments.classes)))


if __name__ == "__main__":
    main()
