"""Datasets whose truth is written in each of the conventions, and the figures that follow from it.

    truths.py make IMAGES OUT              a model of 1000 classes, ImageNet val, V2, A and R in small, truth files,
                                           and the images of IMAGES with lists of classes
    truths.py bend PART                    a part file's first row gets the targets [6]
    truths.py figures OUTPUT CONVENTION FILE
                                           figures of an output from its logits alone, by a truth that is read here again

IMAGES is the folder that `job_images.py` made. The truth files have the form of the real ones, and their first five
entries are the real ones; the others are drawn. CONVENTION is caffe, synsets, kaggle, real, v2, a, r or multi; FILE is
the truth file, the list of a's or r's classes, or `multi.json`. Needs numpy, pyarrow and safetensors, nothing of the
program.
"""

import io
import json
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 50_000
FIRST = [65, 970, 230, 809, 516]
FIRST_REAL = [[], [970, 795], [230, 231], [809], [516, 850]]
FIRST_ILSVRC = [490, 361, 171, 822, 297]
# the last two: a picture that is cut, and one that the lists by name leave out
NUMBERS = [1, 2, 3, 4, 5, *range(6, IMAGES, 1181), 49_998, 49_999]
NOT_LISTED = 49_999


def wnids():
    lines = (ROOT / "src/classes/imagenet_1k.tsv").read_text().splitlines()[1:]
    return [line.split("\t")[1] for line in lines]


def listed(name):
    return [int(line) for line in (ROOT / "src/classes" / name).read_text().split()]


def hot():
    """Classes that the model predicts: some of each list, some of none."""
    a, r = listed("imagenet_a.txt"), listed("imagenet_r.txt")
    neither = [index for index in range(1000) if index not in a and index not in r]
    return sorted({*FIRST, *a[::70], *r[::70], *neither[::300]})


def model(path):
    """The small network of seven classes with a head of 1000, which predicts a dozen of them."""
    folder = ROOT / "tests/data/model"
    tensors = load_file(folder / "v1_odd.safetensors")
    seen = load_file(folder / "v1_odd_expected.safetensors")
    width = tensors["head.fc.weight"].shape[1]
    features = next(value for value in seen.values() if value.ndim == 2 and value.shape[1] == width)
    random = np.random.default_rng(11)
    weight = np.zeros((1000, width), np.float32)
    bias = np.full(1000, -4.0, np.float32) + random.normal(size=1000).astype(np.float32) / 8
    for index in hot():
        weight[index] = random.normal(size=width) / features.std() / width**0.5
        bias[index] = -weight[index] @ features.mean(axis=0)
    tensors["head.fc.weight"], tensors["head.fc.bias"] = weight, bias
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)


