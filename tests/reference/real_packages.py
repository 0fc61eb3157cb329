"""Makes `tests/data/packed/`: the same images written by the real packages `webdataset` and `datasets`, and as plain
files. Not part of `make test`.

    python -m venv v && v/bin/pip install webdataset==1.0.2 datasets==5.2.0 pillow
    v/bin/python -P tests/reference/real_packages.py     # -P: `datasets.py` beside it is another thing

- `images/<class>/NN.<ext>`: twelve small images in three classes.
- `shards/train-00000{0,1}.tar`: `webdataset.ShardWriter`, with `cls` and `json`; a sample with the class in `json` only.
- `parquet/`: `datasets.Dataset` with `Image` and `ClassLabel`, as `push_to_hub` writes it (bytes embedded), in two
  row groups.
- `lists/`: the same with a sequence of `ClassLabel`.
- `folder/`: what `datasets.load_dataset("imagefolder")` made of `images/`, with its own order of classes.
"""

import io
import shutil
from pathlib import Path

import datasets
import numpy as np
import webdataset
from PIL import Image

OUT = Path(__file__).resolve().parents[1] / "data/packed"
# of the model of the tests; three of them have images
CLASSES = ["yam", "beet", "rübe", "Kale", "leek", "pea pod", "okra"]
FOLDERS = ["beet", "leek", "yam"]


def images():
    """Key, bytes, class; the extension of one is a lie."""
    random = np.random.default_rng(21)
    for number in range(12):
        kind, extension = [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("JPEG", "JPEG")][number % 4]
        pixels = random.integers(0, 256, (3, 3, 3), np.uint8)
        picture = Image.fromarray(pixels).resize((40 + number, 52), Image.Resampling.BICUBIC)
        data = io.BytesIO()
        picture.save(data, kind, **({"lossless": True} if kind == "WEBP" else {}))
        name = FOLDERS[number // 4]
        yield f"{name}/{number:02}.{extension}", data.getvalue(), name


def lists(number, name):
    return sorted({CLASSES.index(name), 6 * (number % 2)}) if number % 5 else []


def parquet(rows, features, path):
    path.parent.mkdir(parents=True)
    dataset = datasets.Dataset.from_list(rows, features=features)
    dataset.to_parquet(path, batch_size=7)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    found = sorted(images(), key=lambda image: image[0].encode())
    for key, data, _ in found:
        (OUT / "images" / key).parent.mkdir(parents=True, exist_ok=True)
        (OUT / "images" / key).write_bytes(data)
    (OUT / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    (OUT / "shards").mkdir()
    with webdataset.ShardWriter(str(OUT / "shards/train-%06d.tar"), maxcount=7, verbose=0) as writer:
        for number, (key, data, name) in enumerate(found):
            stem, extension = key.rsplit(".", 1)
            sample = {"__key__": stem, extension: data, "json": {"label": CLASSES.index(name), "number": number}}
            if number % 3:
                sample["cls"] = CLASSES.index(name)
            writer.write(sample)
    label = datasets.ClassLabel(names=sorted({*FOLDERS, "okra"}))
    picture = lambda key, data: {"bytes": data, "path": key.rsplit("/", 1)[-1]}
    rows = [{"image": picture(key, data), "label": name, "number": at} for at, (key, data, name) in enumerate(found)]
    features = datasets.Features(image=datasets.Image(), label=label, number=datasets.Value("int32"))
    parquet(rows, features, OUT / "parquet/train-00000-of-00001.parquet")
    names = lambda at, name: [CLASSES[index] for index in lists(at, name)]
    rows = [{"image": picture(key, data), "labels": names(at, name)} for at, (key, data, name) in enumerate(found)]
    features = datasets.Features(image=datasets.Image(), labels=datasets.List(label))
    parquet(rows, features, OUT / "lists/train-00000-of-00001.parquet")
    folder = datasets.load_dataset("imagefolder", data_dir=str(OUT / "images"), split="train", cache_dir=str(OUT / "cache"))
    folder = folder.cast_column("image", datasets.Image(decode=False))
    rows = [
        {"image": {"bytes": Path(row["image"]["path"]).read_bytes(), "path": Path(row["image"]["path"]).name}, "label": row["label"]}
        for row in folder
    ]
    parquet(rows, folder.features, OUT / "folder/train.parquet")
    shutil.rmtree(OUT / "cache")


if __name__ == "__main__":
    main()
