"""Drift of predicted classes and confidences between two outputs, with NumPy alone.

    drift.py OUTPUT OTHER

Prints, as JSON, the population stability index (half a row added to each class), the statistic of homogeneity, the change
of the mean confidence, and the largest difference of the distribution functions of confidences.
"""

import json
import sys

import numpy as np
import pyarrow.dataset


def read(output):
    table = pyarrow.dataset.dataset(output, format="parquet").to_table(columns=["status", "index", "prob"])
    rows = [row for row in table.to_pylist() if row["status"] == "ok"]
    return np.array([row["index"][0] for row in rows]), np.array([row["prob"][0] for row in rows], np.float64)


def main():
    (a_class, a_prob), (b_class, b_prob) = (read(output) for output in sys.argv[1:])
    classes = max(a_class.max(), b_class.max()) + 1
    counts = np.array([np.bincount(values, minlength=classes) for values in (a_class, b_class)], np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    shares = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    at = np.sort(np.concatenate([a_prob, b_prob]))
    below = [np.searchsorted(np.sort(probs), at, side="right") / len(probs) for probs in (a_prob, b_prob)]
    print(
        json.dumps(
            {
                "rows": [len(a_class), len(b_class)],
                "psi": float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum()),
                "chi_squared": float(((counts - expected) ** 2 / expected).sum()),
                "change": float(a_prob.mean() - b_prob.mean()),
                "ks": float(np.abs(below[0] - below[1]).max()),
            }
        )
    )


if __name__ == "__main__":
    main()
