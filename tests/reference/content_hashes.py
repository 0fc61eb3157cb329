"""Compares the column `content_hash` of an output with the files of its input folder, by Python's xxhash.

    content_hashes.py OUTPUT FOLDER

Prints the number of rows, those whose hash is that of their file, those without a hash, and for the duplicates: keys of
images that have the bytes of another one with a smaller row id.
"""

import json
import sys
from pathlib import Path

import pyarrow.dataset
import xxhash


def main():
    output, folder = sys.argv[1:]
    table = pyarrow.dataset.dataset(output, format="parquet").to_table(columns=["row_id", "key", "content_hash"])
    rows = sorted(table.to_pylist(), key=lambda row: row["row_id"])
    equal, without, seen, duplicates = 0, 0, {}, []
    for row in rows:
        if row["content_hash"] is None:
            without += 1
            continue
        content = (Path(folder) / row["key"]).read_bytes()
        equal += row["content_hash"] == xxhash.xxh3_128_digest(content)
        if content in seen:
            duplicates.append([row["key"], seen[content]])
        else:
            seen[content] = row["key"]
    print(json.dumps({"rows": len(rows), "equal": equal, "without": without, "duplicates": duplicates}))


if __name__ == "__main__":
    main()
