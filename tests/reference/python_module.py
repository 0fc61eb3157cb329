"""Uses the Python module of the wheel as a notebook would: python_module.py FOLDER IMAGES MODEL."""

import os
import pathlib
import sys

import tresnet_batch

folder, images, model = map(pathlib.Path, sys.argv[1:])
job = {
    "job": {"name": "from Python: \"quoted\" \\ ünïcode"},
    "input": {"uri": images, "format": "folder"},
    "model": {"path": model},
    "engine": {"device": "cpu"},
    "output": {"uri": folder / "rows"},
    "limits": {"max_error_fraction": 1.0},
}

summary = tresnet_batch.run(job, engine__batch_size=4)
pictures = [path for path in images.rglob("*") if path.is_file() and path.suffix not in ("", ".txt")]
assert summary.complete and summary.exit == 0, summary
assert summary.planned == summary.ok + summary.errors == len(pictures), (summary, len(pictures))

table = tresnet_batch.rows(summary).to_table(columns=["key", "status"])
assert table.num_rows == len(pictures), table.num_rows
assert sorted(table["key"].to_pylist()) == sorted(str(path.relative_to(images)) for path in pictures)

assert tresnet_batch.report(summary)["metrics"]["rows"] == len(pictures)

# the same job again is finished
assert tresnet_batch.run(job, engine__batch_size=4).output == summary.output

try:
    tresnet_batch.run(job, model__path=folder / "missing.safetensors")
except tresnet_batch.Failed as failed:
    assert failed.exit == 66 or failed.exit == 78, failed.exit
    assert "missing.safetensors" in str(failed), failed
else:
    raise AssertionError("a job without a model ran")

unchecked = tresnet_batch.run({"job": {"name": "x"}}, check=False)
assert unchecked.exit == 78 and not unchecked.complete, unchecked

try:
    tresnet_batch.rows(folder)
except FileNotFoundError as missing:
    assert "part-*.parquet" in str(missing), missing
else:
    raise AssertionError("a folder without parts has rows")

# what the program prints while it runs, from a program that only prints
printing = folder / "printing"
printing.write_text("""#!/bin/sh
trap 'echo "{\\"exit\\": 75, \\"error\\": \\"interrupted\\"}"; exit 75' TERM
echo '{"message": "a warning", "fields": {"key": "a.jpg"}}' >&2
echo 'no JSON' >&2
echo '[1]' >&2
printf '\\377\\n' >&2
for images in 10 20; do
  echo "{\\"message\\": \\"\\", \\"fields\\": {\\"images\\": $images, \\"planned\\": 20, \\"plan_is_whole\\": true,
    \\"images_per_s\\": 5.5, \\"errors\\": 1, \\"seconds_left\\": null}}" | tr '\\n' ' ' >&2
  echo >&2
done
if [ "$HANGS" ]; then while :; do sleep 0.01; done; fi
echo '{"exit": 0}'
""")
printing.chmod(0o755)
os.environ["TRESNET_BATCH"] = str(printing)
seen = []
tresnet_batch.run("job.toml", progress=seen.append)
assert [one.images for one in seen] == [10, 20], seen
assert seen[0] == tresnet_batch.Progress(10, 20, True, 5.5, 1, None), seen[0]

# a program that is killed
killed = folder / "killed"
killed.write_text("#!/bin/sh\nkill -9 $$\n")
killed.chmod(0o755)
os.environ["TRESNET_BATCH"] = str(killed)
ended = tresnet_batch.run("job.toml", check=False)
assert ended.exit == -9 and "signal 9" in ended.fields["error"], ended
os.environ["TRESNET_BATCH"] = str(printing)

# a callback that raises ends the run, and its error is what the caller sees
os.environ["HANGS"] = "1"
try:
    tresnet_batch.run("job.toml", progress=lambda now: 1 / 0)
except ZeroDivisionError:
    pass
else:
    raise AssertionError("the error of the callback was lost")

print("all of the module was used")
