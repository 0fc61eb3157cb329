"""Writes an S3 Inventory in the form that Amazon documents: `inventory.py OBJECTS FORMAT OUT PREFIX`.

OBJECTS is a JSON list of the versions of objects: bucket, key, is_latest, is_delete_marker, size, etag. FORMAT is CSV,
Parquet or ORC (of which only the manifest.json is written). The files become OUT/PREFIX/…, as they are delivered to a
bucket; the path of manifest.json below OUT is printed as JSON.
"""

import csv
import gzip
import hashlib
import io
import json
import sys
from pathlib import Path
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

# what the console offers, in the order in which it writes them
CSV_SCHEMA = (
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded"
)
PARQUET_SCHEMA = (
    "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);  optional binary version_id "
    "(STRING);  optional boolean is_latest;  optional boolean is_delete_marker;  optional int64 size;  optional int64 "
    "last_modified_date (TIMESTAMP(MILLIS,true));  optional binary e_tag (STRING);  optional binary storage_class (STRING);"
    "  optional boolean is_multipart_uploaded;}"
)


def word(value):
    return "true" if value else "false"


def as_csv(objects):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for number, it in enumerate(objects):
        size = "" if it["size"] is None else str(it["size"])
        row = [it["bucket"], quote_plus(it["key"], safe="/"), f"v{number}", word(it["is_latest"])]
        row += [word(it["is_delete_marker"]), size, "2026-11-06T21:32:00.000Z", it["etag"] or "", "STANDARD", "false"]
        writer.writerow(row)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def as_parquet(objects):
    def column(name):
        return [it[name] for it in objects]

    table = pa.table(
        {
            "bucket": pa.array(column("bucket"), pa.string()),
            "key": pa.array(column("key"), pa.string()),
            "version_id": pa.array([f"v{number}" for number in range(len(objects))], pa.string()),
            "is_latest": pa.array(column("is_latest"), pa.bool_()),
            "is_delete_marker": pa.array(column("is_delete_marker"), pa.bool_()),
            "size": pa.array(column("size"), pa.int64()),
            "last_modified_date": pa.array([1_794_000_000_000] * len(objects), pa.timestamp("ms", tz="UTC")),
            "e_tag": pa.array(column("etag"), pa.string()),
            "storage_class": pa.array(["STANDARD"] * len(objects), pa.string()),
            "is_multipart_uploaded": pa.array([False] * len(objects), pa.bool_()),
        }
    )
    data = io.BytesIO()
    pq.write_table(table, data, compression="snappy", row_group_size=3)
    return data.getvalue()


def main(objects, form, out, prefix):
    objects = json.loads(Path(objects).read_text())
    write = {"CSV": as_csv, "Parquet": as_parquet, "ORC": lambda objects: b"ORC"}[form]
    extension = {"CSV": "csv.gz", "Parquet": "parquet", "ORC": "orc"}[form]
    bucket = objects[0]["bucket"]
    home = f"{prefix}/{bucket}/daily"
    half = len(objects) // 2
    files = []
    for number, some in enumerate([objects[:half], objects[half:]]):
        data = write(some)
        key = f"{home}/data/{number}f08b4d8-5de9-4d3b-a6c1-9f1b6e9d2d3a.{extension}"
        path = Path(out) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files.append({"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()})
    described = {
        "sourceBucket": bucket,
        "destinationBucket": "arn:aws:s3:::test",
        "version": "2016-11-30",
        "creationTimestamp": "1794000000000",
        "fileFormat": form,
        "fileSchema": PARQUET_SCHEMA if form == "Parquet" else CSV_SCHEMA,
        "files": files,
    }
    manifest = f"{home}/2026-11-06T21-32Z/manifest.json"
    path = Path(out) / manifest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(described, indent=2))
    print(json.dumps(manifest))


if __name__ == "__main__":
    main(*sys.argv[1:])
