"""The code blocks of the pages, and what can be said of them without running a job: that the program knows every command and
option, that make, cargo and the checkout have what is named, and that TOML, Python, SQL and JSON can be read.

tests/integration/reading.rs runs the blocks of docs/reading.md.
"""

import ast
import itertools
import json
import re
import shlex
import subprocess
import tomllib
from collections import Counter
from typing import NamedTuple

from pages import ROOT

# what a line of a shell begins with; other lines are output
COMMANDS = (
    "tresnet-batch target/release/tresnet-batch make cargo pip python taskset infra/ .runtime/ seq kubectl sbatch aws docker cp install "
    "useradd systemctl export printf cd ( LOOM_ TRESNET_"
).split()
FOLDERS = ("infra/", "benches/", "tests/", "jobs/", "models/", "src/", "docs/")
# programs that start another one
STARTERS = ("xargs", "taskset", "timeout", "env")
# blocks that show something and hold nothing to check
SHOWN = {"text", "yaml"}


class Block(NamedTuple):
    """One block, or a command in backticks."""

    line: int
    language: str
    lines: list[str]


def blocks(text):
    """The blocks of a page; those without a fence have the language `shell` if they begin with a command, else `text`."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = re.match(r"( *)```(\S*)", lines[at])
        end = at + 1
        if fence:
            while end < len(lines) and not lines[end].lstrip().startswith("```"):
                end += 1
            yield Block(at + 1, fence[2], [line[len(fence[1]) :] for line in lines[at + 1 : end]])
            end += 1
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            inner = [line[4:] for line in lines[at:end]]
            yield Block(at + 1, "shell" if inner[0].startswith(tuple(COMMANDS)) else "text", inner)
        else:
            for code in re.findall(r"`(tresnet-batch [^`]+)`", lines[at]):
                yield Block(at + 1, "shell", [code])
        at = end


def logical_lines(lines):
    """Commands of a shell's lines, with their continuations."""
    joined = "\n".join(lines).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.startswith(tuple(COMMANDS))]


def words_of(line):
    """The words of each simple command of a line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    simple = [[]]
    for word in lexer:
        if set(word) <= set("();|&"):
            simple.append([])
        else:
            simple[-1].append(word)
    return [words for words in simple if words]


class Checker:
    """Looks at blocks with the help of a built program."""

    def __init__(self, program):
        self.program = program
        self.checked = Counter()
        makefile = (ROOT / "Makefile").read_text()
        self.targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
        self.manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
        self.schema = json.loads((ROOT / "src/job/job.schema.json").read_text())

    def faults(self, block):
        """What is wrong with a block, a line each."""
        checks = {"shell": self.shell, "toml": self.toml, "python": self.python, "sql": self.sql, "json": self.json}
        if block.language in SHOWN:
            self.checked["shown"] += 1
        elif block.language not in checks:
            yield f"a block in `{block.language}`; write ```text if it only shows something"
        else:
            self.checked[block.language] += 1
            yield from checks[block.language](block.lines)

    def shell(self, lines):
        for line in logical_lines(lines):
            self.checked["commands"] += 1
            for words in words_of(line):
                yield from self.command(words)

    def command(self, words):
        for word in words:
            path = word.removeprefix("./")
            if path.startswith(FOLDERS) and not re.search(r"[*<{@]|::", path) and not (ROOT / path).exists():
                yield f"`{path}` is not in the checkout"
            if word.startswith("tresnet-batch "):
                yield from self.command(shlex.split(word))
        words = list(itertools.takewhile(lambda word: word not in (">", ">>", "<"), words))
        own = [at for at, word in enumerate(words) if word in ("tresnet-batch", "target/release/tresnet-batch")]
        if own and (own[0] == 0 or words[0] in STARTERS):
            yield from self.own(words[own[0] + 1 :])
        elif words[0] == "make":
            unknown = [word for word in words[1:] if "=" not in word and word not in self.targets]
            yield from (f"make has no target `{word}`" for word in unknown)
        elif words[0] == "cargo":
            for kind in ("bench", "test"):
                names = [entry["name"] for entry in self.manifest[kind]]
                given = [words[at + 1] for at, word in enumerate(words[:-1]) if word == f"--{kind}"]
                yield from (f"cargo has no {kind} `{name}`" for name in given if name not in names)

    def own(self, arguments):
        # upper-case words and dots are for the reader to fill in
        if not arguments or re.fullmatch(r"[A-Z…]+|\.\.\.", arguments[0]):
            return
        # the program reads arguments in their order, and `--help` ends it with 0 if it knew those before
        arguments = [argument for argument in arguments if argument not in ("…", "...")]
        if "--" in arguments:
            arguments = arguments[: arguments.index("--")]
        done = subprocess.run([self.program, *arguments, "--help"], capture_output=True, text=True)
        if done.returncode != 0 and "invalid value" not in done.stderr:
            yield f"`tresnet-batch {' '.join(arguments)}`: {done.stderr.strip().splitlines()[0]}"

    def toml(self, lines):
        try:
            tables = tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as error:
            yield f"no TOML: {error}"
            return
        known = self.schema["properties"]
        for name, table in tables.items():
            keys = known.get(name, {}).get("properties", {})
            yield from (f"the job file has no `{name}.{key}`" for key in table if key not in keys)

    def python(self, lines):
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:
            yield f"no Python: {error}"

    def sql(self, lines):
        import duckdb

        try:
            duckdb.extract_statements("\n".join(lines))
        except duckdb.Error as error:
            yield f"no SQL: {error}"

    def json(self, lines):
        try:
            json.loads("\n".join(lines))
        except json.JSONDecodeError as error:
            yield f"no JSON: {error}"
