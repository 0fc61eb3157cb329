"""Reads the findings that `audit --parquet` wrote, with pyarrow.

    findings.py FILE

Prints the number of rows, and whether ranks count from 1 within each kind and follow the scores.
"""

import json
import sys
from itertools import groupby

import pyarrow.parquet as pq


def main():
    (file,) = sys.argv[1:]
    rows = pq.read_table(file).to_pylist()
    follow = True
    for _, kind in groupby(rows, key=lambda row: row["kind"]):
        kind = list(kind)
        follow &= [row["rank"] for row in kind] == list(range(1, len(kind) + 1))
        follow &= all(a["score"] >= b["score"] for a, b in zip(kind, kind[1:]))
    print(json.dumps({"rows": len(rows), "ranks_follow_scores": follow}))


if __name__ == "__main__":
    main()
