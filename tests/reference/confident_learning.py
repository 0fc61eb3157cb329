"""Confident learning over the rows of an output, as its paper has it, with NumPy alone.

    confident_learning.py OUTPUT

Prints the figures of `audit` on labels as JSON: thresholds, counts of the confident joint, the suspects by key, most
suspicious first. Probabilities are those of the column `logits`, so the output must have it.

C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning", JAIR 70 (2021), section 3.
"""

import json
import sys

import numpy as np
import pyarrow.dataset

SLACK = 1e-6


def main():
    (output,) = sys.argv[1:]
    columns = ["key", "status", "target", "logits"]
    table = pyarrow.dataset.dataset(output, format="parquet").to_table(columns=columns)
    rows = [row for row in table.to_pylist() if row["status"] == "ok" and row["target"] is not None]
    keys = [row["key"] for row in rows]
    given = np.array([row["target"] for row in rows])
    logits = np.array([row["logits"] for row in rows], np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    print(json.dumps(figures(keys, given, odds / odds.sum(axis=1, keepdims=True))))


def figures(keys, given, probs):
    n, classes = probs.shape
    at = np.arange(n)
    own = probs[at, given]
    labelled = np.bincount(given, minlength=classes)
    thresholds = np.full(classes, np.inf)
    for c in np.flatnonzero(labelled):
        thresholds[c] = own[given == c].mean()
    reaching = np.where(probs >= thresholds - SLACK, probs, -1.0)
    confident = reaching.max(axis=1) >= 0
    proposed = reaching.argmax(axis=1)
    others = probs.copy()
    others[at, given] = -1.0
    margin = others.max(axis=1) - own
    off = confident & (proposed != given)
    suspects = np.flatnonzero(off & (probs.argmax(axis=1) != given))
    order = sorted(suspects, key=lambda row: (-margin[row], row))
    counts = {c: [int((confident & off & (given == c)).sum()), int((confident & (given == c)).sum())] for c in np.flatnonzero(labelled)}
    share = sum(labelled[c] * off / of for c, (off, of) in counts.items() if of)
    base = sum(labelled[c] for c, (_, of) in counts.items() if of)
    return {
        "labelled": n,
        "confident": int(confident.sum()),
        "unsure": int((~confident).sum()),
        "suspects": len(order),
        "agreeing": int(off.sum()) - len(order),
        "noise": float(100 * share / base) if base else None,
        "classes": [
            {"index": int(c), "labelled": int(labelled[c]), "threshold": float(thresholds[c]), "hits": counts[c][0], "of": counts[c][1]}
            for c in np.flatnonzero(labelled)
        ],
        "findings": [
            {"key": keys[row], "target": int(given[row]), "proposed": int(proposed[row]), "score": float(margin[row])}
            for row in order
        ],
    }


if __name__ == "__main__":
    main()
