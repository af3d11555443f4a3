# SPDX-License-Identifier: BSD-2-Clause
"""The verdict of a run, from its serial output alone.  Pure."""

import re
from dataclasses import dataclass

RESULT = re.compile(r"^.*?LAB-RESULT (pass|fail) (\d+)/(\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """Whether the run passed, and why not."""

    passed: bool
    reason: str


def results(serial: str) -> list[tuple[str, int, int]]:
    """Every complete (pass|fail, n, m) line; a line still being written does not count."""
    complete = serial[:serial.rfind("\n") + 1]
    return [(word, int(n), int(m)) for word, n, m in RESULT.findall(complete.replace("\r", ""))]


def judge(serial: str, expect: list[str]) -> Verdict:
    """Passed: a `LAB-RESULT pass n/n`, none that failed, and every regular expression matched."""
    text = serial.replace("\r", "")
    found = results(serial)
    if any(word == "fail" for word, _, _ in found):
        return Verdict(False, "the serial port says LAB-RESULT fail")
    if any(n != m or m == 0 for _, n, m in found):
        return Verdict(False, "a LAB-RESULT pass line counts fewer passes than tests, or none")
    if not found:
        return Verdict(False, "no LAB-RESULT line on the serial port")
    missing = [pattern for pattern in expect if not re.search(pattern, text, re.MULTILINE)]
    if missing:
        return Verdict(False, "not found on the serial port: " + ", ".join(map(repr, missing)))
    return Verdict(True, f"LAB-RESULT pass {found[-1][1]}/{found[-1][2]}")
