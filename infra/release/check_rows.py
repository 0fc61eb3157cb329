"""Compares the rows of demos: each is FOLDER/rows, and all but the paths must be equal, floats bit for bit.

Usage: check_rows.py FOLDER FOLDER... (in an environment with the wheel and pyarrow)
"""

import sys

import tresnet_batch


def rows(folder):
    table = tresnet_batch.rows(f"{folder}/rows").to_table().sort_by("row_id")
    # the file's time or inode is in its tag
    return table.drop_columns(["etag"])


first, *others = sys.argv[1:]
expected = rows(first)
counts = tresnet_batch.report(f"{first}/rows")["metrics"]
assert expected.num_rows == 84, expected.num_rows
assert counts["top1"] >= 85, counts
for folder in others:
    found = rows(folder)
    assert found.schema.equals(expected.schema), folder
    for name in expected.column_names:
        # by the encoded bytes: NaN equals itself, and 0.0 is not -0.0
        left, right = ([str(value) for value in table[name].to_pylist()] for table in (expected, found))
        assert left == right, f"{folder}: {name} differs"
print(f"{expected.num_rows} rows of {len(others) + 1} demos are equal, top-1 {counts['top1']:.2f} %")
