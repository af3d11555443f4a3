# SPDX-License-Identifier: BSD-2-Clause
"""Many boots of L2 in one L1: does anything pile up in L0, is anything printed that a clean boot does not print?

Pure.  The first boot with each number of CPUs is the clean one.  Each boot has an EPT12 of its own, and L0 keeps an EPT02 until another
needs its place: so there may be as many as there are places, each with as many tables as after the clean boots.  EPT01 takes pages of
the pool for parts of memory that L1 comes to late: free pages may become fewer in the first half of the boots, not after it.
"""

import re

from lablib.verdict import views

START = re.compile(r"^PROBE l2-(\d+)-start ")
RESOURCES = re.compile(r"^PROBE resources l2-(\d+)-done cpu=(\d+) (.*)$")
STAGES = re.compile(r"^PROBE l2-(\d+)-(start|done) tsc=(\d+)", re.MULTILINE)
EPT02S = 16  # EPT02_CONTEXTS of nested/ept02/ept02.h
RETURNING = ("vmcs02s", "refused", "restarts", "aborts")
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


def judge_held(cpu: str, held: dict[int, dict[str, int]]) -> list[str]:
    """What is wrong with what L0 holds for one CPU of L1."""
    def value(run: int, what: str) -> int:
        return held[run].get(f"{what} of CPU {cpu}", 0)

    problems = []
    clean = [run for run in (1, 2) if run in held]
    each = max((-(-value(run, "ept02_tables") // max(value(run, "ept02s"), 1)) for run in clean), default=0)
    middle = max(1, max(held) // 2)
    for run in sorted(held):
        if run > middle and value(run, "free_pages") != value(middle, "free_pages"):
            problems.append(f"run {run}: free_pages of CPU {cpu} is {value(run, 'free_pages')}, was {value(middle, 'free_pages')}")
        if value(run, "ept02s") > EPT02S:
            problems.append(f"run {run}: {value(run, 'ept02s')} EPT02s on CPU {cpu}")
        if value(run, "ept02_tables") > each * value(run, "ept02s"):
            problems.append(f"run {run}: {value(run, 'ept02_tables')} tables of {value(run, 'ept02s')} EPT02s on CPU {cpu}, "
                            f"{each} each after the first")
        problems += [f"run {run}: {what} of CPU {cpu} is {value(run, what)}, was {value(2 - run % 2, what)}"
                     for what in RETURNING if run > 2 and value(run, what) != value(2 - run % 2, what)]
    return problems


def judge(serial: str, number: int) -> tuple[list[str], list[str]]:
    """(a report, what is wrong) of @number runs with 1 and 2 CPUs in turn."""
    printed, held = split(serial)
    ticks = ticks_of(serial)
    problems = []
    report = [f"run {run}: {1 + (run + 1) % 2} CPUs, {ticks.get(run, 0)} ticks, "
              + ", ".join(f"{name} {value}" for name, value in held[run].items()) for run in sorted(held)]
    if sorted(held) != list(range(1, number + 1)):
        problems.append(f"L0 said what it holds after {len(held)} of {number} runs")
    for cpu in sorted({name.rpartition(" ")[2] for numbers in held.values() for name in numbers}):
        problems += judge_held(cpu, held)
    clean_lines = {plain(line) for run in (1, 2) for line in printed.get(run, [])}
    for run in sorted(printed):
        problems += [f"run {run} prints: {line}" for line in printed[run] if run > 2
                     and plain(line) not in clean_lines and not line.startswith("KVM-STATS")]
    return report, problems
