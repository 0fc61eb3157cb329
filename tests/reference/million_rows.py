"""Writes an output of many rows as a run would leave it, to measure reports with: no model and no image is needed.

    million_rows.py FOLDER [--rows 1000000] [--classes 1000] [--dim 256] [--rows-per-part 32768]
    million_rows.py FOLDER --ask

The second form asks DuckDB for top-1 and top-5 of the same files, and prints them.
"""

import argparse
import json
import time
from pathlib import Path

FINGERPRINT = "0123456789abcdef" * 4


def write(arguments):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder, noise = arguments.folder, np.random.default_rng(3)
    (folder / "_tresnet").mkdir(parents=True)
    parts = []
    for part, first in enumerate(range(0, arguments.rows, arguments.rows_per_part)):
        rows = min(arguments.rows_per_part, arguments.rows - first)
        failed = noise.random(rows) < 0.002
        target = noise.integers(0, arguments.classes, rows).astype(np.int32)
        best = np.stack([(target * 7 + 1 + k + noise.integers(0, 40, rows)) % arguments.classes for k in range(5)], 1)
        rank = np.where(noise.random(rows) < 0.8, 1, noise.integers(1, 12, rows)).astype(np.int32)
        listed = rank <= 5
        best[best == target[:, None]] = (target.repeat(5).reshape(rows, 5)[best == target[:, None]] + 1) % arguments.classes
        best[np.flatnonzero(listed), rank[listed] - 1] = target[listed]
        sure = noise.beta(4, 1, rows)
        prob = np.stack([sure] + [(1 - sure) * 0.4 / (k + 1) for k in range(4)], 1)
        prob = -np.sort(-prob, axis=1).astype(np.float32)
        of_target = np.where(listed, prob[np.arange(rows), np.minimum(rank, 5) - 1], prob[:, 4] / 2).astype(np.float32)

        def lists(values, kind):
            offsets = np.where(failed, 0, 5).cumsum().astype(np.int32)
            offsets = np.concatenate([[0], offsets])
            flat = pa.array(values[~failed].reshape(-1).astype(kind))
            return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(failed))

        def known(values, kind):
            return pa.array(values, type=kind, mask=failed)

        names = pa.array([f"class-{i:04}" for i in range(arguments.classes)])
        labels = pa.ListArray.from_arrays(
            lists(best, np.int32).offsets, names.take(pa.array(best[~failed].reshape(-1))), mask=pa.array(failed)
        )
        vectors = pa.FixedSizeListArray.from_arrays(
            pa.array(noise.standard_normal(rows * arguments.dim, dtype=np.float32)), arguments.dim
        )
        table = pa.table({
            "row_id": pa.array(np.arange(first, first + rows)),
            "key": pa.array([f"n{c:08}/ILSVRC2012_val_{first + i:08}.JPEG" for i, c in enumerate(target)]),
            "etag": pa.array([f"{first + i:032x}" for i in range(rows)]),
            "size": pa.array(noise.integers(5_000, 500_000, rows)),
            "target": pa.array(target),
            "status": pa.array(np.where(failed, "error", "ok")),
            "error_kind": pa.array(np.where(failed, "truncated", ""), mask=~failed),
            "error_message": pa.array(np.where(failed, "it ends early", ""), mask=~failed),
            "index": lists(best, np.int32),
            "prob": lists(prob, np.float32),
            "label": labels,
            "target_prob": known(of_target, pa.float32()),
            "target_rank": known(rank, pa.int32()),
            "embedding": vectors,
            "width": known(noise.integers(200, 2_000, rows).astype(np.int32), pa.int32()),
            "height": known(noise.integers(200, 2_000, rows).astype(np.int32), pa.int32()),
            "format": pa.array(np.where(noise.random(rows) < 0.9, "jpeg", "png"), mask=failed),
        })
        name = f"part-{part:06}-{FINGERPRINT[:8]}.parquet"
        pq.write_table(
            table, folder / name, compression="zstd", compression_level=3, row_group_size=rows,
            use_dictionary=[c for c in table.column_names if c != "embedding"],
        )
        parts.append({
            "id": part, "name": name, "size": (folder / name).stat().st_size, "rows": rows,
            "ok": int((~failed).sum()), "plan": "", "provider": "cpu",
        })
    frozen = {
        "protocol": 1, "version": "0", "created": "2026-01-01T00:00:00Z", "name": "a million rows",
        "fingerprint": FINGERPRINT, "components": {"input.format": "folder", "input.targets": "folder"},
        "input": "/nowhere", "preprocess": "", "folder_targets": None,
        "model": {
            "arch": "generated", "sha256": "", "precision": "fp32", "classes": arguments.classes,
            "dim": arguments.dim, "labels": [f"class-{i:04}" for i in range(arguments.classes)],
        },
    }
    (folder / "_tresnet/job.json").write_text(json.dumps(frozen))
    ok = sum(part["ok"] for part in parts)
    success = {
        "protocol": 1, "fingerprint": FINGERPRINT, "finished": "2026-01-01T00:00:00Z", "metrics": {}, "parts": parts,
        "totals": {"planned": arguments.rows, "ok": ok, "error": arguments.rows - ok},
        "left_out": {"extensions": {}, "unreadable": 0, "without_target": 0},
    }
    (folder / "_SUCCESS").write_text(json.dumps(success))


def ask(folder):
    import duckdb

    begun = time.monotonic()
    answer = duckdb.sql(f"""
        SELECT count(*), 100 * avg((index[1] = target)::int), 100 * avg(list_contains(index[1:5], target)::int)
        FROM '{folder}/*.parquet' WHERE status = 'ok'
    """).fetchall()[0]
    print(json.dumps({"rows": answer[0], "top1": answer[1], "top5": answer[2], "seconds": time.monotonic() - begun}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--rows-per-part", type=int, default=32_768)
    parser.add_argument("--ask", action="store_true")
    arguments = parser.parse_args()
    ask(arguments.folder) if arguments.ask else write(arguments)


if __name__ == "__main__":
    main()
