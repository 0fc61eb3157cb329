"""Puts the sources of the book into a folder, for mdBook: the pages with links that fit, and those that are made.

    python infra/book/build.py PROGRAM FOLDER

Ends with 1 and names the links that lead nowhere, if there are any.
"""

import shutil
import sys
from pathlib import Path

import reference
from pages import ROOT, broken_links, of_book, pages

HERE = Path(__file__).parent


def title(path):
    return path.read_text().splitlines()[0].lstrip("# ")


def contents():
    """The table of contents, with every decision below that of decisions."""
    decisions = [
        f"  - [{title(path)}]({place.as_posix()})"
        for path, place in pages().items()
        if place.parent.name == "decisions" and place.name != "README.md"
    ]
    lines = []
    for line in (HERE / "SUMMARY.md").read_text().splitlines():
        lines.append(line)
        if "(decisions/README.md)" in line:
            lines += decisions
    return "\n".join(lines) + "\n"


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    program, folder = Path(arguments[0]).resolve(), Path(arguments[1])
    sources = folder / "src"
    shutil.rmtree(sources, ignore_errors=True)
    made = {"SUMMARY.md": contents(), "commands.md": reference.commands(program), "job-keys.md": reference.keys()}
    made |= {place.as_posix(): of_book(path) for path, place in pages().items()}
    for name, text in made.items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text)
    shutil.copytree(ROOT / "docs/images", sources / "images")
    shutil.copy(HERE / "book.toml", folder / "book.toml")
    sources = sources.resolve()
    if faults := list(broken_links(sorted(sources.rglob("*.md")), sources)):
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
