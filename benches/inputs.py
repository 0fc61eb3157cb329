"""Inputs of the other scripts: folders of images, and a job file over one."""

import json
import os
import shutil


def link_images(folder, images, many):
    """Fills a new folder with the images of `folder`, over and over."""
    shutil.rmtree(images, ignore_errors=True)
    images.mkdir()
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg")]
    for number in range(many):
        os.link(files[number % len(files)], images / f"{number:07}.jpg")


def link_copies(files, copies, into):
    """Fills a new folder with `copies` hard links to each file, or copies where the disk has no links; returns their number."""
    into.mkdir(parents=True)
    for number in range(copies):
        for index, path in enumerate(files):
            target = into / f"{number:03}_{index:06}{path.suffix.lower()}"
            try:
                os.link(path, target)
            except OSError:
                shutil.copyfile(path, target)
    return len(files) * copies


def write_job(file, images, weights, output, /, **tables):
    """Writes a job over a folder of images on the CPU. `tables` adds keys: `limits={"decode_threads": 2}`."""
    job = {
        "input": {"uri": str(images)},
        "model": {"path": str(weights)},
        "engine": {"device": "cpu"},
        "output": {"uri": str(output)},
    }
    for name, keys in tables.items():
        job.setdefault(name, {}).update(keys)
    lines = []
    for name, keys in job.items():
        # what JSON writes of texts, numbers and lists of them is TOML, too
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
