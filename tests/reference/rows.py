"""Inspects outputs of `run` with pyarrow and without the program.

    rows.py dump OUT                     every row, scalars and short lists, as JSON
    rows.py plan OUT                     each plan row once in the parts, footers and `_SUCCESS` agree with them
    rows.py same A B [COLUMN ...]        equal rows, to the bit, in every column but those named
    rows.py near A B LIMIT               the same, but floats may differ by LIMIT: rows of another processor
    rows.py others A B KEY               the same, but the row of KEY may differ in everything
    rows.py types OUT                    column names and Arrow types of every part, as JSON
    rows.py footers OUT                  the `tresnet.*` pairs of every part's footer, as JSON
    rows.py lengths OUT                  the shortest and the longest embedding

Fails with a sentence if something is wrong.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def part_files(out):
    """The part files by their id; a file is checked to be whole by reading its footer."""
    files = sorted(Path(out).glob("part-*.parquet"))
    return {int(file.name.split("-")[1]): file for file in files}


def read(out):
    tables = [pq.read_table(file) for file in part_files(out).values()]
    return pa.concat_tables(tables).sort_by("row_id").combine_chunks()


def dump(out):
    table = read(out)
    wide = {"embedding", "logits"}
    rows = table.select([name for name in table.column_names if name not in wide]).to_pylist()
    print(json.dumps(rows, default=bytes.hex))


def types(out):
    print(json.dumps([[[field.name, str(field.type)] for field in pq.read_schema(file)] for file in part_files(out).values()]))


def footers(out):
    print(json.dumps([
        {key.decode().removeprefix("tresnet."): value.decode() for key, value in pq.read_metadata(file).metadata.items()
         if key.startswith(b"tresnet.")}
        for file in part_files(out).values()
    ]))


def lengths(out):
    vectors = np.array(read(out)["embedding"].drop_null().to_pylist(), np.float64)
    norms = np.linalg.norm(vectors, axis=1)
    print(json.dumps({"shortest": norms.min(), "longest": norms.max()}))


def target_bytes(row):
    """A class, or the letter `s` and each of a set."""
    if row["target"] is not None:
        return struct.pack("<i", row["target"])
    targets = row.get("targets")
    return None if targets is None else b"s" + struct.pack(f"<{len(targets)}i", *targets)


def rows_hash(rows):
    """SHA-256 of a part's plan rows as src/dataset/plan/mod.rs documents it, written again."""
    digest = hashlib.sha256()
    for row in rows:
        fields = [
            row["key"].encode(),
            None if row["etag"] is None else row["etag"].encode(),
            None if row["size"] is None else struct.pack("<Q", row["size"]),
            target_bytes(row),
        ]
        for field in fields:
            digest.update(struct.pack("<I", 2**32 - 1 if field is None else len(field)))
            digest.update(field or b"")
    return digest.hexdigest()


def planned(out):
    """The plan's parts: lists of rows, in order."""
    parts = []
    last = []
    # a `#` marks the draft of a write that was killed on a local disk
    names = sorted(path for path in (Path(out) / "_tresnet/plan").iterdir() if "#" not in path.name)
    for index, path in enumerate(names):
        assert path.name == f"{index:06}", f"segment {path.name} is in the place of {index:06}"
        segment = pq.ParquetFile(path)
        head = json.loads(segment.metadata.metadata[b"tresnet.segment"])
        assert head["first_part"] == len(parts), f"segment {index} begins at part {head['first_part']}"
        assert head["first_row"] == sum(map(len, parts)), f"segment {index} begins at row {head['first_row']}"
        parts += [segment.read_row_group(group).to_pylist() for group in range(segment.num_row_groups)]
        last.append(head["last"])
    assert last == [False] * (len(last) - 1) + [True], f"`last` of the segments is {last}"
    keys = [row["key"].encode() for part in parts for row in part]
    assert keys == sorted(set(keys)), "the plan's keys are not in strictly increasing byte order"
    return parts


