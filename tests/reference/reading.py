"""Runs every fenced block of a page on an output: `reading.py PAGE OUT` prints what was run as JSON.

Blocks are run one by one, each in a new interpreter, in a folder with a copy of the output named `out` and a
table `pictures.csv` of its keys. The last expression of a Python block, or what an SQL block selects, must hold rows:
as many as `rows=` after the language (`all`, `ok`, `errors` or a number), else at least one. `f16=refused` marks a
block that must fail if embeddings have half precision.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FENCE = re.compile(r"^```(\w+)[ ]*([^\n]*)\n(.*?)^```$", re.M | re.S)


def count(value):
    if isinstance(value, (int, float)):
        return int(value)
    return value.num_rows if hasattr(value, "num_rows") else len(value)


def run_block(language):
    """Runs in a separate process: reads the block from standard input, and prints the number of rows."""
    code = sys.stdin.read()
    # a reader does not have the modules beside this script
    del sys.path[0]
    if language == "sql":
        import duckdb

        rows = len(duckdb.sql(code).fetchall())
    else:
        tree = ast.parse(code)
        last = tree.body.pop()
        assert isinstance(last, ast.Expr), "the last line is no expression"
        names = {}
        exec(compile(tree, "block", "exec"), names)
        rows = count(eval(compile(ast.Expression(last.value), "block", "eval"), names))
    print(f"\nROWS {rows}")


def main():
    from rows import read

    page, out = sys.argv[1:]
    rows = read(out)
    half = "halffloat" in str(rows.schema.field("embedding").type)
    statuses = rows["status"].to_pylist()
    expected = {"all": len(statuses), "ok": statuses.count("ok"), "errors": statuses.count("error")}
    blocks = FENCE.findall(Path(page).read_text())
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(out, Path(folder) / "out")
        table = "".join(f'"{key}",camera {at % 3}\n' for at, key in enumerate(rows["key"].to_pylist()))
        (Path(folder) / "pictures.csv").write_text("key,camera\n" + table)
        environment = {**os.environ, "HF_HOME": f"{folder}/hf", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        ran = {}
        for language, info, code in blocks:
            assert language in ("python", "sql"), f"no runner for a block of `{language}`"
            command = [sys.executable, __file__, "--block", language]
            done = subprocess.run(command, input=code, cwd=folder, env=environment, capture_output=True, text=True)
            info = dict(pair.split("=") for pair in info.split())
            ran[language] = ran.get(language, 0) + 1
            if half and info.get("f16") == "refused":
                assert "Float16" in done.stderr, f"this block reads half precision:\n{code}\n{done.stderr}"
                continue
            assert done.returncode == 0, f"this block fails:\n{code}\n{done.stderr}"
            found = int(done.stdout.rsplit("ROWS ", 1)[1])
            wanted = info.get("rows")
            if wanted is None:
                assert found > 0, f"this block finds nothing:\n{code}"
            else:
                wanted = expected[wanted] if wanted in expected else int(wanted)
                assert found == wanted, f"this block finds {found} rows, not {wanted}:\n{code}"
    print(json.dumps(ran))


if __name__ == "__main__":
    if sys.argv[1] == "--block":
        run_block(sys.argv[2])
    else:
        main()
