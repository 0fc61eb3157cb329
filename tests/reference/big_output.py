"""Makes a finished output of many rows without images or a model, to measure readers of outputs with.

    big_output.py LIKE OUT ROWS [--reverse] [--seed N]

LIKE is a finished output, whose job.json is copied. Rows have five classes of a thousand, no embeddings; with
--reverse their keys fall, as those of a manifest may, and the job's input is a manifest.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PART = 65_536


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("like")
    parser.add_argument("out")
    parser.add_argument("rows", type=int)
    parser.add_argument("--reverse", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    out, rows = Path(arguments.out), arguments.rows
    (out / "_tresnet").mkdir(parents=True)
    job = json.loads((Path(arguments.like) / "_tresnet/job.json").read_text())
    job["model"] |= {"classes": 1000, "labels": None}
    job["components"] |= {"input.format": "manifest" if arguments.reverse else "folder"}
    (out / "_tresnet/job.json").write_text(json.dumps(job))
    noise = np.random.default_rng(arguments.seed)
    parts = []
    for part, first in enumerate(range(0, rows, PART)):
        ids = np.arange(first, min(first + PART, rows))
        n = len(ids)
        places = rows - 1 - ids if arguments.reverse else ids
        target = ((places * 7919) % 1000).astype(np.int32)
        off = noise.random(n) < 0.2
        index = (target[:, None] + np.arange(5) + off[:, None] * 3) % 1000
        lists = lambda values, kind: pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32) * 5, pa.array(values.ravel(), kind))
        ints = lambda value: pa.array(np.full(n, value, np.int32))
        table = pa.table(
            {
                "row_id": pa.array(ids.astype(np.int64)),
                "key": [f"images/{place // 1000:06}/{place:09}.jpg" for place in places],
                "target": target,
                "status": pa.array(["ok"] * n),
                "error_kind": pa.nulls(n, pa.string()),
                "index": lists(index.astype(np.int32), pa.int32()),
                "prob": lists(np.tile(np.float32([0.5, 0.2, 0.1, 0.1, 0.1]), (n, 1)), pa.float32()),
                "target_prob": pa.array(np.full(n, 0.5, np.float32)),
                "target_rank": pa.array(np.where(off, 6, 1).astype(np.int32)),
                "width": ints(500),
                "height": ints(375),
                "format": pa.array(["jpeg"] * n),
            }
        )
        name = f"part-{part:06}-{job['fingerprint'][:8]}.parquet"
        pq.write_table(table, out / name, compression="zstd", row_group_size=PART)
        plan = hashlib.sha256(f"{arguments.reverse} {part} {rows}".encode()).hexdigest()
        size = (out / name).stat().st_size
        parts.append({"id": part, "name": name, "size": size, "rows": n, "ok": n, "plan": plan, "provider": "cpu"})
    success = json.loads((Path(arguments.like) / "_SUCCESS").read_text())
    success |= {"totals": {"planned": rows, "ok": rows, "error": 0}, "parts": parts, "metrics": {}}
    (out / "_SUCCESS").write_text(json.dumps(success))


if __name__ == "__main__":
    main()
