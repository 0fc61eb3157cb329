"""Plants defects into an output on local disk, as a bug or a careless user might: `plant.py OUT DEFECT [DEFECT ...]`.

Part files are written again by pyarrow with their footers' `tresnet.*` pairs, so that a file is whole and has no defect
but the named one. `plant.py list` prints the names of all defects as JSON.
"""

import hashlib
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rows import part_files, planned

DEFECTS = {}


def defect(function):
    DEFECTS[function.__name__] = function
    return function


def pairs_of(file):
    pairs = pq.read_metadata(file).metadata
    return {key: value for key, value in pairs.items() if key != b"ARROW:schema"}


def rewrite(file, change=lambda rows: rows, **pairs):
    """Writes a part again with other rows (a list of dictionaries) or other `tresnet.*` pairs."""
    table = pq.read_table(file)
    metadata = pairs_of(file)
    for name, value in pairs.items():
        assert f"tresnet.{name}".encode() in metadata, name
        metadata[f"tresnet.{name}".encode()] = str(value).encode()
    table = pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema.with_metadata(metadata))
    pq.write_table(table, file)
    # the size in `_SUCCESS` is changed too, so that the size does not reveal the defect
    number, size = int(file.name.split("-")[1]), file.stat().st_size

    def resize(success):
        for part in success["parts"]:
            if part["id"] == number:
                part["size"] = size

    rewrite_json(file.with_name("_SUCCESS"), resize)


def rewrite_json(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def footer(file):
    return {key.decode(): value.decode() for key, value in pairs_of(file).items()}


def two_good_rows(file):
    """Positions of two neighbours of which both are ok."""
    status = pq.read_table(file)["status"].to_pylist()
    return next(row for row in range(len(status) - 1) if status[row] == status[row + 1] == "ok")


@defect
def missing_part(out, files):
    files[5].unlink()


@defect
def doubled_row(out, files):
    """The next row is lost, so that every count stays true."""
    at = two_good_rows(files[2])

    def double(rows):
        rows[at + 1] = rows[at]
        return rows

    rewrite(files[2], double)


@defect
def added_row(out, files):
    """A row twice, with counts in the footer that fit it."""
    at, pairs = two_good_rows(files[2]), footer(files[2])
    more = {name: int(pairs[f"tresnet.{name}"]) + 1 for name in ("rows", "ok")}
    rewrite(files[2], lambda rows: rows[: at + 1] + rows[at:], **more)


@defect
def foreign_fingerprint(out, files):
    """The same first digits, which are in its name, and others after them."""
    own = footer(files[3])["tresnet.fingerprint"]
    rewrite(files[3], fingerprint=own[:8] + own[8:][::-1])


@defect
def foreign_part(out, files):
    files[3].with_name("part-000003-00000000.parquet").write_bytes(files[3].read_bytes())


@defect
def torn_footer(out, files):
    files[4].write_bytes(files[4].read_bytes()[:-100])


@defect
def wrong_count(out, files):
    pairs = footer(files[1])
    ok, errors = (int(pairs[f"tresnet.{name}"]) for name in ("ok", "errors"))
    rewrite(files[1], ok=ok - 1, errors=errors + 1)


@defect
def early_success(out, files):
    """`_SUCCESS` agrees with the committed parts, but the plan has more."""
    for number in (10, 11):
        files[number].unlink()

    def forget(success):
        success["parts"] = [part for part in success["parts"] if part["id"] < 10]
        rows, ok = (sum(part[name] for part in success["parts"]) for name in ("rows", "ok"))
        success["totals"] = {"planned": rows, "ok": ok, "error": rows - ok}

    rewrite_json(out / "_SUCCESS", forget)


@defect
def row_of_another_key(out, files):
    def rename(rows):
        rows[6]["key"] = "another/key.jpg"
        return rows

    rewrite(files[7], rename)


@defect
def row_of_another_target(out, files):
    def aim(rows):
        rows[6]["target"] = 1 if rows[6]["target"] != 1 else 2
        return rows

    rewrite(files[7], aim)


@defect
def gap_in_the_chain(out, files):
    (out / "_tresnet/plan/000001").unlink()


@defect
def chain_without_end(out, files):
    """The last segment is gone, and the parts that it planned."""
    last = sorted((out / "_tresnet/plan").iterdir())[-1]
    head = json.loads(pairs_of(last)[b"tresnet.segment"])
    last.unlink()
    for number in range(head["first_part"], len(files)):
        files[number].unlink()


@defect
def segment_behind_the_last(out, files):
    segments = sorted((out / "_tresnet/plan").iterdir())
    (out / f"_tresnet/plan/{len(segments):06}").write_bytes(segments[-1].read_bytes())


@defect
def rows_of_another_plan(out, files):
    """A planned key is another one; the segment's footer hashes the old."""
    path = out / "_tresnet/plan/000001"
    segment = pq.ParquetFile(path)
    groups = [segment.read_row_group(group) for group in range(segment.num_row_groups)]
    schema = groups[0].schema.with_metadata(pairs_of(path))
    rows = groups[2].to_pylist()
    rows[3]["key"] += "x"
    groups[2] = pa.Table.from_pylist(rows, schema=schema)
    with pq.ParquetWriter(path, schema) as writer:
        for group in groups:
            writer.write_table(group)


@defect
def part_behind_the_plan(out, files):
    rewrite(files[11], part=12)
    files[11].with_name(files[11].name.replace("000011", "000012")).write_bytes(files[11].read_bytes())
    rewrite(files[11], part=11)


@defect
def part_of_another_plan(out, files):
    rewrite(files[8], plan=hashlib.sha256(b"another").hexdigest())


@defect
def rows_out_of_order(out, files):
    rewrite(files[6], lambda rows: rows[::-1])


@defect
def copy_beside_the_parts(out, files):
    (out / "copy.parquet").write_bytes(files[0].read_bytes())


@defect
def success_with_wrong_totals(out, files):
    rewrite_json(out / "_SUCCESS", lambda success: success["totals"].update(ok=success["totals"]["ok"] + 1))


@defect
def success_with_a_wrong_part(out, files):
    rewrite_json(out / "_SUCCESS", lambda success: success["parts"][2].update(provider="abacus"))


@defect
def success_that_is_no_json(out, files):
    (out / "_SUCCESS").write_text("")


@defect
def job_with_another_component(out, files):
    path = out / "_tresnet/job.json"
    rewrite_json(path, lambda job: job["components"].update({"output.top_k": 4}))


@defect
def job_that_is_gone(out, files):
    (out / "_tresnet/job.json").unlink()


@defect
def success_that_is_gone(out, files):
    """No defect, but not finished."""
    (out / "_SUCCESS").unlink()


def main():
    if sys.argv[1:] == ["list"]:
        print(json.dumps(list(DEFECTS)))
        return
    out = Path(sys.argv[1])
    assert len(planned(out)) == len(part_files(out)) == 12, "the defects are cut for an output of 12 parts"
    for name in sys.argv[2:]:
        DEFECTS[name](out, part_files(out))


if __name__ == "__main__":
    main()
