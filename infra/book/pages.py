"""The pages of the book: which file of the checkout becomes which page, and the links between them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# pages outside of docs, by their names in the book
OTHERS = {
    "README.md": "introduction.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"(!?\[(?:[^\[\]`]|`[^`]*`)*\])\(([^()\s]+)\)")


def pages():
    """Every page: its path in the checkout, and its path in the book."""
    found = {ROOT / name: Path(page) for name, page in OTHERS.items()}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        found[path] = path.relative_to(ROOT / "docs")
    return found


def prose(text):
    """The lines of a page with their numbers; lines of code are empty."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
            yield number, ""
        else:
            yield number, "" if is_code or line.startswith("    ") else line


def anchors(text):
    """The names of a page's headings, as mdBook and GitHub make them."""
    found, seen = set(), {}
    for _, line in prose(text):
        heading = re.match(r"#+ +(.*?)\s*$", line)
        if not heading:
            continue
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        name = "".join("-" if letter.isspace() else letter for letter in plain if letter.isalnum() or letter in "_- ")
        times = seen.get(name, 0)
        seen[name] = times + 1
        found.add(f"{name}-{times}" if times else name)
    return found


def links(path):
    """The links of a page that lead into the checkout: number of the line, target, file and anchor."""
    for number, line in prose(path.read_text()):
        plain = re.sub(r"`[^`]*`", lambda code: " " * len(code[0]), line)
        for match in LINK.finditer(plain):
            target = match[2]
            if re.match(r"[a-z+]+:", target):
                continue
            file, _, anchor = target.partition("#")
            yield number, target, (path.parent / file).resolve() if file else path, anchor


def broken_links(paths, root):
    """What is wrong with the links of pages, a line each. They may lead to any file below `root`."""
    known = {path: anchors(path.read_text()) for path in paths}
    for path in known:
        for number, target, file, anchor in links(path):
            where = f"{path.relative_to(root)}:{number}"
            if not file.is_relative_to(root) or not file.exists():
                yield f"{where}: `{target}` leads to no file"
            elif anchor and anchor not in known.get(file, ()):
                yield f"{where}: `{target}` leads to no heading"


def of_book(path):
    """A page's text with links that fit the book. A link to a file that is no page becomes its name."""
    places = pages()
    here = places[path].parent

    def changed(match):
        text, target = match[1], match[2]
        if re.match(r"[a-z+]+:|#", target):
            return match[0]
        file, sharp, anchor = target.partition("#")
        file = (path.parent / file).resolve()
        if file in places:
            up = Path(*[".."] * len(here.parts)) / places[file]
            return f"{text}({up.as_posix()}{sharp}{anchor})"
        if file.is_relative_to(ROOT / "docs"):
            return match[0] if path.is_relative_to(ROOT / "docs") else f"{text}({file.relative_to(ROOT / 'docs').as_posix()})"
        return text.strip("[]")

    lines = []
    plain = dict(prose(path.read_text()))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        lines.append(LINK.sub(changed, line) if plain[number] else line)
    return "\n".join(lines) + "\n"
