# SPDX-License-Identifier: BSD-2-Clause
"""Colours on a terminal, plain text in a pipe."""

import os
import sys

CODES = {"head": "1", "name": "36", "old": "31", "new": "32", "dim": "2", "bad": "1;31",
         "good": "32", "warn": "33", "third": "35"}


class Paint:
    """Paints or does not."""

    def __init__(self, when: str = "auto", stream=None):
        stream = stream or sys.stdout
        self.on = when == "always" or when == "auto" and stream.isatty() \
            and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{CODES[style]}m{text}\x1b[0m" if self.on and text else text
