"""Finds the phrases that docs/STYLE.md says to avoid, in docs, comments and messages. A part of `make check`.

    python infra/setup/style.py          prints file, line and what to write, and ends with 1 if there are any
    python infra/setup/style.py --count  prints how many there are of each phrase

The phrases are those of the table below "Phrases to avoid". Code blocks and text in backticks are not looked at; of Rust,
Python and shell only comments and strings.
"""

import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"src": ("*.rs",), "tests": ("*.rs", "*.py"), "benches": ("*.rs", "*.py"), "infra": ("*.py", "*.sh"), "docs": ("*.md",)}
TOP = "*.md"
# the table itself, and a record of what was
LEFT_OUT = {"docs/STYLE.md", "CHANGELOG.md"}


def phrases():
    """What to look for, and what to write instead."""
    text = (ROOT / "docs/STYLE.md").read_text().split("## Phrases to avoid", 1)[1]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    found = {phrase: row[2].strip() for row in rows for phrase in re.findall(r"`([^`]+)`", row[1])}
    if not found:
        sys.exit("docs/STYLE.md has no table of phrases")
    return found


def of_markdown(text):
    """Lines outside of code blocks, without code in backticks."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith("    "):
            yield number, re.sub(r"`[^`]*`", " ", line)


def of_rust(text):
    """Comments and strings of each line. A string that spans lines counts on each of them."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.DOTALL)
    # a quote in a character is no string
    text = re.sub(r"'(?:\\.|[^'\\])'", "' '", text)
    for match in pattern.finditer(text):
        first = text.count("\n", 0, match.start()) + 1
        for offset, line in enumerate(match.group().splitlines()):
            # names of variables in a text are no words of it
            yield first + offset, re.sub(r"`[^`]*`|\{[^{}]*\}", " ", line)


def of_python(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, re.sub(r"`[^`]*`", " ", line)


def of_shell(text):
    for number, line in enumerate(text.splitlines(), 1):
        if "#" in line or '"' in line:
            yield number, line


KINDS = {".md": of_markdown, ".rs": of_rust, ".py": of_python, ".sh": of_shell}


def files():
    yield from ROOT.glob(TOP)
    for folder, patterns in FOLDERS.items():
        for pattern in patterns:
            yield from (ROOT / folder).rglob(pattern)


def hits(wanted):
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, wanted)) + r")\b", re.IGNORECASE)
    for file in sorted(files()):
        name = file.relative_to(ROOT).as_posix()
        if name in LEFT_OUT or "/target/" in name:
            continue
        for number, line in KINDS[file.suffix](file.read_text()):
            for match in pattern.finditer(line):
                yield name, number, match.group().lower()


def main(arguments):
    wanted = phrases()
    if arguments == ["--count"]:
        counts = Counter(phrase for _, _, phrase in hits(wanted))
        for phrase, count in counts.most_common():
            print(f"{count:5} {phrase}")
        print(f"{counts.total():5} in all")
        return 0
    if arguments:
        sys.exit(__doc__)
    found = list(hits(wanted))
    for name, number, phrase in found:
        print(f"{name}:{number}: `{phrase}`: write {wanted[phrase]}")
    if found:
        print(f"style: {len(found)} phrases to avoid; docs/STYLE.md says why", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
