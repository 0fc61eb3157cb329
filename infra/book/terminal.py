"""Draws a session in a terminal of 80 columns as an SVG: what the program really prints.

    python infra/book/terminal.py PROGRAM PICTURES docs/images/terminal.svg

PICTURES is a folder of pictures (`make demo` makes .demo/images). The output goes to a folder that is removed again.
"""

import json
import os
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("init pictures --model models/demo", "run job.toml", "report job.toml")
COLUMNS = 80
# of the first line, between lines, of a letter
TOP, LINE, LETTER = 44, 18, 8


def session(command, folder, environment):
    """The lines that a command leaves on a terminal."""
    script = [sys.executable, ROOT / "tests/reference/terminal.py", str(COLUMNS), "--", *command]
    ended = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    done = json.loads(ended.stdout)
    if done["code"]:
        sys.exit(f"{command}: exit code {done['code']}\n" + "\n".join(done["lines"]))
    return [line.rstrip().replace(str(folder), "/home/me") for line in done["lines"]]


def drawn(lines):
    width, height = COLUMNS * LETTER + 32, TOP + LINE * len(lines) + 4
    texts = []
    for number, line in enumerate(lines):
        if line:
            colour = ' fill="#68d391"' if line.startswith("$ ") else ""
            place = f'x="16" y="{TOP + LINE * number}" textLength="{len(line) * LETTER}"'
            texts.append(f'<text {place} xml:space="preserve"{colour}>{escape(line)}</text>')
    font = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" font-family="{font}" font-size="13" fill="#e2e8f0">',
            f"<title>init, run and report in a terminal of {COLUMNS} columns</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#1a202c"/>',
            *(f'<circle cx="{20 + 18 * index}" cy="18" r="5" fill="#4a5568"/>' for index in range(3)),
            *texts,
            "</svg>\n",
        ]
    )


def main(arguments):
    if len(arguments) != 3:
        sys.exit(__doc__)
    program, pictures, picture = Path(arguments[0]).resolve(), Path(arguments[1]).resolve(), Path(arguments[2])
    if program.name != "tresnet-batch":
        sys.exit(f"{program} has to be named tresnet-batch, as it is in the picture")
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pictures").symlink_to(pictures)
        (Path(folder) / "models").symlink_to(ROOT / "models")
        for command in COMMANDS:
            shown += [f"$ tresnet-batch {command}", *session(["tresnet-batch", *command.split()], folder, environment)]
            while not shown[-1]:
                shown.pop()
            shown.append("")
    picture.write_text(drawn(shown[:-1]))


if __name__ == "__main__":
    main(sys.argv[1:])
