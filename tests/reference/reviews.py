"""Reads what `export --format label-studio` and `--format fiftyone` wrote, by the rules of those tools, in plain Python.

    reviews.py label-studio FOLDER FINDINGS    FINDINGS is the file of `audit --parquet`
    reviews.py fiftyone FOLDER FINDINGS

Label Studio: every `$name` of a project's configuration is a field of each of its tasks; a prediction names a control tag of
the configuration and the object tag that this one is for, has its type, and chooses among its choices.

FiftyOne (FiftyOneImageClassificationDataset): every sample of labels.json is in data.json under the same name without an
ending, each label is a text, and no attribute has the name of a field of Classification.

Prints the number of findings of each kind, and the images, as JSON; fails with a sentence if a rule is broken.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pyarrow.parquet as pq

# fields of fiftyone.core.labels.Classification
RESERVED = {"id", "tags", "label", "confidence", "logits"}


def project(folder, stem):
    root = ElementTree.fromstring((folder / f"{stem}.xml").read_text())
    assert root.tag == "View", f"{stem}.xml is no view"
    tags = list(root.iter())
    fields = {tag.get("value")[1:] for tag in tags if tag.get("value", "").startswith("$")}
    objects = {tag.get("name"): tag.tag for tag in tags if tag.get("value", "").startswith("$")}
    controls = {tag.get("name"): tag for tag in tags if tag.get("toName")}
    names = [tag.get("name") for tag in tags if tag.get("name")]
    assert len(names) == len(set(names)), f"{stem}.xml has a name twice: {names}"
    for name, control in controls.items():
        assert control.get("toName") in objects, f"`{name}` is for `{control.get('toName')}`, which does not exist"
        values = [choice.get("value") for choice in control]
        assert values and len(values) == len(set(values)), f"`{name}` offers one choice twice"
    return fields, controls


def label_studio(folder, findings):
    seen, images, predictions = Counter(), set(), 0
    for stem in ("images", "pairs"):
        fields, controls = project(folder, stem)
        tasks = json.loads((folder / f"{stem}.json").read_text())
        for task in tasks:
            data = task["data"]
            missing = fields - data.keys()
            assert not missing, f"a task of {stem}.json has no {missing}"
            assert all(isinstance(data[name], str) for name in fields), f"a field of {stem}.xml is no text"
            found = findings[data["kind"], data["rank"]]
            assert (data["key"], data["row_id"]) == (found["key"], found["row_id"]), data
            assert data.get("other_key") == found["other_key"], data
            seen[data["kind"]] += 1
            images |= {data[name] for name in ("image", "other_image") if name in data}
            for prediction in task["predictions"]:
                assert isinstance(prediction["score"], (int, float))
                for result in prediction["result"]:
                    control = controls[result["from_name"]]
                    assert control.get("toName") == result["to_name"], result
                    assert control.tag.lower() == result["type"], result
                    offered = {choice.get("value") for choice in control}
                    chosen = result["value"][result["type"]]
                    assert chosen and set(chosen) <= offered, f"{chosen} is not offered"
                    predictions += 1
    prefix = "/data/local-files/?d="
    local = [unquote(image.removeprefix(prefix)) for image in images if image.startswith(prefix)]
    found = sum((Path("/") / path).is_file() for path in local)
    return {"kinds": seen, "images": len(images), "opened": found, "predictions": predictions}


def fiftyone(folder, findings):
    # as the importer does: the name of a sample ends before the last dot
    data = {name.rsplit(".", 1)[0]: path for name, path in json.loads((folder / "data.json").read_text()).items()}
    labels = json.loads((folder / "labels.json").read_text())["labels"]
    seen, others = Counter(), 0
    assert data.keys() == labels.keys(), "a sample has no image, or an image is no sample"
    for name, found in labels.items():
        for label in found:
            assert isinstance(label["label"], str)
            attributes = label["attributes"]
            assert not attributes.keys() & RESERVED, attributes.keys()
            finding = findings[label["label"], attributes["rank"]]
            own, other = ("key", "other_key") if attributes["role"] == "finding" else ("other_key", "key")
            assert (attributes["key"], attributes.get("other_key")) == (finding[own], finding[other]), attributes
            if "other_filepath" in attributes:
                assert attributes["other_filepath"] in data.values(), attributes
            if attributes["role"] == "finding":
                seen[label["label"]] += 1
            else:
                others += 1
    opened = sum(Path(path).is_file() for path in data.values() if Path(path).is_absolute())
    return {"kinds": seen, "images": len(data), "opened": opened, "others": others}


def main():
    tool, folder, file = sys.argv[1:]
    findings = {(row["kind"], row["rank"]): row for row in pq.read_table(file).to_pylist()}
    print(json.dumps({"label-studio": label_studio, "fiftyone": fiftyone}[tool](Path(folder), findings)))


if __name__ == "__main__":
    main()
