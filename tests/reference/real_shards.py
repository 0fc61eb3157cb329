"""Makes `tests/data/packed/apart/` of `tests/data/packed/images/`: shards of the real package `webdataset` whose classes
are not beside their images. Not part of `make test`.

    python -m venv v && v/bin/pip install webdataset==1.0.2
    v/bin/python -P tests/reference/real_shards.py

- `train-000000.tar`: every image, and then every class; `train-000001.tar.gz`: the classes first, compressed by the
  package.
"""

import shutil
from pathlib import Path

import webdataset

PACKED = Path(__file__).resolve().parents[1] / "data/packed"
OUT = PACKED / "apart"


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    classes = (PACKED / "classes.txt").read_text().split("\n")
    images = sorted((PACKED / "images").glob("*/*"), key=lambda path: path.relative_to(PACKED).as_posix().encode())
    for shard, name in ((0, "train-000000.tar"), (1, "train-000001.tar.gz")):
        pictures, targets = [], []
        for number, path in list(enumerate(images))[shard * 6 : (shard + 1) * 6]:
            key = path.relative_to(PACKED / "images").with_suffix("").as_posix()
            index = classes.index(path.parent.name)
            pictures.append({"__key__": key, path.suffix[1:]: path.read_bytes()})
            # as in `shards/`: some classes are in the JSON alone
            target = {"__key__": key, "json": {"label": index, "number": number}}
            targets.append({**target, "cls": index} if number % 3 else target)
        with webdataset.TarWriter(str(OUT / name)) as writer:
            for sample in pictures + targets if shard == 0 else targets + pictures:
                writer.write(sample)


if __name__ == "__main__":
    main()
