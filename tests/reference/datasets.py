"""Packs the images of `job_images.py` in every other way that the program reads, and checks the rows of shards.

    datasets.py pack IMAGES OUT          manifests of every kind, tar shards, Parquet with images
    datasets.py hostile IMAGES OUT       tar shards with false headers, cut shards, and files that are no tar
    datasets.py large IMAGES OUT         tar shards longer than what is read at once
    datasets.py photographs FOLDER CLASSES OUT   a CSV manifest, tar shards, Parquet with images of any folder of photographs
    datasets.py floats FILE              a Parquet manifest whose classes are floats, one missing
    datasets.py shards OUTPUT            rows of shards count without gaps, footers agree; as JSON

IMAGES is the folder that `job_images.py` made: `images/`, `expected.json`, `classes.txt`.
"""

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SHARDS = 9
ROWS_PER_GROUP = 13


def samples(folder):
    """Key, bytes, class (index and name, or None) and carried columns, in the order of the folder's plan."""
    expected = json.loads((folder / "expected.json").read_text())
    classes = (folder / "classes.txt").read_text().split("\n")
    for number, key in enumerate(sorted(expected, key=str.encode)):
        name = expected[key]["folder"]
        target = None if name is None else classes.index(name)
        carried = {"camera": f'cam "{number % 3}", é', "year": 2000 + number, "f-stop": number / 3, "flash": number % 2 == 0}
        if number % 10 == 7:
            carried = dict.fromkeys(carried)
        yield key, (folder / "images" / key).read_bytes(), target, name, carried


def add(tar, name, data, **fields):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(data))


def quoted(value):
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text


def texts_beside(number, target, name, carried):
    """The class in one of the possible forms, before or after the image."""
    body = dict(carried)
    if number % 4 == 3:
        body["label"] = name if number % 8 == 3 else target
    texts = [(".json", json.dumps(body).encode())]
    if target is not None and number % 4 != 3:
        texts.append((".cls", f"{name if number % 4 == 0 else target}\n".encode()))
    return texts


