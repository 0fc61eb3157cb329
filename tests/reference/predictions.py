"""Compares the rows of an output with an independent chain: `predictions.py OUT IMAGES [--model M] [--expected F] …`.

    --model M.onnx      Pillow's squares of IMAGES through Python's ONNX Runtime on this graph
    --expected F        or: a safetensors file with `logits` and `embedding`, row i belonging to the i-th key in order
    --size, --share     the squares' side and crop share

Prints one JSON object. `embedding`, `logits`: relative error over all rows that are compared; `top1`: rows whose best
class agrees; `compared`: their number. WebP is left out: Pillow's decoder rounds otherwise. From the output's own
logits, in double precision: `prob` (largest difference to the softmax), `order` (rows whose `index` is not the order of
the logits), `target_prob` (largest difference), `target_rank` (rows whose rank is another).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.dataset
from safetensors.numpy import load_file

from pillow_crops import square, to_rgb


def matrix(column, rows):
    return np.array([column[row].as_py() for row in rows], np.float64)


def relative(ours, theirs):
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def computed(arguments, keys):
    import onnxruntime

    squares = []
    for key in keys:
        pixels = square(to_rgb((arguments.images / key).read_bytes()), arguments.size, arguments.share, "crop", "bilinear")
        flat = np.frombuffer(pixels, np.uint8).reshape(arguments.size, arguments.size, 3)
        squares.append(flat.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    session = onnxruntime.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    batch = np.stack(squares)
    if given.type == "tensor(float16)":
        batch = batch.astype(np.float16)
    names = ["logits", "embedding"]
    chunks = [session.run(names, {given.name: batch[at : at + 8]}) for at in range(0, len(batch), 8)]
    return {name: np.concatenate([chunk[i] for chunk in chunks]) for i, name in enumerate(names)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("images", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--expected")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--share", type=float, default=0.875)
    arguments = parser.parse_args()

    table = pyarrow.dataset.dataset(arguments.out, format="parquet").to_table().sort_by("row_id").combine_chunks()
    fine = [row for row in range(len(table)) if table["status"][row].as_py() == "ok"]
    compared = [row for row in fine if table["format"][row].as_py() != "webp"]
    if arguments.expected:
        theirs = {name: values[compared] for name, values in load_file(arguments.expected).items()}
    else:
        theirs = computed(arguments, [table["key"][row].as_py() for row in compared])
    ours = {name: matrix(table[name], compared) for name in ("logits", "embedding")}
    found = {name: relative(ours[name], theirs[name].astype(np.float64)) for name in ours}
    best = ours["logits"].argmax(1) == theirs["logits"].argmax(1)
    found |= {"compared": len(compared), "top1": int(best.sum()), "ok": len(fine)}

    logits = matrix(table["logits"], fine)
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    softmax = exponentials / exponentials.sum(1, keepdims=True)
    order = np.argsort(-logits, axis=1, kind="stable")
    prob, wrong_order, target_prob, wrong_rank, targets = 0.0, 0, 0.0, 0, 0
    for at, row in enumerate(fine):
        index = table["index"][row].as_py()
        wrong_order += index != order[at, : len(index)].tolist()
        prob = max(prob, float(np.abs(np.array(table["prob"][row].as_py()) - softmax[at, index]).max()))
        target = table["target"][row].as_py()
        rank = table["target_rank"][row].as_py()
        assert (target is None) == (rank is None), f"row {row}: target {target}, rank {rank}"
        if target is not None:
            targets += 1
            target_prob = max(target_prob, abs(table["target_prob"][row].as_py() - softmax[at, target]))
            wrong_rank += rank != order[at].tolist().index(target) + 1
    found |= {"prob": prob, "order": wrong_order, "targets": targets}
    found |= {"target_prob": float(target_prob), "target_rank": wrong_rank}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
