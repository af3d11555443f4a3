# SPDX-License-Identifier: BSD-2-Clause
"""The verdict of a run, from its serial output alone.  Pure."""

import re
from dataclasses import dataclass

RESULT = re.compile(r"^.*?LAB-RESULT (pass|fail) (\d+)/(\d+)\s*$", re.MULTILINE)
INTERJECTION = re.compile(r"(?<=[^\n])CPU\(0x[0-9a-f]+\): [^\n]*\n")


@dataclass(frozen=True)
class Verdict:
    """Whether the run passed, and why not."""

    passed: bool
    reason: str


def rejoin(text: str) -> str:
    """The text without the hypervisor's lines that landed in the middle of one of L1's.

    Both write to the same port, the hypervisor a whole line at a time.
    """
    return INTERJECTION.sub("", text)


def views(serial: str) -> tuple[str, str]:
    """The text as it came, and rejoined; what is in either counts."""
    text = serial.replace("\r", "")
    return text, rejoin(text)


def results(serial: str) -> list[tuple[str, int, int]]:
    """Every complete (pass|fail, n, m) line; a line still being written does not count."""
    text, joined = views(serial[:serial.rfind("\n") + 1])
    found = RESULT.findall(text)
    found += [line for line in RESULT.findall(joined) if line not in found]
    return [(word, int(n), int(m)) for word, n, m in found]


def judge(serial: str, expect: list[str]) -> Verdict:
    """Passed: a `LAB-RESULT pass n/n`, none that failed, and every regular expression matched."""
    texts = views(serial)
    found = results(serial)
    if any(word == "fail" for word, _, _ in found):
        return Verdict(False, "the serial port says LAB-RESULT fail")
    if any(n != m or m == 0 for _, n, m in found):
        return Verdict(False, "a LAB-RESULT pass line counts fewer passes than tests, or none")
    if not found:
        return Verdict(False, "no LAB-RESULT line on the serial port")
    missing = [pattern for pattern in expect
               if not any(re.search(pattern, text, re.MULTILINE) for text in texts)]
    if missing:
        return Verdict(False, "not found on the serial port: " + ", ".join(map(repr, missing)))
    return Verdict(True, f"LAB-RESULT pass {found[-1][1]}/{found[-1][2]}")
