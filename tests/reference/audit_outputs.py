"""Writes finished outputs of made-up rows, to measure `audit` with: no model and no image is needed.

A module for audit_rates.py and audit_scale.py.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FINGERPRINT = "0123456789abcdef" * 4


class Output:
    """An output that grows part by part."""

    def __init__(self, folder, classes):
        self.folder, self.classes, self.rows, self.parts = Path(folder), classes, 0, []
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "_tresnet").mkdir(parents=True)

    def add(self, index, prob, embedding, target=None, content_hash=None):
        """Adds a part. Of each row: the best classes `[n, k]` and their probabilities, an embedding `[n, d]` of halves, a
        label (-1 for none), and 16 bytes of hash."""
        n, k = index.shape
        first = self.rows
        target = np.full(n, -1) if target is None else target
        unknown = target < 0
        given = np.where(index == target[:, None], prob, 0).max(axis=1)
        ends = pa.array(np.arange(n + 1, dtype=np.int32) * k)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(embedding.astype(np.float16).ravel()), embedding.shape[1])
        side = np.full(n, 256, np.int32)
        columns = {
            "row_id": np.arange(first, first + n),
            "key": [f"{row // 1000:06}/{row:09}.jpg" for row in range(first, first + n)],
            "etag": pa.nulls(n, pa.string()),
            "size": np.full(n, 1000),
            "target": pa.array(target.astype(np.int32), mask=unknown),
            "status": ["ok"] * n,
            "error_kind": pa.nulls(n, pa.string()),
            "error_message": pa.nulls(n, pa.string()),
            "index": pa.ListArray.from_arrays(ends, pa.array(index.astype(np.int32).ravel())),
            "prob": pa.ListArray.from_arrays(ends, pa.array(prob.astype(np.float32).ravel())),
            "target_prob": pa.array(given.astype(np.float32), mask=unknown),
            "target_rank": pa.nulls(n, pa.int32()),
            "embedding": vectors,
            "width": side,
            "height": side,
            "format": ["jpeg"] * n,
        }
        if content_hash is not None:
            columns["content_hash"] = pa.array(content_hash, pa.binary(16))
        name = f"part-{len(self.parts):06}-{FINGERPRINT[:8]}.parquet"
        plain = [column for column in columns if column != "embedding"]
        pq.write_table(
            pa.table(columns), self.folder / name, compression="zstd", row_group_size=n, use_dictionary=plain,
            compression_level=1,
        )
        size = (self.folder / name).stat().st_size
        self.parts.append(
            {"id": len(self.parts), "name": name, "size": size, "rows": n, "ok": n, "plan": "", "provider": "cpu"}
        )
        self.rows += n

    def finish(self, content_hash=False):
        components = {"input.format": "folder", "input.targets": "folder"}
        if content_hash:
            components["output.content_hash"] = True
        frozen = {
            "protocol": 1, "version": "0", "created": "2026-01-01T00:00:00Z", "name": "made up",
            "fingerprint": FINGERPRINT, "components": components, "input": "/nowhere", "preprocess": "",
            "folder_targets": None,
            "model": {
                "arch": "generated", "sha256": "", "precision": "fp32", "classes": self.classes, "dim": 1,
                "labels": [f"class-{i:04}" for i in range(self.classes)],
            },
        }
        (self.folder / "_tresnet/job.json").write_text(json.dumps(frozen))
        success = {
            "protocol": 1, "fingerprint": FINGERPRINT, "finished": "2026-01-01T00:00:00Z", "metrics": {},
            "parts": self.parts, "totals": {"planned": self.rows, "ok": self.rows, "error": 0},
            "left_out": {"extensions": {}, "unreadable": 0, "without_target": 0},
        }
        (self.folder / "_SUCCESS").write_text(json.dumps(success))
