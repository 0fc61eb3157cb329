"""Writes tests/data/compare/statistics.json: statistics of paired shares by scipy, statsmodels and numpy.

    python -m venv VENV && VENV/bin/pip install numpy scipy statsmodels
    VENV/bin/python tests/reference/paired_statistics.py

Cells are counts of rows: right in both, right in A only, right in B only, right in neither.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

EXACT_UP_TO = 1000

CELLS = [
    [794, 86, 150, 570],
    [900, 5, 3, 92],
    [80, 0, 0, 20],
    [0, 12, 0, 0],
    [1, 0, 0, 0],
    [0, 3, 4, 0],
    [40_213, 380, 341, 9_066],
    [40_000, 500, 500, 9_000],
    [40_000, 501, 500, 9_000],
    [39_000, 1_200, 1_010, 8_790],
    [7_700_000, 61_234, 58_766, 2_180_000],
    [7_700_000, 60_100, 60_000, 2_180_000],
    [50, 600, 401, 50],
    [30, 40, 2, 28],
    [10, 45, 40, 5],
]


def wilson(hits, rows):
    return [100 * end for end in proportion_confint(hits, rows, method="wilson")]


def newcombe(a, b, c, d):
    """Method 10 of Newcombe (1998), from its description: Wilson's intervals joined by the pairs' correlation."""
    n = a + b + c + d
    shares = np.array([a + b, a + c]) / n
    low, high = np.array([proportion_confint(hits, n, method="wilson") for hits in (a + b, a + c)]).T
    margins = np.prod(np.array([a + b, c + d, a + c, b + d], dtype=float))
    excess = float(a) * d - float(b) * c
    phi = 0.0 if margins == 0 else (max(excess - n / 2, 0) if excess > 0 else excess) / np.sqrt(margins)

    def reach(first, second):
        return np.sqrt(max(first**2 - 2 * phi * first * second + second**2, 0))

    gap = shares[0] - shares[1]
    lower = gap - reach(shares[0] - low[0], high[1] - shares[1])
    upper = gap + reach(high[0] - shares[0], shares[1] - low[1])
    return [100 * float(gap), 100 * float(lower), 100 * float(upper)]


def test(a, b, c, d):
    n = b + c
    table = [[a, b], [c, d]]
    if n <= EXACT_UP_TO:
        p = 1.0 if n == 0 else binomtest(b, n, 0.5).pvalue
        assert abs(p - min(mcnemar(table, exact=True).pvalue, 1)) < 1e-12
        return {"method": "exact_binomial", "statistic": None, "p": p}
    found = mcnemar(table, exact=False, correction=True)
    return {"method": "chi_squared_corrected", "statistic": float(found.statistic), "p": float(found.pvalue)}


def main():
    cases = []
    for cells in CELLS:
        a, b, c, d = cells
        n = sum(cells)
        points, low, high = newcombe(*cells)
        cases.append(
            {
                "cells": cells,
                "a": wilson(a + b, n),
                "b": wilson(a + c, n),
                "drop": {"points": points, "low": low, "high": high},
                "mcnemar": {"discordant": b + c, **test(*cells)},
            }
        )
    out = Path(__file__).parents[1] / "data/compare/statistics.json"
    made_by = {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "numpy": np.__version__}
    out.write_text(json.dumps({"made_by": made_by, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