def plan(out):
    parts, files = planned(out), part_files(out)
    assert list(files) == list(range(len(parts))), f"{len(parts)} parts are planned, {list(files)} stand"
    first_row = ok = 0
    for number, rows in enumerate(parts):
        file = pq.ParquetFile(files[number])
        footer = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
        stand = file.read().to_pylist()
        fine = sum(row["status"] == "ok" for row in stand)
        expected = {
            "part": number,
            "first_row": first_row,
            "rows": len(rows),
            "ok": fine,
            "errors": len(rows) - fine,
            "plan": rows_hash(rows),
        }
        for name, value in expected.items():
            said = footer[f"tresnet.{name}"]
            assert said == str(value), f"part {number} has {name} = {said}, not {value}"
        for offset, (want, have) in enumerate(zip(rows, stand, strict=True)):
            assert have["row_id"] == first_row + offset, f"row {have['row_id']} is at position {first_row + offset}"
            for column in ("key", "etag", "size", "target", "targets"):
                assert have.get(column) == want.get(column), f"{column} of {want['key']} is {have.get(column)}, not {want.get(column)}"
        first_row += len(rows)
        ok += fine
    success = json.loads((Path(out) / "_SUCCESS").read_text())
    totals = {"planned": first_row, "ok": ok, "error": first_row - ok}
    assert success["totals"] == totals, f"_SUCCESS has {success['totals']}, the parts {totals}"
    listed = {part["name"]: part["size"] for part in success["parts"]}
    stand = {file.name: file.stat().st_size for file in files.values()}
    assert listed == stand, f"_SUCCESS lists {listed}, there is {stand}"
    print(json.dumps({"parts": len(parts), **totals}))


def leaves(array):
    """The flat values below lists, floats as the integers of their bits."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    while pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    if pa.types.is_floating(array.type):
        values = array.drop_null().to_numpy(zero_copy_only=False)
        return values.view(f"u{values.dtype.itemsize}")
    return None


def others(a, b, key):
    tables = [read(a), read(b)]
    assert all(key in table["key"].to_pylist() for table in tables), f"{key} has no row"
    equal(*(table.filter(pc.not_equal(table["key"], key)).combine_chunks() for table in tables), ())


def same(a, b, but):
    equal(read(a), read(b), but)


def near(a, b, limit):
    tables = [read(a), read(b)]
    floats = [name for name in tables[0].column_names if leaves(tables[0][name]) is not None]
    assert floats, "no column has floats"
    equal(*tables, floats)
    for name in floats:
        sides = [pc.list_flatten(table[name], recursive=True) if pa.types.is_nested(table[name].type) else table[name] for table in tables]
        assert sides[0].null_count == sides[1].null_count and len(sides[0]) == len(sides[1]), f"{name} has other values"
        numbers = [side.drop_null().to_numpy().astype(np.float64) for side in sides]
        largest = np.abs(numbers[0] - numbers[1]).max(initial=0)
        assert largest <= float(limit), f"{name} differs by {largest:.2e}"


def equal(a, b, but):
    assert a.column_names == b.column_names, f"columns {a.column_names} and {b.column_names}"
    assert a.num_rows == b.num_rows, f"{a.num_rows} rows and {b.num_rows}"
    assert set(but) <= set(a.column_names)
    for name in a.column_names:
        if name in but:
            continue
        ours, theirs = a[name], b[name]
        assert ours.type == theirs.type, f"{name} is {ours.type} and {theirs.type}"
        if not ours.equals(theirs):
            rows = [row for row in range(len(ours)) if ours[row] != theirs[row]]
            sentence = f"{name} differs in {len(rows)} of {len(ours)} rows"
            flat = [side.combine_chunks() for side in (ours, theirs)]
            if pa.types.is_fixed_size_list(ours.type):
                largest = np.abs(flat[0].flatten().to_numpy() - flat[1].flatten().to_numpy()).max()
                sentence += f", by at most {largest:.2e}"
            raise AssertionError(f"{sentence}; first {ours[rows[0]]} and {theirs[rows[0]]}"[:600])
        bits = leaves(ours)
        assert bits is None or np.array_equal(bits, leaves(theirs)), f"{name} differs in bits (zeros of other sign)"
    print(json.dumps({"rows": a.num_rows, "columns": len(a.column_names) - len(but)}))


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "same":
        same(arguments[0], arguments[1], arguments[2:])
    elif command == "near":
        near(*arguments)
    elif command == "others":
        others(*arguments)
    else:
        {"dump": dump, "plan": plan, "types": types, "footers": footers, "lengths": lengths}[command](*arguments)


if __name__ == "__main__":
    main()
