"""Runs tresnet-batch, and reads what it wrote. Nothing is computed here: the program of the same wheel does the work.

    import tresnet_batch

    summary = tresnet_batch.run("job.toml", engine__batch_size=64)
    table = tresnet_batch.rows(summary.output).to_table(columns=["key", "label", "prob"])
    accuracy = tresnet_batch.report(summary.output)["metrics"]["top1"]

`rows` needs pyarrow, which the extra ``[python]`` of the wheel installs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import pyarrow.dataset

__all__ = ["Failed", "Progress", "Summary", "program", "report", "rows", "run"]

Path = Union[str, "os.PathLike[str]"]
Job = Union[Path, Mapping[str, Any]]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Progress:
    """How far a run is. ``planned`` grows until ``plan_is_whole``; ``seconds_left`` is None until a rate is known."""

    images: int
    planned: int
    plan_is_whole: bool
    images_per_s: float
    errors: int
    seconds_left: int | None


@dataclass(frozen=True)
class Summary:
    """How a run ended. ``fields`` is the whole object that ``tresnet-batch run --json`` prints."""

    exit: int
    output: str | None
    planned: int
    ok: int
    errors: int
    complete: bool
    metrics: dict[str, float] | None
    fields: dict[str, Any] = field(repr=False)


class Failed(RuntimeError):
    """The program ended with a code other than 0. ``exit`` is the code (``tresnet-batch help exit-codes``), ``summary``
    what was printed on the way."""

    def __init__(self, message: str, exit: int, summary: Summary | None = None) -> None:
        super().__init__(message)
        self.exit = exit
        self.summary = summary


def program() -> str:
    """Returns the path of the program: that of the variable TRESNET_BATCH, else the one of this environment, else the
    first on PATH.

    Raises FileNotFoundError if none of them exists.
    """
    named = os.environ.get("TRESNET_BATCH")
    if named:
        return named
    beside = os.path.join(sysconfig.get_path("scripts"), "tresnet-batch")
    found = beside if os.path.isfile(beside) else shutil.which("tresnet-batch")
    if found is None:
        raise FileNotFoundError(
            "the program tresnet-batch is not in this environment, and not on PATH: install the wheel of tresnet-batch, "
            "or set the variable TRESNET_BATCH to its path"
        )
    return found


def run(
    job: Job,
    *,
    progress: Callable[[Progress], None] | None = None,
    progress_every: int = 1,
    arguments: tuple[str, ...] = (),
    check: bool = True,
    **overrides: Any,
) -> Summary:
    """Runs a job to its end, or resumes it.

    Args:
        job: the path of a job file, or its tables as a mapping, such as ``{"input": {"uri": "pictures", ...}, ...}``.
        progress: is called in another thread, every ``progress_every`` seconds.
        arguments: further arguments of ``tresnet-batch run``, such as ``("--worker", "0/4")``.
        check: whether another exit code than 0 raises `Failed`.
        overrides: keys of the job file, a table and its key joined by two underscores: ``engine__batch_size=64``.

    Ctrl-C is passed on: the program finishes what it holds, and KeyboardInterrupt is raised.
    """
    options = ["--progress", "plain", "--progress-every", str(progress_every)] if progress else ["--progress", "none"]
    for name, value in overrides.items():
        options += ["--set", f"{name.replace('__', '.', 1)}={_value(value)}"]
    with _job_file(job) as path:
        fields, said = _call(["run", path, *options, *arguments], progress)
    return _judged(fields, said, check)


def rows(output: Path | Summary) -> pyarrow.dataset.Dataset:
    """Returns the rows of an output, a row an image, from a folder or an address that pyarrow knows (s3://, gs://)."""
    try:
        import pyarrow.dataset as dataset
        import pyarrow.fs as fs
    except ImportError as error:
        raise ImportError("rows are read by pyarrow: run `pip install pyarrow`") from error
    place = _place(output)
    if "://" in place:
        files, folder = fs.FileSystem.from_uri(place.rstrip("/"))
    else:
        files, folder = fs.LocalFileSystem(), os.path.abspath(place)
    found = files.get_file_info(fs.FileSelector(folder))
    parts = sorted(one.path for one in found if re.fullmatch(r"part-.*\.parquet", one.base_name))
    if not parts:
        raise FileNotFoundError(f"no part-*.parquet is in {place}: is it the output of a job that has run?")
    return dataset.dataset(parts, format="parquet", filesystem=files)


def report(output: Path | Summary, *, arguments: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns the report of an output, as ``tresnet-batch report --json-file`` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "report.json")
        fields, said = _call(["report", _place(output), "--json-file", path, *arguments], None)
        if fields.get("exit") != 0 or not os.path.exists(path):
            raise Failed(str(fields.get("error") or said), int(fields.get("exit", 70)))
        with open(path, encoding="utf-8") as file:
            return json.load(file)


def _place(output: Path | Summary) -> str:
    if isinstance(output, Summary):
        if output.output is None:
            raise ValueError("the run ended before it had an output")
        return output.output
    return os.fspath(output)


def _call(command: list[str], progress: Callable[[Progress], None] | None) -> tuple[dict[str, Any], str]:
    """Runs the program and returns the object that it printed, and its last words on standard error."""
    process = subprocess.Popen(
        [program(), *command, "--json", "--log-format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # a library may write anything to standard error
        errors="replace",
        # Ctrl-C is passed on once, by this process
        start_new_session=True,
    )
    last: list[str] = []
    raised: list[BaseException] = []
    reader = threading.Thread(target=_read, args=(process, progress, last, raised), daemon=True)
    reader.start()
    assert process.stdout is not None
    try:
        printed = process.stdout.read()
        process.wait()
    except BaseException:
        _interrupt(process)
        raise
    finally:
        reader.join()
        process.stdout.close()
    if raised:
        raise raised[0]
    said = last[-1] if last else ""
    try:
        fields = json.loads(printed)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        code = process.returncode
        ended = f"the program was ended by signal {-code}" if code < 0 else f"the program printed no JSON object: {printed!r}"
        fields = {"exit": code or 70, "error": f"{ended} {said}".rstrip()}
    return fields, said


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Passes Ctrl-C on and waits for the end. A second Ctrl-C is passed on too and ends the program at once.

    It is passed on as SIGTERM, which means the same to the program: a process in the background may have been started
    with SIGINT ignored, and its children inherit that.
    """
    process.send_signal(signal.SIGTERM)
    while True:
        try:
            process.wait()
            return
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)


def _read(
    process: subprocess.Popen[str],
    progress: Callable[[Progress], None] | None,
    last: list[str],
    raised: list[BaseException],
) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            try:
                said = json.loads(line)
            except ValueError:
                said = None
            if not isinstance(said, dict):
                last[:] = [line.strip()]
                continue
            last[:] = [str(said.get("message", line))]
            figures = said.get("fields")
            if progress is None or raised or not isinstance(figures, dict) or "plan_is_whole" not in figures:
                continue
            try:
                progress(Progress(**{name: figures.get(name) for name in Progress.__dataclass_fields__}))
            except BaseException as error:  # it belongs to the caller, who waits in another thread
                raised.append(error)
                process.send_signal(signal.SIGTERM)


def _judged(fields: dict[str, Any], said: str, check: bool) -> Summary:
    counted = fields.get("rows") or {}
    summary = Summary(
        exit=int(fields.get("exit", 70)),
        output=fields.get("output"),
        planned=int(counted.get("planned", 0)),
        ok=int(counted.get("ok", 0)),
        errors=int(counted.get("error", 0)),
        complete=bool(fields.get("complete", False)),
        metrics=fields.get("metrics"),
        fields=fields,
    )
    if check and summary.exit != 0:
        raise Failed(str(fields.get("error") or said), summary.exit, summary)
    return summary


class _job_file:
    """The path of a job file; that of a mapping is removed at the end."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> str:
        if not isinstance(self.job, Mapping):
            return os.fspath(self.job)
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "job.toml")
        with open(path, "w", encoding="utf-8") as file:
            for table, keys in self.job.items():
                if not isinstance(keys, Mapping):
                    raise TypeError(f"{table} is a table of a job: {{{table!r}: {{...}}}}")
                file.write(f"[{_key(table)}]\n")
                file.writelines(f"{_key(key)} = {_value(value)}\n" for key, value in keys.items())
        return path

    def __exit__(self, *_: object) -> None:
        if self.folder is not None:
            self.folder.cleanup()


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    """Returns a value in the syntax of TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, os.PathLike)):
        return json.dumps(os.fspath(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    raise TypeError(f"a job file has no value for {type(value).__name__}: {value!r}")
