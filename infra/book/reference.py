"""The pages of the book that are made from the program: its commands, and the keys of the job file."""

import json
import re
import subprocess

from pages import ROOT


def help_of(program, *command):
    done = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True, env={"COLUMNS": "100"})
    return done.stdout.rstrip()


def commands_below(text):
    """The names in the list of commands of a help text."""
    listed = re.search(r"^Commands:\n((?:  .*\n|\n)+)", text + "\n", re.MULTILINE)
    names = re.findall(r"^  ([a-z][a-z-]*)\s", listed[1], re.MULTILINE) if listed else []
    return [name for name in names if name != "help"]


def every_command(program, *command):
    """Each command with its help, the program's own first."""
    text = help_of(program, *command)
    yield command, text
    for name in commands_below(text):
        yield from every_command(program, *command, name)


def commands(program):
    """The page of all commands."""
    lines = [
        "# Commands",
        "",
        "Every command with its help, as `tresnet-batch COMMAND --help` prints it. This page is made from the program.",
    ]
    for command, text in every_command(program):
        lines += ["", f"## `{' '.join(('tresnet-batch', *command))}`", "", "```text", text, "```"]
    return "\n".join(lines) + "\n"


def values(schema):
    """What a key may have, in words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        found = [values(choice) for choice in schema["anyOf"] if "$ref" not in choice]
        return ", ".join(dict.fromkeys(found))
    kind = schema.get("type")
    if kind == "array":
        return f"a list: {values(schema['items'])}"
    if isinstance(kind, list):
        return "a number, or text such as `64MiB`"
    least, most = schema.get("minimum"), schema.get("maximum")
    limits = {(True, True): f", {least} to {most}", (True, False): f", at least {least}"}
    names = {"integer": "an integer", "number": "a number", "string": "text", "boolean": "`true`, `false`"}
    return names[kind] + limits.get((least is not None, most is not None), "")


def keys():
    """The page of all keys of the job file."""
    schema = json.loads((ROOT / "src/job/job.schema.json").read_text())
    lines = [
        "# All keys of the job file",
        "",
        "This page is made from the program's types, as `tresnet-batch schema` is. [The job file](job.md) explains the keys, "
        "and says which of them decide the rows.",
    ]
    for table, content in schema["properties"].items():
        lines += ["", f"## `[{table}]`", "", content.get("description", ""), "", "| key | values | default | meaning |", "|---|---|---|---|"]
        for key, value in content["properties"].items():
            meaning = " ".join(value.get("description", "").split()).replace("|", "\\|")
            default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
            is_needed = key in content.get("required", ())
            lines.append(f"| `{key}` | {values(value)} | {'required' if is_needed else default} | {meaning} |")
    return "\n".join(lines) + "\n"
