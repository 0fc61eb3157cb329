"""Checks job files against the schema of the program with another implementation of JSON Schema.

job_schema.py SCHEMA FOLDER: every job file of FOLDER must fit, and files with one mistake each must not.
"""

import copy
import json
import pathlib
import sys
import tomllib

from jsonschema import Draft7Validator

WHOLE = {"input": {"uri": "in"}, "model": {"path": "m.onnx"}, "output": {"uri": "out"}}

FITS = [
    ("engine", "batch_size", 64),
    ("engine", "batch_size", "auto"),
    ("engine", "device", "${DEVICE:-cpu}"),
    ("limits", "max_pixels", "50M"),
    ("limits", "max_encoded_bytes", 1024),
    ("output", "embedding", "f16"),
    ("preprocess", "mean", [0, 0.5, 1]),
    ("report", "formats", ["csv", "html"]),
]

DOES_NOT_FIT = [
    ("engine", "batchsize", 64),
    ("engine", "batch_size", 0),
    ("engine", "batch_size", "most"),
    ("engine", "device", "tpu"),
    ("engin", "device", "cpu"),
    ("input", "limit", -1),
    ("limits", "max_pixels", "50X"),
    ("limits", "max_error_fraction", 1.5),
    ("output", "top_k", "5"),
    ("output", "embedding", "f64"),
    ("preprocess", "mean", [0.5, 0.5]),
    ("report", "formats", ["pdf"]),
]


def with_key(table, key, value):
    job = copy.deepcopy(WHOLE)
    job.setdefault(table, {})[key] = value
    return job


def main(schema, folder):
    schema = json.loads(pathlib.Path(schema).read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    files = sorted(pathlib.Path(folder).glob("*.toml"))
    assert len(files) >= 3, files
    for file in files:
        errors = list(validator.iter_errors(tomllib.loads(file.read_text(encoding="utf-8"))))
        assert not errors, f"{file.name}: {errors[0].json_path}: {errors[0].message}"
    assert validator.is_valid(WHOLE)
    for typed in FITS:
        errors = list(validator.iter_errors(with_key(*typed)))
        assert not errors, f"{typed}: {errors[0].message}"
    for typed in DOES_NOT_FIT:
        assert not validator.is_valid(with_key(*typed)), f"{typed} fits"
    for table in WHOLE:
        job = copy.deepcopy(WHOLE)
        del job[table]
        assert not validator.is_valid(job), f"a job without [{table}] fits"


main(*sys.argv[1:])
