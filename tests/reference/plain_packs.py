"""Packs a folder of class folders as users do: `plain_packs.py FOLDER OUT`.

OUT/shards/*.tar: an image and a `.cls` with the number of its folder, by the order of the names. OUT/parquet/*.parquet:
a column `image` and a column `label` with the same number. OUT/list.csv: path and label. OUT/lines.txt: a path a line.
"""

import io
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    names = sorted((path.name for path in folder.iterdir() if path.is_dir()), key=str.encode)
    paths = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: str(path).encode())
    rows = [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths]
    classes = [names.index(key.split("/")[0]) for key, _ in rows]

    (out / "shards").mkdir(parents=True)
    for shard in range(3):
        with tarfile.open(out / "shards" / f"train-{shard:03}.tar", "w") as tar:
            for number in range(shard, len(rows), 3):
                stem = f"{number:06}"
                texts = {Path(rows[number][0]).suffix: rows[number][1], ".cls": str(classes[number]).encode()}
                for suffix, data in texts.items():
                    member = tarfile.TarInfo(stem + suffix)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))

    (out / "parquet").mkdir()
    images = [{"bytes": data, "path": key} for key, data in rows]
    table = pa.table({
        "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "label": pa.array(classes, pa.int64()),
    })
    pq.write_table(table, out / "parquet" / "train.parquet", row_group_size=25)

    lines = [f"{key},{label}\n" for (key, _), label in zip(rows, classes, strict=True)]
    (out / "list.csv").write_text("path,label\n" + "".join(lines))
    (out / "lines.txt").write_text("".join(f"{key}\n" for key, _ in rows))
    print(len(rows))


if __name__ == "__main__":
    main()
