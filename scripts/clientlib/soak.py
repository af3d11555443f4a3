# SPDX-License-Identifier: BSD-2-Clause
"""Many boots of L2 in one L1: does anything pile up in L0, is anything printed that a clean boot does not print?

Pure.  The first boot with each number of CPUs is the clean one.  EPT02s are kept until others need the room, so their number
and that of their tables may only grow in the first half.
"""

import re

from lablib.verdict import views

START = re.compile(r"^PROBE l2-(\d+)-start ")
RESOURCES = re.compile(r"^PROBE resources l2-(\d+)-done cpu=(\d+) (.*)$")
STAGES = re.compile(r"^PROBE l2-(\d+)-(start|done) tsc=(\d+)", re.MULTILINE)
VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|[0-9]+")


def split(serial: str) -> tuple[dict[int, list[str]], dict[int, dict[str, int]]]:
    """Lines of each run, and what L0 held after it (of all CPUs of L1)."""
    printed: dict[int, list[str]] = {}
    held: dict[int, dict[str, int]] = {}
    number = 0
    for line in views(serial)[1].splitlines():
        start, found = START.match(line), RESOURCES.match(line)
        number = int(start[1]) if start else number
        if found:
            for word in found[3].split():
                name, _, value = word.partition("=")
                held.setdefault(int(found[1]), {})[f"{name} of CPU {found[2]}"] = int(value)
        if line.startswith("PROBE exits"):
            break
        if number:
            printed.setdefault(number, []).append(line.strip())
    return printed, held


def plain(line: str) -> str:
    """The line with numbers replaced."""
    return VARIABLE.sub("N", line)


def ticks_of(serial: str) -> dict[int, int]:
    """Ticks of each run."""
    at = {(number, word): int(tsc) for number, word, tsc in STAGES.findall(views(serial)[1])}
    return {int(number): tsc - at[number, "start"] for (number, word), tsc in at.items()
            if word == "done" and (number, "start") in at}


def judge_held(name: str, held: dict[int, dict[str, int]]) -> list[str]:
    """What is wrong with one of the numbers of what L0 holds."""
    values = {run: held[run].get(name, -1) for run in sorted(held)}
    if name.startswith("ept02"):
        first = [value for run, value in values.items() if run <= max(values) / 2]
        return [f"run {run}: {name} is {value}, was {max(first)} at most" for run, value in values.items()
                if first and run > max(values) / 2 and value > max(first)]
    return [f"run {run}: {name} is {value}, was {values[2 - run % 2]}" for run, value in values.items()
            if run > 2 and value != values[2 - run % 2]]


def judge(serial: str, number: int) -> tuple[list[str], list[str]]:
    """(a report, what is wrong) of @number runs with 1 and 2 CPUs in turn."""
    printed, held = split(serial)
    ticks = ticks_of(serial)
    problems = []
    report = [f"run {run}: {1 + (run + 1) % 2} CPUs, {ticks.get(run, 0)} ticks, "
              + ", ".join(f"{name} {value}" for name, value in held[run].items()) for run in sorted(held)]
    if sorted(held) != list(range(1, number + 1)):
        problems.append(f"L0 said what it holds after {len(held)} of {number} runs")
    problems += [problem for name in held.get(1, {}) for problem in judge_held(name, held)]
    clean_lines = {plain(line) for run in (1, 2) for line in printed.get(run, [])}
    for run in sorted(printed):
        problems += [f"run {run} prints: {line}" for line in printed[run] if run > 2
                     and plain(line) not in clean_lines and not line.startswith("KVM-STATS")]
    return report, problems