def name_of(number):
    return f"ILSVRC2012_val_{number:08}.JPEG"


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def validation(pictures, out):
    """The images with their numbers, in every format, and the five files with their classes."""
    random = np.random.default_rng(12)
    drawn = random.integers(0, 1000, IMAGES)
    drawn[:5] = FIRST
    for number in NUMBERS[5:]:
        drawn[number - 1] = random.choice(hot())
    images = {}
    for position, number in enumerate(NUMBERS):
        data = pictures[position % len(pictures)]
        folder = "deep/er/" if position % 7 == 3 else ""
        images[folder + name_of(number)] = data[: len(data) // 2] if number == 49_998 else data
    images["stray.jpg"] = pictures[0]
    for key, data in images.items():
        (out / "val" / key).parent.mkdir(parents=True, exist_ok=True)
        (out / "val" / key).write_bytes(data)
    keys = sorted(images, key=str.encode)
    (out / "val.csv").write_text("".join(f"{line}\n" for line in ["path", *keys]))
    (out / "val-shards").mkdir()
    half = len(keys) // 2
    for shard, part in enumerate([keys[:half], keys[half:]]):
        with tarfile.open(out / f"val-shards/{shard}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for key in part:
                add(tar, key, images[key])
    (out / "val-parquet").mkdir()
    # as in Hugging Face's copy: the wnid after the number
    path = lambda key: key.rsplit("/", 1)[-1].replace(".JPEG", "_n01440764.JPEG")
    column = pa.array(
        [{"bytes": images[key], "path": path(key)} for key in keys],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"image": column}), out / "val-parquet/0.parquet", row_group_size=17)

    wnid = wnids()
    numbered = [(number, drawn[number - 1]) for number in range(1, IMAGES + 1) if number != NOT_LISTED]
    (out / "val.txt").write_text("".join(f"{name_of(number)} {index}\n" for number, index in numbered))
    (out / "imagenet_2012_validation_synset_labels.txt").write_text("".join(f"{wnid[index]}\n" for index in drawn))
    lines = ["ImageId,PredictionString"]
    for at in random.permutation(len(numbered)):
        number, index = numbered[at]
        box = " ".join(str(edge) for edge in random.integers(0, 500, 4))
        boxes = f"{wnid[index]} {box} " * int(random.integers(1, 3))
        lines.append(f"{name_of(number)[:-5]},{boxes}")
    (out / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    ids = random.integers(1, 1001, IMAGES)
    ids[:5] = FIRST_ILSVRC
    (out / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number}\n" for number in ids))
    sets = [[int(index)] for index in drawn]
    for number in NUMBERS[5:]:
        sets[number - 1] += [int(index) for index in random.choice(hot(), int(random.integers(0, 3)))]
        sets[number - 1] = [] if number % 5 == 0 else sorted(set(sets[number - 1]))
    sets[:5] = FIRST_REAL
    (out / "real.json").write_text(json.dumps(sets))


def folders(pictures, out):
    """V2 with folders that sort otherwise as text, and A and R with some of their classes."""
    v2 = {str(index): index for index in [9, 10, 100, 999, 7, *hot()]}
    some = lambda name: {wnids()[index]: index for index in sorted({*listed(name)[::70], *listed(name)[3::60]})}
    for dataset, classes in [("v2", v2), ("a", some("imagenet_a.txt")), ("r", some("imagenet_r.txt"))]:
        position = 0
        for folder, index in classes.items():
            for image in range(2 + index % 4):
                path = out / dataset / folder / f"{image:02x}{index:04x}.jpeg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pictures[(position * 5 + 3) % len(pictures)])
                position += 1
        (out / dataset / "README.txt").write_text("no image\n")


def multi(folder, out):
    """Lists of classes for every image: some empty, some not known, class 6 in none of them."""
    expected = json.loads((folder / "expected.json").read_text())
    names = (folder / "classes.txt").read_text().split("\n")
    random = np.random.default_rng(13)
    lists = {}
    for position, key in enumerate(sorted(expected, key=str.encode)):
        drawn = sorted({int(index) for index in random.choice(6, int(random.integers(1, 4)))})
        lists[key] = None if position % 11 == 5 else [] if position % 11 == 8 else drawn
    (out / "multi.json").write_text(json.dumps(lists))
    semicolons = lambda one: "" if one is None else "[]" if not one else ";".join(map(str, one))
    lines = [f"{key},{semicolons(one)}" for key, one in lists.items()]
    (out / "multi.csv").write_text("\n".join(["path,labels", *lines]) + "\n")
    named = lambda one: one if one is None else [names[index] if index % 2 else index for index in one]
    lines = [json.dumps({"path": key, "target": named(one)}) for key, one in lists.items()]
    (out / "multi.jsonl").write_text("\n".join(lines) + "\n")
    table = pa.table({"path": list(lists), "labels": pa.array(lists.values(), pa.list_(pa.int64()))})
    pq.write_table(table, out / "multi.parquet")
    (out / "multi-shards").mkdir()
    with tarfile.open(out / "multi-shards/0.tar", "w") as tar:
        for position, (key, one) in enumerate(lists.items()):
            add(tar, key, (folder / "images" / key).read_bytes())
            stem = key.rsplit(".", 1)[0]
            if position % 2 == 0:
                add(tar, stem + ".json", json.dumps({"labels": one}).encode())
            elif one is not None:
                add(tar, stem + ".cls", semicolons(one).encode())
    (out / "multi-parquet").mkdir()
    # the file's own classes in another order, as Hugging Face keeps a sequence of them
    own = sorted(name for name in names if name)
    mapped = [one if one is None else [own.index(names[index]) for index in one] for one in lists.values()]
    images = [{"bytes": (folder / "images" / key).read_bytes(), "path": key} for key in lists]
    table = pa.table({
        "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "labels": pa.array(mapped, pa.list_(pa.int64())),
    })
    labels = {"feature": {"names": own, "_type": "ClassLabel"}, "_type": "List"}
    features = {"image": {"_type": "Image"}, "labels": labels}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, out / "multi-parquet/0.parquet")


def make(folder, out):
    folder, out = Path(folder), Path(out)
    out.mkdir(parents=True)
    expected = json.loads((folder / "expected.json").read_text())
    fine = sorted((key for key in expected if expected[key]["error"] is None), key=str.encode)
    pictures = [(folder / "images" / key).read_bytes() for key in fine]
    model(out / "model.safetensors")
    validation(pictures, out)
    folders(pictures, out)
    multi(folder, out)
    print(len(pictures))


