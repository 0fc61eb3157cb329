"""Writes tests/data/report/figures.json: rows with logits, and their figures by scikit-learn, scipy and statsmodels.

    pip install numpy scikit-learn scipy statsmodels && python report_figures.py > ../data/report/figures.json

The kept file records the versions. Nothing here depends on how the report computes: every figure is a library's, or, if
no library has it (ECE), the definition over numpy arrays.
"""

import json

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
    top_k_accuracy_score,
)
from statsmodels.stats.proportion import proportion_confint

ROWS, CLASSES = 400, 8
noise = np.random.default_rng(11)
target = noise.integers(0, CLASSES - 1, ROWS)  # the last class is only ever predicted
logits = noise.normal(0, 1.5, (ROWS, CLASSES))
logits[np.arange(ROWS), target] += noise.normal(1.5, 1.5, ROWS)
logits = logits.astype(np.float32)

probability = softmax(logits.astype(np.float64), axis=1).astype(np.float32)
order = np.argsort(-probability, axis=1, kind="stable")
predicted = order[:, 0]
confidence = probability.max(axis=1).astype(np.float64)
of_target = probability[np.arange(ROWS), target].astype(np.float64)
right = predicted == target
classes = list(range(CLASSES))

edges = np.arange(16) / 15
bin_of = np.digitize(confidence, edges[1:-1], right=True)
ece = sum(
    (bin_of == b).mean() * abs(right[bin_of == b].mean() - confidence[bin_of == b].mean())
    for b in range(15)
    if (bin_of == b).any()
)
precision, recall, f1, support = precision_recall_fscore_support(
    target, predicted, labels=classes, zero_division=0
)
low, high = proportion_confint(right.sum(), ROWS, alpha=0.05, method="wilson")
by_scipy = binomtest(int(right.sum()), ROWS).proportion_ci(0.95, method="wilson")
assert abs(low - by_scipy.low) < 1e-12 and abs(high - by_scipy.high) < 1e-12

# the bootstrap of the mean recall, row by row and within classes; resampling n rows spreads by (n - 1) / n too little
shares = [right[target == c] for c in classes if (target == c).any()]
resampled = np.mean(
    [
        share.mean()
        + (noise.choice(share, (20_000, len(share))).mean(axis=1) - share.mean()) * np.sqrt(len(share) / (len(share) - 1))
        for share in shares
    ],
    axis=0,
)

two_columns = np.stack([1 - of_target, of_target], axis=1)
figures = {
    "top1": 100 * accuracy_score(target, predicted),
    "top5": 100 * top_k_accuracy_score(target, probability, k=5, labels=classes),
    "top1_low": 100 * low,
    "top1_high": 100 * high,
    "macro": 100 * recall_score(target, predicted, labels=np.unique(target), average="macro"),
    "f1_macro": 100 * f1_score(target, predicted, average="macro"),
    "precision": (100 * precision).tolist(),
    "recall": (100 * recall).tolist(),
    "f1": (100 * f1).tolist(),
    "support": support.tolist(),
    "ece": float(ece),
    # the probabilities as the rows hold them; log_loss would divide them by their sum first
    "nll": float(log_loss(np.ones(ROWS), two_columns, labels=[0, 1])),
    "nll_of_logits": float(-log_softmax(logits.astype(np.float64), axis=1)[np.arange(ROWS), target].mean()),
    "brier": float(
        brier_score_loss(target, softmax(logits.astype(np.float64), axis=1), labels=classes, scale_by_half=False)
    ),
    "macro_interval": (100 * np.quantile(resampled, [0.025, 0.975])).tolist(),
}


def short(value):
    """The shortest decimal that reads back as the same float32."""
    return float(str(np.float32(value)))


print(
    json.dumps(
        {
            "made_by": {
                "script": "tests/reference/report_figures.py",
                "numpy": np.__version__,
                "scikit-learn": sklearn.__version__,
                "scipy": scipy.__version__,
                "statsmodels": statsmodels.__version__,
            },
            "classes": CLASSES,
            "figures": figures,
            "rows": [
                {
                    "target": int(target[i]),
                    "index": order[i, :5].tolist(),
                    "prob": [short(p) for p in probability[i, order[i, :5]]],
                    "target_prob": short(probability[i, target[i]]),
                    "target_rank": int(np.flatnonzero(order[i] == target[i])[0]) + 1,
                    "logits": [short(x) for x in logits[i]],
                }
                for i in range(ROWS)
            ],
        },
        separators=(",", ":"),
    ).replace('{"target":', '\n{"target":')
)
