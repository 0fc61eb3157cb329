"""Writes checkpoints that run something when Python loads them: `harmful_checkpoints.py FOLDER`.

Each would create `FOLDER/executed`. It first has Python load one of them, so that the danger is real, and removes the
trace. It prints a JSON list of `path` and `global`, the name by which a careful reader refuses the file.
"""

import json
import os
import pathlib
import pickle
import sys
import zipfile

FOLDER = pathlib.Path(sys.argv[1])
TRACE = FOLDER / "executed"


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def main():
    touch = f"touch '{TRACE}'"
    cases = {
        "system": ("posix.system", Call(os.system, touch)),
        "evaluated": ("builtins.eval", Call(eval, f"open({str(TRACE)!r}, 'w')")),
        "weights": ("posix.system", {"state_dict": {"head.fc.bias": Call(os.system, touch)}}),
        "named": ("builtins.exec", {"hook": exec}),
    }
    files = []
    for name, (refused, value) in cases.items():
        for protocol in (2, 5):
            # protocol 2 has Python 2's name for the module
            spelled = refused.replace("builtins", "__builtin__") if protocol == 2 else refused
            path = FOLDER / f"{name}_{protocol}.pth"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(f"{name}/data.pkl", pickle.dumps(value, protocol))
            files.append({"path": str(path), "global": spelled})
    with zipfile.ZipFile(FOLDER / "system_2.pth") as archive:
        pickle.loads(archive.read("system/data.pkl"))
    assert TRACE.exists()
    TRACE.unlink()
    print(json.dumps(files))


main()
