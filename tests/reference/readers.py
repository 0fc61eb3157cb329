"""Reads an output directory as it is with four independent readers: `readers.py OUT` prints one JSON object.

For each of duckdb, pyarrow, pandas and polars: `rows`, `keys` (SHA-256 of the sorted keys) and `types` (the
reader's own names of the columns' types). `keys` beside them: the same hash of the keys that the plan holds.
"""

import hashlib
import json
import sys

import duckdb
import pandas
import polars
import pyarrow.dataset

from rows import planned


def keys_hash(keys):
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def by_duckdb(out):
    rows = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [f"{out}/*.parquet"])
    names = [column[0] for column in rows.description]
    types = {column[0]: str(column[1]) for column in rows.description}
    return [row[names.index("key")] for row in rows.fetchall()], types


def by_pyarrow(out):
    table = pyarrow.dataset.dataset(out, format="parquet").to_table()
    return table["key"].to_pylist(), {field.name: str(field.type) for field in table.schema}


def by_pandas(out):
    frame = pandas.read_parquet(out)
    return list(frame["key"]), {name: str(kind) for name, kind in frame.dtypes.items()}


def by_polars(out):
    frame = polars.read_parquet(f"{out}/*.parquet")
    return frame["key"].to_list(), {name: str(kind) for name, kind in frame.schema.items()}


def main():
    out = sys.argv[1]
    found = {"keys": keys_hash(row["key"] for part in planned(out) for row in part)}
    for name, reader in (("duckdb", by_duckdb), ("pyarrow", by_pyarrow), ("pandas", by_pandas), ("polars", by_polars)):
        keys, types = reader(out)
        found[name] = {"rows": len(keys), "keys": keys_hash(keys), "types": types}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
