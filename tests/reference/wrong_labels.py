"""Compares `audit` on labels with cleanlab, on rows with planted wrong labels.

    wrong_labels.py make OUT.json [--rows N] [--classes C] [--noise SHARE] [--seed S]
    wrong_labels.py judge OUT.json FOUND.json

`make` draws images of C classes whose logits are those of a network of about 90 % top-1, plants wrong labels, and writes
labels, probabilities and what was planted. `judge` reads the rows that were found, a list of [row, proposed, margin], and
prints their agreement with cleanlab's and their precision and recall of the planted ones. It needs cleanlab and scipy,
which the tests do not: pip install cleanlab scipy.
"""

import argparse
import json
from pathlib import Path

import numpy as np


def make(arguments):
    random = np.random.default_rng(arguments.seed)
    rows, classes = arguments.rows, arguments.classes
    true = random.integers(0, classes, rows)
    # how well an image shows its class, and classes that look alike
    logits = random.normal(0, 1.6, (rows, classes))
    logits[np.arange(rows), true] += random.gamma(4.0, 2.2, rows)
    alike = random.random(rows) < 0.05
    logits[np.flatnonzero(alike), (true[alike] + 1) % classes] += random.gamma(4.0, 0.9, alike.sum())
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = odds / odds.sum(axis=1, keepdims=True)
    planted = random.permutation(rows)[: round(arguments.noise * rows)]
    given = true.copy()
    given[planted] = (true[planted] + random.integers(1, classes, len(planted))) % classes
    top1 = (probs.argmax(axis=1) == true).mean()
    print(f"{rows} rows, {classes} classes, {len(planted)} planted, top-1 of the true labels {100 * top1:.1f} %")
    made = {"given": given.tolist(), "probs": probs.tolist(), "planted": sorted(planted.tolist())}
    Path(arguments.made).write_text(json.dumps(made))


def judge(arguments):
    from cleanlab.count import compute_confident_joint, estimate_joint
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from scipy.stats import spearmanr

    made = json.loads(Path(arguments.made).read_text())
    given, probs, planted = np.array(made["given"]), np.array(made["probs"]), set(made["planted"])
    found = json.loads(Path(arguments.found).read_text())
    ours = {row: margin for row, _, margin in found["suspects"]}
    theirs = find_label_issues(given, probs, filter_by="confident_learning", return_indices_ranked_by="normalized_margin", n_jobs=1)
    quality = get_label_quality_scores(given, probs, method="normalized_margin")
    both = sorted(set(ours) & set(theirs.tolist()))
    print(f"ours {len(ours)}, cleanlab's {len(theirs)}, in both {len(both)}")
    print(f"rank agreement in both (Spearman): {spearmanr([-ours[row] for row in both], quality[both]).statistic:.6f}")
    for name, rows in [("ours", set(ours)), ("cleanlab", set(theirs.tolist()))]:
        hits = len(rows & planted)
        print(f"{name}: precision {hits / len(rows):.4f}, recall {hits / len(planted):.4f}")
    joint = estimate_joint(given, probs)
    print(f"share of wrong labels: ours {found['figures']['noise']['percent']:.3f} %, cleanlab {100 * (1 - joint.trace()):.3f} %, planted {100 * len(planted) / len(given):.3f} %")
    diagonal = compute_confident_joint(given, probs, calibrate=False).diagonal()
    kept = {item["index"]: item["noise"]["of"] - item["noise"]["hits"] for item in found["figures"]["classes"]}
    print(f"diagonal of the confident joint differs in {sum(kept[c] != diagonal[c] for c in kept)} of {len(kept)} classes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make")
    making.add_argument("made")
    for name, kind, default in [("rows", int, 10_000), ("classes", int, 10), ("noise", float, 0.05), ("seed", int, 1)]:
        making.add_argument(f"--{name}", type=kind, default=default)
    making.set_defaults(run=make)
    judging = commands.add_parser("judge")
    judging.add_argument("made")
    judging.add_argument("found")
    judging.set_defaults(run=judge)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