def bend(part):
    """A part that was edited by hand: same footer, one other set."""
    table = pq.read_table(part)
    targets = table["targets"].to_pylist()
    assert targets[0] != [6]
    column = table.column_names.index("targets")
    field = table.schema.field(column)
    table = table.set_column(column, field, pa.array([[6], *targets[1:]], field.type))
    pq.write_table(table, part)
    print(json.dumps({"rows": len(table)}))


def read(output):
    files = sorted(Path(output).glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files])


def by_number(key):
    found = re.search(r"ILSVRC2012_val_(\d{8})", key)
    return int(found[1]) if found else None


def truth(convention, file, keys):
    """For each key its classes, or None; written independently of the program."""
    lines = lambda: Path(file).read_text().splitlines()
    if convention == "caffe":
        known = {by_number(name): [int(index)] for name, index in map(str.split, lines())}
    elif convention == "synsets":
        known = {at + 1: [wnids().index(line)] for at, line in enumerate(lines()) if at + 1 in NUMBERS}
    elif convention == "kaggle":
        rows = [line.split(",") for line in lines()[1:]]
        known = {by_number(name): [wnids().index(boxes.split()[0])] for name, boxes in rows if by_number(name) in NUMBERS}
    elif convention == "real":
        known = {at + 1: one or None for at, one in enumerate(json.loads(Path(file).read_text()))}
    elif convention == "multi":
        known = json.loads(Path(file).read_text())
        return [known[key.split("!")[-1]] for key in keys]
    else:
        return [[int(key.split("/")[0]) if convention == "v2" else wnids().index(key.split("/")[0])] for key in keys]
    return [known.get(by_number(key)) for key in keys]


def average_precision(positive, scores):
    """scikit-learn's definition: the sum over distinct scores, falling, of (gain of recall) x precision."""
    order = np.argsort(-scores, kind="stable")
    positive, scores = positive[order], scores[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    right = np.cumsum(positive)[last]
    precision, recall = right / (last + 1), right / right[-1]
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def percent(hits):
    return 100 * float(np.mean(hits))


def figures(output, convention, file):
    table = read(output)
    keys = table["key"].to_pylist()
    ok = np.array([status == "ok" for status in table["status"].to_pylist()])
    known = truth(convention, file, keys)
    rows = [row for row in range(len(keys)) if ok[row] and known[row] is not None]
    logits = np.array(table["logits"].take(pa.array(rows)).to_pylist(), np.float64)
    sets = [known[row] for row in rows]
    found = {"with_target": sum(one is not None for one in known)}
    if convention == "multi":
        positive = np.array([[index in one for index in range(logits.shape[1])] for one in sets])
        # an image without any class counts for the precision of all classes, and has none that could be predicted
        found["with_target"], some = sum(map(bool, known)), [bool(one) for one in sets]
        best = np.argsort(-logits, axis=1, kind="stable")[:, 0]
        right = [int(index) in one for index, one in zip(best, sets) if one]
        found |= {"scored": sum(some), "top1": percent(right)}
        each = [average_precision(positive[:, index], logits[:, index]) for index in np.flatnonzero(positive.any(axis=0))]
        print(json.dumps({**found, "map": 100 * float(np.mean(each))}))
        return
    hits = lambda order, k: np.array([bool(set(one) & set(best[:k])) for one, best in zip(sets, order.tolist())])
    order = np.argsort(-logits, axis=1, kind="stable")
    if convention in ("a", "r"):
        found |= {"top1_unmasked": percent(hits(order, 1)), "top5_unmasked": percent(hits(order, 5))}
        among = np.array([int(line) for line in Path(file).read_text().split()])
        order = among[np.argsort(-logits[:, among], axis=1, kind="stable")]
        above = np.exp(logits[:, among] - logits[:, among].max(axis=1, keepdims=True))
        prob = above / above.sum(axis=1, keepdims=True)
        right = among == np.array(sets)
        found |= {"nll": float(-np.log(prob[right]).mean()), "brier": float(((prob - right) ** 2).sum(axis=1).mean())}
    found |= {"scored": len(rows), "top1": percent(hits(order, 1)), "top5": percent(hits(order, 5))}
    if convention not in ("real", "multi"):
        classes = np.array([one[0] for one in sets])
        right = hits(order, 1)
        found["macro"] = 100 * float(np.mean([right[classes == index].mean() for index in np.unique(classes)]))
    print(json.dumps(found))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"make": make, "bend": bend, "figures": figures}[command](*arguments)
