"""Compares `audit` with cleanlab on the rows of the demo's network, with planted wrong labels.

    audit_demo_labels.py PROGRAM WORK [--per-class 1000] [--noise 0.05] [--seed 103]

Makes pictures of the demo's ten classes that its network has not learnt from, moves a share `--noise` of them into the
folder of another class, runs the network, audits the rows, and compares the findings with those of cleanlab on the same
probabilities. Prints agreement, precision and recall of the planted labels. 10,000 pictures take some minutes. It needs
numpy, Pillow, pyarrow, and cleanlab and scipy, which the tests do not: pip install cleanlab scipy.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]


def plant(images, share, seed):
    random = np.random.default_rng(seed)
    files = sorted(file for file in images.rglob("*") if file.is_file())
    classes = sorted({file.parent.name for file in files})
    planted = []
    for at in random.permutation(len(files))[: round(share * len(files))]:
        file = files[at]
        wrong = classes[(classes.index(file.parent.name) + random.integers(1, len(classes))) % len(classes)]
        file.rename(images / wrong / file.name)
        planted.append(f"{wrong}/{file.name}")
    return set(planted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("work", type=Path)
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=103)
    arguments = parser.parse_args()
    from cleanlab.count import estimate_joint
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from scipy.stats import spearmanr

    images, output, job = (arguments.work / name for name in ("images", "out", "job.toml"))
    make = [sys.executable, str(ROOT / "infra/demo/make_images.py"), str(images), "--seed", str(arguments.seed)]
    subprocess.run([*make, "--per-class", str(arguments.per_class)], check=True, stdout=subprocess.DEVNULL)
    planted = plant(images, arguments.noise, arguments.seed)
    job.write_text(
        f'[input]\nuri = "{images.resolve()}"\ntargets = "folder"\n\n[model]\npath = "{ROOT / "models/demo"}"\n\n'
        f'[output]\nuri = "{output.resolve()}"\nlogits = true\n'
    )
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([arguments.program, "run", str(job), "--progress", "none"], **quiet)
    findings, figures = arguments.work / "findings.parquet", arguments.work / "audit.json"
    audit = [arguments.program, "audit", str(output), "--parquet", str(findings), "--json-file", str(figures)]
    subprocess.run([*audit, "--progress", "none"], **quiet)

    table = pyarrow.dataset.dataset(output, format="parquet").to_table(columns=["key", "status", "target", "logits"])
    rows = [row for row in table.to_pylist() if row["status"] == "ok" and row["target"] is not None]
    keys, given = [row["key"] for row in rows], np.array([row["target"] for row in rows])
    logits = np.array([row["logits"] for row in rows], np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = odds / odds.sum(axis=1, keepdims=True)
    ours = {row["key"]: row["score"] for row in pq.read_table(findings).to_pylist() if row["kind"] == "label"}
    issues = find_label_issues(given, probs, filter_by="confident_learning", return_indices_ranked_by="normalized_margin", n_jobs=1)
    quality = dict(zip(keys, get_label_quality_scores(given, probs, method="normalized_margin")))
    theirs = {keys[at] for at in issues}
    both = sorted(set(ours) & theirs)
    true = np.array([key not in planted for key in keys])
    print(f"{len(rows)} rows, {len(planted)} planted; top-1 of the rows whose label is true {100 * (probs.argmax(axis=1) == given)[true].mean():.2f} %")
    print(f"ours {len(ours)}, cleanlab's {len(theirs)}, in both {len(both)}")
    print(f"rank agreement in both (Spearman): {spearmanr([-ours[key] for key in both], [quality[key] for key in both]).statistic:.6f}")
    for name, found in [("ours", set(ours)), ("cleanlab", theirs)]:
        hits = len(found & planted)
        print(f"{name}: precision {hits / len(found):.4f}, recall {hits / len(planted):.4f}")
    noise = json.loads(figures.read_text())["labels"]["noise"]
    joint = estimate_joint(given, probs)
    print(f"share of wrong labels: ours {noise['percent']:.3f} % ({noise['low']:.3f} to {noise['high']:.3f}), cleanlab {100 * (1 - joint.trace()):.3f} %")


if __name__ == "__main__":
    main()
