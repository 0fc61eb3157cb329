"""Reads what `export` and `compare --flips` wrote, with pandas, numpy and pyarrow, and compares it with the rows.

    exports.py csv OUT FOLDER K      every row of OUT is once in results*.csv, with its K best classes
    exports.py json OUT FOLDER K     the same of results*.json
    exports.py clip OUT FOLDER TYPE LENGTH   the embeddings of OUT are in img_emb/*.npy, whose rows metadata/*.parquet names;
                                     TYPE is float16 or float32, LENGTH is unit or own
    exports.py parquet OUT FOLDER    every row of OUT is once in rows*.parquet, with all columns and equal values; the type of
                                     the embeddings' numbers is printed, too
    exports.py flips FILE            the keys of a file of flips by their change, as JSON

Fails with a sentence if something is wrong; prints the number of files and rows as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rows import read


def numbered(folder, pattern):
    files = sorted(Path(folder).glob(pattern))
    assert files, f"no {pattern} in {folder}"
    return files


def expect(row, k, name):
    values = row[name]
    values = [None] * k if values is None else (values + [None] * k)[:k]
    return values


def csv(out, folder, k):
    rows = read(out).to_pylist()
    # "NA" is a name, too
    files = numbered(folder, "results*.csv")
    frames = [pd.read_csv(file, keep_default_na=False, na_values=[""], dtype={"filename": str}) for file in files]
    frame = pd.concat(frames, ignore_index=True)
    assert list(frame["filename"]) == [row["key"] for row in rows], "other files, or another order"
    named = any(row["label"] for row in rows)
    names = ["index"] + ["label"] * named + ["prob"]
    columns = names if k == 1 else [f"{name}_{rank}" for name in names for rank in range(k)]
    assert list(frame.columns) == ["filename", *columns], f"columns are {list(frame.columns)}"
    for name in names:
        for rank in range(k):
            column = frame[name if k == 1 else f"{name}_{rank}"]
            for found, row in zip(column, rows):
                wanted = expect(row, k, name)[rank]
                if wanted is None:
                    assert pd.isna(found), f"{name}_{rank} of {row['key']} is {found}, not empty"
                elif name == "prob":
                    assert np.float32(found) == np.float32(wanted), f"{name} of {row['key']} is {found}, not {wanted}"
                else:
                    assert found == wanted, f"{name}_{rank} of {row['key']} is {found}, not {wanted}"
    print(json.dumps({"files": len(files), "rows": len(frame)}))


def json_(out, folder, k):
    rows = read(out).to_pylist()
    files = numbered(folder, "results*.json")
    found = {}
    for file in files:
        page = json.loads(file.read_text())
        assert not page.keys() & found.keys(), f"{file} holds names that another file holds, too"
        found |= page
        # as a user of timm's file would
        assert len(pd.read_json(file, orient="index", convert_axes=False)) == len(page)
    assert list(found) == [row["key"] for row in rows], "other files, or another order"
    named = any(row["label"] for row in rows)
    for row in rows:
        entry = found[row["key"]]
        assert list(entry) == ["index"] + ["label"] * named + ["prob"], f"{row['key']} has {list(entry)}"
        for name, value in entry.items():
            wanted = None if row[name] is None else row[name][:k]
            wanted = wanted[0] if wanted and k == 1 else wanted
            if name == "prob" and wanted is not None:
                value, wanted = np.float32(value).tolist(), np.float32(wanted).tolist()
            assert value == wanted, f"{name} of {row['key']} is {value}, not {wanted}"
    print(json.dumps({"files": len(files), "rows": len(found)}))


def clip(out, folder, kind, length):
    table = read(out)
    kept = table.filter(table["embedding"].is_valid())
    matrices = numbered(folder, "img_emb/img_emb_*.npy")
    tables = numbered(folder, "metadata/metadata_*.parquet")
    ids = [[file.stem.rsplit("_", 1)[1] for file in files] for files in (matrices, tables)]
    width = len(str(len(matrices)))
    assert ids[0] == ids[1] == [f"{at:0{width}}" for at in range(len(matrices))], f"files are numbered {ids}"
    parts = [np.load(file) for file in matrices]
    assert all(part.dtype == kind for part in parts), f"types are {[part.dtype for part in parts]}"
    frames = [pd.read_parquet(file) for file in tables]
    assert [len(part) for part in parts] == [len(frame) for frame in frames]
    found, frame = np.concatenate(parts), pd.concat(frames, ignore_index=True)
    assert list(frame["image_path"]) == kept["key"].to_pylist(), "other images, or another order"
    assert frame.columns[0] == "image_path"
    gone = {"key", "embedding", "logits", "status", "error_kind", "error_message"}
    others = [name for name in table.column_names if name not in gone]
    assert list(frame.columns[1:]) == others, f"columns are {list(frame.columns)}"
    for name in others:
        assert pq.read_table(tables[0])[name].type == table[name].type, f"{name} has another type"
    assert frame["row_id"].tolist() == kept["row_id"].to_pylist()
    assert [list(items) for items in frame["index"]] == kept["index"].to_pylist()
    wanted = np.array(kept["embedding"].to_pylist(), np.float64)
    if length == "unit":
        wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
        assert np.allclose(np.linalg.norm(found.astype(np.float64), axis=1), 1, atol=2e-3)
    steps = {"float16": 2**-11, "float32": 2**-24}[kind]
    worst = np.abs(found.astype(np.float64) - wanted) / np.maximum(np.abs(wanted), 2**-14)
    assert worst.max() <= 1.01 * steps, f"numbers differ by {worst.max() / steps} roundings"
    print(json.dumps({"files": len(matrices), "rows": len(found)}))


def parquet(out, folder):
    rows = read(out)
    files = numbered(folder, "rows*.parquet")
    copy = pa.concat_tables([pq.read_table(file) for file in files])
    assert copy.column_names == rows.column_names, f"columns are {copy.column_names}"
    assert copy.num_rows == rows.num_rows, f"{copy.num_rows} rows"
    for name in rows.column_names:
        # as Python's floats: half precision is exact in them
        assert copy[name].to_pylist() == rows[name].to_pylist(), f"{name} differs"
    assert rows["embedding"].null_count > 0, "no row without an embedding"
    element = copy.schema.field("embedding").type.value_type
    print(json.dumps({"files": len(files), "rows": copy.num_rows, "element": str(element)}))


def flips(path):
    frame = pd.read_csv(path, dtype={"key": str}) if path.endswith(".csv") else pd.read_parquet(path)
    columns = "key change target index_a index_b prob_a prob_b label label_a label_b".split()
    assert list(frame.columns) == columns, f"columns are {list(frame.columns)}"
    assert ((frame["prob_a"] > 0) & (frame["prob_a"] <= 1)).all()
    kinds = ("lost", "gained", "wrong", "unknown")
    print(json.dumps({kind: list(frame[frame["change"] == kind]["key"]) for kind in kinds}))


def main():
    command, *arguments = sys.argv[1:]
    if command == "csv":
        csv(*arguments[:2], int(arguments[2]))
    elif command == "json":
        json_(*arguments[:2], int(arguments[2]))
    elif command == "clip":
        clip(*arguments)
    elif command == "parquet":
        parquet(*arguments)
    else:
        flips(*arguments)


if __name__ == "__main__":
    main()
