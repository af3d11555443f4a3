# SPDX-License-Identifier: BSD-2-Clause
"""What the user names on the command line: FILE, FILE@WHICH, @WHICH (of the file before), -."""

import os
import sys

from .errors import VmcsError
from .reader import Selector, read_log
from .text import count_text


class Inputs:
    """Reads each file once; standard input too."""

    def __init__(self, verbose: bool = False):
        self.verbose = verbose
        self.logs = {}
        self.last = None

    def split(self, word: str) -> tuple:
        """(path, selector) of one word."""
        if word != "-" and not os.path.exists(word) and "@" in word:
            path, _, which = word.rpartition("@")
            return "-" if path == "/dev/stdin" else path or self.last, which
        return word, ""

    def log(self, path: str):
        """A file's log."""
        if path not in self.logs:
            self.logs[path] = read_log(path)
            if self.verbose:
                report(self.logs[path])
        return self.logs[path]

    def dumps(self, word: str, extra: str = "") -> list:
        """The dumps that one word means, with the selection of the options added."""
        path, which = self.split(word)
        if path is None:
            raise VmcsError(f"{word}: picks a dump, but no file was named before it")
        self.last = path
        return Selector(",".join(filter(None, (which, extra)))).pick(self.log(path))

    def one(self, word: str, extra: str = ""):
        """The last dump that one word means; says so when there were more."""
        found = self.dumps(word, extra)
        if len(found) > 1:
            print(f"vmcs: {found[-1].title()}: the last of {len(found)} dumps "
                  f"(`vmcs list` shows them)", file=sys.stderr)
        return found[-1]


def report(log) -> None:
    """What was not understood, for -v."""
    print(f"vmcs: {log.source}: {count_text(log.lines, 'line')}, {count_text(len(log.dumps), 'dump')}, "
          f"{count_text(len(log.exits), 'exit')}, {count_text(log.unparsed_count, 'line')} not understood, "
          f"{log.noise:,} others", file=sys.stderr)
    for number, text, why in log.unparsed:
        print(f"vmcs: {log.source}:{number}: {why}: {text}", file=sys.stderr)
    if log.unparsed_count > len(log.unparsed):
        print(f"vmcs: ... and {log.unparsed_count - len(log.unparsed)} more", file=sys.stderr)
