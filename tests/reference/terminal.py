"""Runs a command on a terminal and prints the screen at its end: `terminal.py COLUMNS [ACTION ...] -- COMMAND …`

An action is `TEXT=DO`: as soon as TEXT has been printed (for the first time after the action before), DO is done.
`^C` presses Ctrl-C, a number makes the terminal as wide as that. The answer is one JSON value: the exit `code` (or the
signal, negative), the `lines` that are on the terminal and above it, and the `raw` bytes as text.

The terminal supports what a progress bar needs: carriage return, line ends, cursor movements, and the erasing of lines
and of the screen. A line that is longer than the terminal is wide continues in the next one.
"""

import errno
import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

ROWS, LIMIT_S = 24, 300
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """Every line that was ever written, and the cursor; lines that have scrolled out are kept."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column = columns, [""], 0, 0

    def feed(self, text):
        at = 0
        while at < len(text):
            found = SEQUENCE.match(text, at)
            if found:
                self.control(found[1], found[2])
                at = found.end()
                continue
            self.put(text[at])
            at += 1

    def put(self, letter):
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self.down(1)
        elif letter == "\b":
            self.column = max(self.column - 1, 0)
        elif letter >= " ":
            if self.column >= self.columns:
                self.column = 0
                self.down(1)
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + letter + line[self.column + 1 :]
            self.column += 1

    def down(self, number):
        self.row += number
        while len(self.lines) <= self.row:
            self.lines.append("")

    def control(self, arguments, what):
        number = int(arguments) if arguments.isdigit() else None
        line = self.lines[self.row]
        if what == "A":
            self.row = max(self.row - (number or 1), 0)
        elif what == "B":
            self.down(number or 1)
        elif what == "C":
            self.column = min(self.column + (number or 1), self.columns - 1)
        elif what == "D":
            self.column = max(self.column - (number or 1), 0)
        elif what == "G":
            self.column = (number or 1) - 1
        elif what == "K":
            kept = {None: line[: self.column], 0: line[: self.column], 1: " " * self.column + line[self.column :], 2: ""}
            self.lines[self.row] = kept[number]
        elif what == "J" and number in (None, 0):
            self.lines[self.row] = line[: self.column]
            del self.lines[self.row + 1 :]
        elif what not in "mhl":
            sys.exit(f"the terminal does not know ESC [ {arguments} {what}")


def resize(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))


def main():
    split = sys.argv.index("--")
    columns, actions, command = int(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1 :]
    actions = [action.rsplit("=", 1) for action in actions]
    child, terminal = pty.fork()
    if child == 0:
        # the size is set before the program reads it
        sys.stdin.read(1)
        os.execvp(command[0], command)
    resize(terminal, columns)
    os.write(terminal, b"\n")
    screen, raw, seen, began = Screen(columns), "", 0, time.monotonic()
    pending = b""
    while time.monotonic() - began < LIMIT_S:
        ready, _, _ = select.select([terminal], [], [], 1.0)
        if not ready:
            continue
        try:
            data = os.read(terminal, 1 << 16)
        except OSError as error:  # the program has ended
            if error.errno != errno.EIO:
                raise
            break
        if not data:
            break
        pending += data
        # a letter, or a sequence, may be cut by the end of a read
        try:
            text = pending.decode()
        except UnicodeDecodeError:
            continue
        if re.search(r"\x1b(\[[0-9;?]*)?$", text):
            continue
        pending = b""
        raw += text
        screen.feed(text)
        while actions and (found := raw.find(actions[0][0], seen)) >= 0:
            seen = found + len(actions[0][0])
            do = actions.pop(0)[1]
            if do == "^C":
                os.write(terminal, b"\x03")
            else:
                screen.columns = int(do)
                resize(terminal, screen.columns)
    else:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    lines = [line.rstrip() for line in screen.lines]
    # the line that was typed to begin
    lines = lines[1:] if lines and lines[0] == "" else lines
    while lines and not lines[-1]:
        lines.pop()
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "lines": lines, "raw": raw}))


if __name__ == "__main__":
    main()
