# SPDX-License-Identifier: BSD-2-Clause
"""vmcs exits: statistics of an exit trace in the columns of `perf kvm stat`."""

from collections import Counter

from .dump import Exits
from .tables import reason_name

KEYS = ("reason", "kind", "cpu", "rip", "qualification")


def key_of(exits, index: int, by) -> str:
    """The name of the group that an exit belongs to."""
    words = []
    for key in by:
        if key == "reason":
            name = reason_name(exits.reason[index])
            words.append(name + (" (failed entry)" if exits.failed[index] else ""))
        elif key == "kind":
            words.append(Exits.KINDS[exits.kind[index]])
        elif key == "cpu":
            words.append(f"cpu 0x{exits.cpu[index]:02x}")
        elif key == "rip":
            words.append(f"0x{exits.rip[index]:x}")
        else:
            words.append(f"qual 0x{exits.qualification[index]:x}")
    return " ".join(words)


def wanted(exits, index: int, options) -> bool:
    """Whether the user's filters let this exit through."""
    if options.kind and Exits.KINDS[exits.kind[index]] not in options.kind:
        return False
    if options.reason and exits.reason[index] not in options.reason:
        return False
    return options.cpu is None or exits.cpu[index] == options.cpu


def statistics(exits, options) -> dict:
    """{group: [count, timed, sum, min, max]}"""
    groups = {}
    names = {}
    for index in range(len(exits)):
        if not wanted(exits, index, options):
            continue
        raw = tuple(column[index] for column in columns(exits, options.by))
        name = names.get(raw)
        if name is None:
            name = names[raw] = key_of(exits, index, options.by)
        row = groups.get(name)
        if row is None:
            row = groups[name] = [0, 0, 0, None, None]
        row[0] += 1
        ticks = exits.ticks[index]
        if ticks >= 0:
            row[1] += 1
            row[2] += ticks
            row[3] = ticks if row[3] is None or ticks < row[3] else row[3]
            row[4] = ticks if row[4] is None or ticks > row[4] else row[4]
    return groups


def columns(exits, by) -> list:
    """The columns that tell groups apart."""
    found = []
    for key in by:
        found.append(getattr(exits, key))
        if key == "reason":
            found.append(exits.failed)
    return found


def report(log, options) -> str:
    """The table."""
    groups = statistics(log.exits, options)
    unit = log.header.get("unit", "ticks")
    total = sum(row[0] for row in groups.values())
    time = sum(row[2] for row in groups.values())
    order = sorted(groups.items(), key=lambda item: (-item[1][2 if options.sort == "time" else 0], item[0]))
    width = max([8, *map(len, groups)]) if groups else 8
    out = [f"{'VM-EXIT':>{width}} {'Samples':>9} {'Samples%':>9} {'Time%':>8} "
           f"{'Min':>10} {'Max':>12} {'Avg ' + unit:>14}"]
    for name, (count, timed, ticks, low, high) in order[:options.top or None]:
        share = f"{100 * ticks / time:7.2f}%" if time else "       -"
        out.append(f"{name:>{width}} {count:>9} {100 * count / total:>8.2f}% {share} "
                   f"{'-' if low is None else low:>10} {'-' if high is None else high:>12} "
                   f"{f'{ticks / timed:.1f}' if timed else '-':>14}")
    if options.top and len(order) > options.top:
        out.append(f"... and {len(order) - options.top} more groups")
    out.append(f"Total: {total} exits" + (f", {time} {unit}" if time else ", no times in this log"))
    out += failures(log)
    return "\n".join(out)


def failures(log) -> list:
    """Failed VM entries that the log explains (Bochs, Linux), the most frequent first."""
    texts = Counter(text for _, text in log.header.get("failures", ()))
    out = ["", "Failed VM entries and VMX instructions:"] if texts else []
    return out + [f"{count:>9}  {text}" for text, count in texts.most_common(20)]


def trace(log, options) -> str:
    """The exits themselves, one on a line, in our own form."""
    exits = log.exits
    out = []
    for index in range(len(exits)):
        if wanted(exits, index, options):
            ticks = f" ticks={exits.ticks[index]}" if exits.ticks[index] >= 0 else ""
            inject = f" inject=0x{exits.inject[index]:08x}" if exits.inject[index] else ""
            out.append(f"CPU(0x{exits.cpu[index]:02x}): {Exits.KINDS[exits.kind[index]]} "
                       f"0x{exits.rip[index]:016x} {reason_name(exits.reason[index])} "
                       f"qual=0x{exits.qualification[index]:x}{ticks}{inject}")
    return "\n".join(out[-options.top:] if options.top else out)
