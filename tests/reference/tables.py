"""Packs the images of `job_images.py` in tables, as common programs write them: pyarrow, Polars, DuckDB.

    tables.py pack IMAGES OUT       a folder of Parquet files for each kind
    tables.py odd IMAGES OUT        files whose columns, keys or paths are not as they should be

Kinds: `spark` (the schema of Spark's `binaryFile`), `img2dataset`, `binary`, `large`, `view`, `lists`, `paths` (bytes are
null, paths are below the input), `beside` (paths are relative to the file), `polars`, `duckdb`.
"""

import json
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasets import samples

# a row group
ROWS = 13

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(out, name, table):
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / name, row_group_size=ROWS)


def pack(folder, out):
    rows = list(samples(folder))
    keys = [row[0] for row in rows]
    data = [row[1] for row in rows]
    label = pa.array([row[3] for row in rows], pa.string())
    structs = [{"bytes": image, "path": key} for key, image in zip(keys, data)]

    spark = {
        "path": [f"dbfs:/mnt/photos/{key}" for key in keys],
        "modificationTime": pa.array([0] * len(rows), pa.timestamp("us")),
        "length": pa.array([len(image) for image in data], pa.int64()),
        "content": pa.array(data, pa.binary()),
        "label": label,
    }
    write(out, "spark/part-00000.snappy.parquet", pa.table(spark))
    write(out, "img2dataset/00000.parquet", pa.table({
        "key": [f"{number:09}" for number in range(len(rows))],
        "caption": pa.array([None] * len(rows), pa.string()),
        "jpg": pa.array(data, pa.binary()),
        "label": label,
    }))
    for kind, binary in [("binary", pa.binary()), ("large", pa.large_binary()), ("view", pa.binary_view())]:
        write(out, f"{kind}/a.parquet", pa.table({"picture": pa.array(data, binary), "name": keys, "label": label}))

    # each third row has two images more, of which none is a row
    lists = [[image] + [structs[0]] * (2 * (number % 3 == 0)) for number, image in enumerate(structs)]
    write(out, "lists/a.parquet", pa.table({"images": pa.array(lists, pa.list_(IMAGE)), "label": label}))

    for kind, images, file in [("paths", "images", "data/a.parquet"), ("beside", "train/images", "train/a.parquet")]:
        paths = [{"bytes": None, "path": f"images/{key}"} for key in keys]
        write(out / kind, file, pa.table({"image": pa.array(paths, IMAGE), "label": label}))
        for key, image in zip(keys, data):
            target = out / kind / images / key
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(image)

    embedded = pa.table({"image": pa.array(structs, IMAGE), "label": label})
    for kind in ("polars", "duckdb"):
        (out / kind).mkdir()
    pl.from_arrow(embedded).write_parquet(out / "polars/a.parquet", row_group_size=ROWS)
    duckdb.sql(f"copy embedded to '{out}/duckdb/a.parquet' (format parquet, row_group_size 2048)")
    print(json.dumps({"rows": len(rows), "further": sum(len(row) - 1 for row in lists)}))


def odd(folder, out):
    good = [row[1] for row in samples(folder) if row[0].startswith("yam/") and row[0].endswith(".jpg")][0]
    images = out / "paths/images"
    images.mkdir(parents=True)
    (images / "good.jpg").write_bytes(good)
    (out / "secret.jpg").write_bytes(good)
    paths = ["images/good.jpg", "../secret.jpg", f"{out}/secret.jpg", f"{images}/good.jpg", "images/none.jpg", None]
    write(out, "paths/a.parquet", pa.table({"image": pa.array([{"bytes": None, "path": path} for path in paths], IMAGE)}))
    two = pa.array([{"bytes": good, "path": None}], IMAGE)
    write(out, "two/a.parquet", pa.table({"left": two, "right": two, "number": [1]}))
    write(out, "none/a.parquet", pa.table({"hash": pa.array([b"x" * 16], pa.binary(16)), "number": [1.5]}))
    keys = ["cat", "dog", "cat", None, "", "a\nb", "cat"]
    write(out, "keys/a.parquet", pa.table({"image": pa.array([good] * len(keys), pa.binary()), "name": keys}))
    (out / "gzip").mkdir()
    pq.write_table(pa.table({"image": pa.array([good], pa.binary())}), out / "gzip/a.parquet", compression="gzip")
    floats = pa.array([3.0, None, 1.5], pa.float64())
    write(out, "floats/a.parquet", pa.table({"image": pa.array([good] * 3, pa.binary()), "label": floats}))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"pack": pack, "odd": odd}[command](*map(Path, arguments))