def pack(folder, out):
    out.mkdir(parents=True)
    rows = list(samples(folder))
    columns = ["camera", "year", "f-stop", "flash"]

    lines = ["file_name,label," + ",".join(columns)]
    for key, _, target, _, carried in rows:
        lines.append(",".join(quoted(value) for value in [key, target, *carried.values()]))
    (out / "rows.csv").write_text("\r\n".join(lines) + "\r\n")

    lines = ["camera\tpath\ttarget"]
    lines += [f"{carried['camera'] or ''}\t./{key}\t{name or ''}" for key, _, _, name, carried in rows]
    (out / "rows.tsv").write_text("\n".join(lines))

    lines = []
    for number, (key, _, target, name, carried) in enumerate(rows):
        label = None if target is None else (name, target)[number % 2]
        lines.append(json.dumps({"image": key, "target": label, **carried}, ensure_ascii=number % 2 == 0))
    (out / "rows.jsonl").write_text("\n\n".join(lines) + "\n")

    (out / "rows.txt").write_text("".join(f"{key}\t{name or ''}\n" for key, _, _, name, _ in rows))

    table = pa.table({
        "camera": pa.array([row[4]["camera"] for row in rows]).dictionary_encode(),
        "year": pa.array([row[4]["year"] for row in rows], pa.int16()),
        "f-stop": pa.array([row[4]["f-stop"] for row in rows], pa.float32()),
        "flash": pa.array([row[4]["flash"] for row in rows], pa.bool_()),
        "path": pa.array([row[0] for row in rows], pa.large_string()),
        "label": pa.array([row[2] for row in rows], pa.int64()),
    })
    pq.write_table(table, out / "rows.parquet", row_group_size=31)

    shards = out / "shards"
    shards.mkdir()
    share = -(-len(rows) // SHARDS)
    for shard in range(SHARDS):
        kind = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT][shard % 3]
        with tarfile.open(shards / f"train-{shard:03}.tar", "w", format=kind) as tar:
            add(tar, "README", b"not an image")
            for number, (key, data, target, name, carried) in list(enumerate(rows))[shard * share : (shard + 1) * share]:
                stem = key.rsplit(".", 1)[0]
                texts = texts_beside(number, target, name, carried)
                before = number % 3 == 0
                for suffix, text in texts if before else []:
                    add(tar, stem + suffix, text)
                add(tar, key, data)
                for suffix, text in [] if before else texts:
                    add(tar, stem + suffix, text)
            add(tar, "link.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    (shards / "notes.md").write_text("not a shard")

    files = out / "parquet"
    files.mkdir()
    half = len(rows) // 2
    own = sorted({row[3] for row in rows if row[3]})
    for number, part in enumerate([rows[:half], rows[half:]]):
        images = [{"bytes": data, "path": key} for key, data, *_ in part]
        # numbers of the file's own classes, as Hugging Face counts them
        labels = [-1 if name is None else own.index(name) for _, _, _, name, _ in part]
        table = pa.table({
            "camera": [row[4]["camera"] for row in part],
            "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array(labels, pa.int64()),
        })
        features = {"image": {"_type": "Image"}, "label": {"names": own, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, files / f"train-{number:05}-of-00002.parquet", row_group_size=ROWS_PER_GROUP)
    print(len(rows))


def hostile(folder, out):
    out.mkdir(parents=True)
    good = [row[1] for row in samples(folder) if row[0].endswith(".jpg") and row[0].startswith("Kale")][:2]
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ["ok/0001.jpg", "../../etc/evil.jpg", "/abs/evil.jpg", "dup.jpg", "dup.jpg"]:
            add(tar, name, good[0])
        for name, kind in [("link.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE), ("fifo.jpg", tarfile.FIFOTYPE)]:
            add(tar, name, b"", type=kind, linkname="/etc/passwd")
        for name in ["nul\nline.jpg", "é/ü.jpg", "a" * 300 + ".jpg"]:
            add(tar, name, good[1])
    whole = whole.getvalue()
    (out / "0-members.tar").write_bytes(whole)
    # inside the data of the second image
    (out / "1-cut.tar").write_bytes(whole[: 1024 + len(good[0]) + 1500])
    broken = bytearray(whole)
    broken[148:156] = b"0000000\0"
    (out / "2-checksum.tar").write_bytes(broken)
    header = bytearray(whole[:512])
    header[124:136] = b"77777777777\0"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    (out / "3-claims-8-gib.tar").write_bytes(bytes(header) + b"x" * 1000)
    (out / "4-empty.tar").write_bytes(b"")
    # thirty images, and then a header that is none
    many = io.BytesIO()
    with tarfile.open(fileobj=many, mode="w") as tar:
        for number in range(30):
            add(tar, f"{number:02}.jpg", good[0])
        broken = tar.offset
        add(tar, "30.jpg", good[0])
    many = bytearray(many.getvalue())
    many[broken] ^= 1
    (out / "5-broken-late.tar").write_bytes(many)
    print(len(whole))


def large(folder, out):
    """Two shards of two windows: an image lies across their border, and in the second one a header after it is damaged."""
    out.mkdir(parents=True)
    good = next(row[1] for row in samples(folder) if row[0] == "Kale/00.jpg")
    border = 32 << 20
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(20):
            add(tar, f"{number:02}.jpg", good)
        # ends so that the next image's bytes begin 512 bytes before the border
        add(tar, "filler.bin", b"\xff" * (border - 512 - 512 - tar.offset - 512))
        add(tar, "across.jpg", good)
        add(tar, "across.cls", b"3")
        broken = tar.offset
        add(tar, "last.jpg", good)
    whole = bytearray(whole.getvalue())
    assert len(good) > 512 and whole[border - 1024 : border - 1014] == b"across.jpg"
    (out / "0-whole.tar").write_bytes(whole)
    whole[broken] ^= 1
    (out / "1-broken.tar").write_bytes(whole)
    print(len(whole))


def photographs(folder, classes, out):
    """Folders are WordNet ids, whose table has a header and, in each line, index, id and name."""
    out.mkdir(parents=True)
    lines = [line.split("\t") for line in classes.read_text().splitlines()[1:]]
    index = {wnid: int(number) for number, wnid, _ in lines}
    called = {wnid: name for _, wnid, name in lines}
    paths = sorted((path for path in folder.glob("*/*") if path.is_file()), key=lambda path: str(path).encode())
    rows = [(path.relative_to(folder).as_posix(), path.read_bytes(), path.parent.name) for path in paths]
    (out / "rows.csv").write_text("file_name,label\n" + "".join(f"{key},{index[name]}\n" for key, _, name in rows))
    (out / "shards").mkdir()
    for shard in range(4):
        with tarfile.open(out / "shards" / f"photographs-{shard:03}.tar", "w") as tar:
            for key, data, name in rows[shard * 25 : (shard + 1) * 25]:
                add(tar, key, data)
                add(tar, key.rsplit(".", 1)[0] + ".cls", str(index[name]).encode())
    own = sorted({called[name] for _, _, name in rows})
    images = [{"bytes": data, "path": key} for key, data, _ in rows]
    table = pa.table({
        "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "label": pa.array([own.index(called[name]) for _, _, name in rows], pa.int64()),
    })
    features = {"image": {"_type": "Image"}, "label": {"names": own, "_type": "ClassLabel"}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (out / "parquet").mkdir()
    pq.write_table(table, out / "parquet/photographs.parquet", row_group_size=40)
    tables(folder, rows, pa.array([index[name] for _, _, name in rows], pa.int64()), out / "tables")
    print(len(rows))


def tables(folder, rows, label, out):
    """The same photographs in columns as other programs name them."""
    keys, data, _ = zip(*rows)
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": image, "path": key} for key, image in zip(keys, data)]
    by_path = [{"bytes": None, "path": f"photographs/{key}"} for key in keys]
    kinds = {
        "binary": {"image": pa.array(data, pa.binary())},
        "spark": {
            "path": pa.array([f"dbfs:/photographs/{key}" for key in keys]),
            "modificationTime": pa.array([0] * len(keys), pa.timestamp("us")),
            "length": pa.array([len(image) for image in data], pa.int64()),
            "content": pa.array(data, pa.binary()),
        },
        "img2dataset": {"key": pa.array(keys), "jpg": pa.array(data, pa.binary())},
        "lists": {"image": pa.array([[image, image] for image in images], pa.list_(struct))},
        "paths": {"image": pa.array(by_path, struct)},
    }
    for kind, columns in kinds.items():
        (out / kind).mkdir(parents=True)
        table = pa.table(columns | {"label": label})
        pq.write_table(table, out / kind / "photographs.parquet", row_group_size=40)
    shutil.copytree(folder, out / "paths/photographs")


def floats(out, compression="snappy"):
    """A list of images as pandas writes one in which a class is missing."""
    targets = pa.array([0.0, 3.0, float("nan")], pa.float64())
    pq.write_table(pa.table({"file_name": ["yam/01.jpg", "Kale/00.jpg", "yam/03.jpeg"], "label": targets}), out,
                   compression=str(compression))


def shards(output):
    totals = []
    for number, file in enumerate(sorted(Path(output).glob("part-*.parquet"))):
        parquet = pq.ParquetFile(file)
        footer = {key.decode(): value.decode() for key, value in parquet.metadata.metadata.items()}
        table = parquet.read()
        first = number << 32
        assert footer["tresnet.first_row"] == str(first), footer["tresnet.first_row"]
        assert table["row_id"].to_pylist() == list(range(first, first + len(table))), f"{file.name} has gaps"
        assert footer["tresnet.rows"] == str(len(table))
        counts = {name: int(footer.get(f"tresnet.{name}", 0)) for name in ("rows", "errors", "damaged", "skipped")}
        keys = table["key"].to_pylist()
        assert len({key.split("!")[0] for key in keys}) == 1, f"{file.name} holds rows of several shards"
        assert len(set(keys)) == len(keys), f"{file.name} has a key twice"
        kinds = table["error_kind"].to_pylist()
        totals.append({**counts, "keys": keys, "kinds": [kind for kind in kinds if kind]})
    success = Path(output) / "_SUCCESS"
    if success.exists():
        said = json.loads(success.read_text())["totals"]["planned"]
        assert said == sum(part["rows"] for part in totals), f"_SUCCESS has {said} rows"
    print(json.dumps(totals))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    commands = {"pack": pack, "hostile": hostile, "large": large, "photographs": photographs, "floats": floats, "shards": shards}
    commands[command](*map(Path, arguments))
