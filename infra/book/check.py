"""Checks the pages of the documentation: every link and heading, every code block, and that the book has every page.

    python infra/book/check.py PROGRAM

Prints a line for each fault, with file and line, and ends with 1 if there are any; else what it looked at.
"""

import re
import sys
from pathlib import Path

from blocks import Checker, blocks
from pages import OTHERS, ROOT, broken_links, pages

SUMMARY = Path(__file__).with_name("SUMMARY.md")
# pages that are made when the book is
MADE = {"commands.md", "job-keys.md"}


def pages_left_out():
    """Pages that the table of contents does not name, and names without a page."""
    named = set(re.findall(r"\]\(([^)]+)\)", SUMMARY.read_text()))
    # decisions are listed by build.py
    there = {place.as_posix() for place in pages().values() if not place.name[0].isdigit()} | MADE
    yield from (f"infra/book/SUMMARY.md: `{name}` is no page" for name in sorted(named - there))
    yield from (f"infra/book/SUMMARY.md: `{name}` is missing" for name in sorted(there - named))


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    checker = Checker(Path(arguments[0]).resolve())
    faults = [*broken_links(pages(), ROOT), *pages_left_out()]
    for path in pages():
        # a record of what was
        if path.name == "CHANGELOG.md":
            continue
        for block in blocks(path.read_text()):
            faults += [f"{path.relative_to(ROOT)}:{block.line}: {fault}" for fault in checker.faults(block)]
    print("\n".join(faults), file=sys.stderr)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(checker.checked.items()))
    print(f"{len(pages())} pages, of {len(OTHERS)} outside docs; blocks: {counts}; {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
