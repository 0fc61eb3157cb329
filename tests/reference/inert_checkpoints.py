"""Writes checkpoints whose weights are fine and that run something beside them when Python loads them:
`inert_checkpoints.py DATA FOLDER`, DATA being tests/data/model.

Each is `v1_odd_authors.pth` with one more entry in its outermost dictionary, which would create `FOLDER/executed`. Python
loads each of them first, with stand-ins for PyTorch's functions, and has to leave that trace, which is then removed. It
prints a JSON list of their paths.
"""

import io
import json
import os
import pathlib
import pickle
import sys
import zipfile

DATA, FOLDER = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
TRACE = FOLDER / "executed"
COMMAND = f"touch '{TRACE}'"


class Call:
    """Pickles as a call, which may be given attributes and items."""

    def __init__(self, function, *arguments, more=()):
        self.call = (function, arguments, *more)

    def __reduce__(self):
        return self.call



class Careless(pickle.Unpickler):
    """What a program does that loads any pickle."""

    def find_class(self, module, name):
        if module.startswith("torch"):
            return lambda *arguments: None
        return super().find_class(module, name)

    def persistent_load(self, reference):
        return None


def body(value):
    """The instructions of a value, without the first and the last."""
    return pickle.dumps(value, 2)[2:-1]


def key(text):
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def cases():
    system = Call(os.system, COMMAND)
    yield "called", body(system)
    yield "listed", body([1, [system], {"inner": (system, None)}])
    yield "keyed", body({Call(os.system, COMMAND): 1})
    yield "evaluated", body(Call(eval, f"__import__('os').system({COMMAND!r})"))
    yield "chained", body(Call(getattr, Call(__import__, "os"), "system")) + body((COMMAND,)) + b"R"
    # attributes and items whose values are made by a call, on an object of a harmless class
    yield "attributes", b"cargparse\nNamespace\n)\x81" + body({"hook": system}) + b"b"
    yield "items", b"ccollections\ndefaultdict\n)R" + key("hook") + body(system) + b"s"
    yield "appended", b"ccollections\ndeque\n)R" + body(system) + b"a"
    yield "rebuilt", b"ctorch._utils\n_rebuild_parameter\n" + body((system, True, None)) + b"R"


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    paths = []
    with zipfile.ZipFile(DATA / "v1_odd_authors.pth") as whole:
        (name,) = [name for name in whole.namelist() if name.endswith("/data.pkl")]
        code = whole.read(name)
        assert code.endswith(b"u."), "the outermost dictionary is no longer the last that is filled"
        for what, value in cases():
            changed = code[:-2] + key("more") + value + b"u."
            Careless(io.BytesIO(changed)).load()
            assert TRACE.exists(), f"Python runs nothing of {what}"
            TRACE.unlink()
            path = FOLDER / f"{what}.pth"
            with zipfile.ZipFile(path, "w") as archive:
                for entry in whole.infolist():
                    archive.writestr(entry.filename, changed if entry.filename == name else whole.read(entry))
            paths.append(str(path))
    print(json.dumps(paths))


main()
