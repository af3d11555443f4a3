# SPDX-License-Identifier: BSD-2-Clause
"""The live view: which level speaks, by prefix and colour."""

import os
import re
import sys
import threading
from pathlib import Path

COLOURS = {"L0": "\033[35m", "L1": "\033[32m", "L2": "\033[36m"}
PLAIN = "\033[0m"
CONTROL = re.compile(r"\033\[[0-9;?]*[A-Za-z]|[\r\a\b]")
L2_LINE = re.compile(r"^(?:\[ *\d+\.\d+\] )?L2\| (.*)$")  # dom0's come through its kernel's log
INTERJECTED = re.compile(r"^(.+?)(CPU\(0x[0-9a-f]+\): .*)$")


def classify(line: str) -> tuple[str, str]:
    """Which level a line is from.  L0's counts are printed by L1, which asks by hypercalls."""
    if line.startswith("CPU(0x"):
        return "L0", line
    if line.startswith("PROBE exits"):
        return "L0", line.removeprefix("PROBE ")
    found = L2_LINE.match(line)
    if found:
        return "L2", found[1]
    return "L1", line


class Levels:
    """Tells apart the levels that share one serial port, line by line."""

    def __init__(self) -> None:
        self.unfinished = ""  # a line that one of L0's interrupted
        self.partial = ""

    def feed(self, text: str) -> list[tuple[str, str]]:
        """(level, line) for every line that @text completes."""
        *lines, self.partial = (self.partial + text).split("\n")
        found = [item for line in lines for item in self.take(CONTROL.sub("", line))]
        return [(level, line) for level, line in found if line.strip()]

    def take(self, line: str) -> list[tuple[str, str]]:
        """One line of the port, as one or two of the levels."""
        inside = INTERJECTED.match(line)
        if inside:
            self.unfinished += inside[1]
            return [("L0", inside[2])]
        if line.startswith("CPU(0x"):
            return [("L0", line)]
        whole, self.unfinished = self.unfinished + line, ""
        return [classify(whole)]


class View:
    """Follows a growing file and prints what is new, each line with its level."""

    def __init__(self, path: Path, output=sys.stdout) -> None:
        self.path = path
        self.output = output
        self.colour = output.isatty() and "NO_COLOR" not in os.environ
        self.levels = Levels()
        self.seen = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)

    def __enter__(self) -> "View":
        self.path.unlink(missing_ok=True)
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.thread.join()
        self.show_new()

    def follow(self) -> None:
        """The thread: ten times a second."""
        while not self.over.wait(0.1):
            self.show_new()

    def show_new(self) -> None:
        """Prints the lines that have come since."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.seen)
                data = file.read()
        except FileNotFoundError:
            return
        self.seen += len(data)
        for level, line in self.levels.feed(data.decode(errors="replace")):
            self.show(level, line)

    def show(self, level: str, line: str) -> None:
        """One line of one level."""
        before, after = (COLOURS[level], PLAIN) if self.colour else ("", "")
        print(f"{before}{level} | {line}{after}", file=self.output, flush=True)
