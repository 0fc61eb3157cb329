"""Makes `tests/data/report/average_precision.json`, scikit-learn's values for scores with ties. Not part of `make test`.

    python -m venv v && v/bin/pip install scikit-learn==1.9.0
    v/bin/python tests/reference/average_precision.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

ROWS, CLASSES = 60, 9


def main():
    random = np.random.default_rng(3)
    # coarse, so that scores tie; one class has one value everywhere, and zeros have both signs
    logits = np.round(random.normal(size=(ROWS, CLASSES)) * 3) / 2
    logits[:, 4] = 0.5
    logits[logits == 0] *= random.choice([-1, 1], int((logits == 0).sum()))
    positive = random.random((ROWS, CLASSES)) < random.random(CLASSES) * 0.6
    positive[:, 7] = False
    positive[:, 8] = True
    positive[11] = False
    known = np.array([row % 9 != 5 for row in range(ROWS)])
    ok = np.array([row % 13 != 6 for row in range(ROWS)])
    rows = known & ok
    each = [
        average_precision_score(positive[rows, index], logits[rows, index]) if positive[rows, index].any() else None
        for index in range(CLASSES)
    ]
    some = [index for index in range(CLASSES) if each[index] is not None]
    whole = average_precision_score(positive[rows][:, some], logits[rows][:, some], average="macro")
    found = {
        "targets": [np.flatnonzero(positive[row]).tolist() if known[row] else None for row in range(ROWS)],
        "logits": [logits[row].tolist() if ok[row] else None for row in range(ROWS)],
        "rows": int(rows.sum()),
        "average_precision": each,
        "map": whole,
    }
    path = Path(__file__).resolve().parents[1] / "data/report/average_precision.json"
    path.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
