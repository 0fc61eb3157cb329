"""Near duplicates of an output by brute force, with NumPy alone.

    near_duplicates.py OUTPUT THRESHOLD [OTHER]

Prints, as JSON, every pair of images whose centred embeddings have a cosine of at least THRESHOLD: within OUTPUT, or
between OUTPUT and OTHER. Embeddings are scaled to length 1 and the mean of those of OUTPUT is taken off.
"""

import json
import sys

import numpy as np
import pyarrow.dataset


def read(output):
    table = pyarrow.dataset.dataset(output, format="parquet").to_table(columns=["key", "status", "embedding", "width", "height"])
    rows = [row for row in table.to_pylist() if row["status"] == "ok"]
    vectors = np.array([row["embedding"] for row in rows], np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [row["key"] for row in rows], vectors, {row["key"]: row["width"] * row["height"] for row in rows}


def main():
    output, threshold, *other = sys.argv[1:]
    keys, vectors, pixels = read(output)
    other_keys, others, _ = read(other[0]) if other else (keys, vectors, None)
    mean = vectors.mean(axis=0)
    scaled = [(part - mean) / np.linalg.norm(part - mean, axis=1, keepdims=True) for part in (vectors, others)]
    cosines = scaled[0] @ scaled[1].T
    at = np.argwhere(cosines >= float(threshold))
    pairs = [[keys[a], other_keys[b], float(cosines[a, b])] for a, b in at if other or a < b]
    print(json.dumps({"images": len(keys), "pairs": pairs, "pixels": pixels}))


if __name__ == "__main__":
    main()
