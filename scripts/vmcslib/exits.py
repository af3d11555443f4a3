# SPDX-License-Identifier: BSD-2-Clause
"""vmcs exits: statistics of an exit trace, for each level in the columns of `perf kvm stat`, and a timeline."""

from collections import Counter
from dataclasses import dataclass

from .decode import event_text
from .dump import Exits
from .errors import VmcsError
from .tables import reason_name
from .text import count_text

KEYS = ("reason", "vector", "kind", "cpu", "rip", "qualification")
LEVELS = {"101": "from L1, handled by L0", "102": "VM entries of L1 to L2", "201": "from L2, reflected to L1",
          "202": "from L2, handled by L0", "exit": "of the one level that this log sees", "entry": "VM entries"}
TIMELINE_ROWS = 20
# A row of the timeline stands for as many exits as this on average, or there is none.
EXITS_PER_ROW = 10
BAR_WIDTH = 30


def key_of(exits, index: int, by) -> str:
    """The name of the group that an exit belongs to."""
    words = []
    for key in by:
        if key == "reason":
            name = reason_name(exits.reason[index])
            words.append(name + (" (failed entry)" if exits.failed[index] else ""))
        elif key == "vector":
            words.append(vector_of(exits, index) or ("" if len(by) > 1 else "no event"))
        elif key == "kind":
            words.append(Exits.KINDS[exits.kind[index]])
        elif key == "cpu":
            words.append(f"cpu 0x{exits.cpu[index]:02x}")
        elif key == "rip":
            words.append(f"0x{exits.rip[index]:x}")
        else:
            words.append(f"qual 0x{exits.qualification[index]:x}")
    return " ".join(filter(None, words))


def vector_of(exits, index: int) -> str:
    """The event that an exit is about, and the one that the entry after it injects."""
    event, inject = event_text(exits.event[index]), event_text(exits.inject[index])
    return " ".join(filter(None, (event, f"injects {inject}" if inject else "")))


def wanted(exits, index: int, options) -> bool:
    """Whether the user's filters let this exit through."""
    if options.kind and Exits.KINDS[exits.kind[index]] not in options.kind:
        return False
    if options.reason and exits.reason[index] not in options.reason:
        return False
    return options.cpu is None or exits.cpu[index] == options.cpu


def statistics(exits, chosen, by) -> dict:
    """{group: [count, timed, sum, min, max]} of the exits with these indices."""
    groups = {}
    names = {}
    rows = columns(exits, by)
    for index in chosen:
        raw = tuple(column[index] for column in rows)
        name = names.get(raw)
        if name is None:
            name = names[raw] = key_of(exits, index, by)
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
        found += {"reason": [exits.reason, exits.failed], "vector": [exits.event, exits.inject]}.get(key) or [getattr(exits, key)]
    return found


def chosen_of(log, options) -> list:
    """The indices of the exits that the filters let through; at least one where the log has any."""
    exits = log.exits
    chosen = [index for index in range(len(exits)) if wanted(exits, index, options)]
    if len(exits) and not chosen:
        kinds = ", ".join(Exits.KINDS[kind] for kind in sorted(set(exits.kind)))
        cpus = ", ".join(f"0x{cpu:02x}" for cpu in sorted(set(exits.cpu)))
        raise VmcsError(f"{log.source}: none of its {count_text(len(exits), 'exit')} fits --kind, --reason and --cpu; "
                        f"it has kinds {kinds}, of CPU {cpus}")
    return chosen


def report(log, options) -> str:
    """Everything: a table, or one for each level, and the timeline."""
    exits = log.exits
    if not len(exits) and log.summaries.reasons:
        return log.summaries.table()
    chosen = chosen_of(log, options)
    unit = log.header.get("unit", "ticks")
    levels = {}
    for index in chosen:
        levels.setdefault(exits.kind[index], []).append(index)
    out = []
    if options.by or len(levels) < 2:
        out += table(exits, chosen, options.by or ["reason"], unit, options)
    else:
        for kind in sorted(levels):
            name = Exits.KINDS[kind]
            share = 100 * len(levels[kind]) / len(chosen)
            out += [f"{name}: {LEVELS[name]}, {share:.2f}% of all exits",
                    *table(exits, levels[kind], ["reason"], unit, options), ""]
        out += [f"All levels: {len(chosen)} exits"]
    rows = options.timeline
    if rows is None:
        rows = 0 if options.by else min(TIMELINE_ROWS, len(chosen) // EXITS_PER_ROW)
    out += timeline(exits, chosen, rows, unit)
    return "\n".join(out + failures(log))


def table(exits, chosen, by, unit: str, options) -> list:
    """The lines of one table and its sum."""
    groups = statistics(exits, chosen, by)
    total = len(chosen)
    time = sum(row[2] for row in groups.values())
    order = sorted(groups.items(), key=lambda item: (-item[1][2 if options.sort == "time" else 0], item[0]))
    width = max([18, *map(len, groups)])
    out = [f"{'VM-EXIT':>{width}} {'Samples':>9} {'Samples%':>9} {'Time%':>8} "
           f"{'Min':>10} {'Max':>12} {'Avg ' + unit:>14}"]
    for name, (count, timed, ticks, low, high) in order[:options.top or None]:
        share = f"{100 * ticks / time:7.2f}%" if time else "       -"
        out.append(f"{name:>{width}} {count:>9} {100 * count / total:>8.2f}% {share} "
                   f"{'-' if low is None else low:>10} {'-' if high is None else high:>12} "
                   f"{f'{ticks / timed:.1f}' if timed else '-':>14}")
    if options.top and len(order) > options.top:
        out.append(f"... and {len(order) - options.top} more groups")
    return out + [f"Total: {total} exits" + (f", {time} {unit}" if time else ", no durations in this log")]


@dataclass
class Scale:
    """How the times of a log are printed."""

    divisor: float
    unit: str
    digits: int

    def text(self, time: float) -> str:
        """A time or a span."""
        return f"{time / self.divisor:.{self.digits}f}"


def scale_of(unit: str, span: float) -> Scale:
    """Linux' traces have seconds, all others ticks; three digits or more of the span are seen."""
    divisor, name = (1.0, "s") if unit == "ns" else (1e6, "M ticks") if span >= 1e6 else (1.0, "ticks")
    digits = 0
    while span / divisor * 10 ** digits < 1000 and digits < 6 and (divisor, name) != (1.0, "ticks"):
        digits += 1
    return Scale(divisor, name, digits)


def timeline(exits, chosen, rows: int, unit: str) -> list:
    """Rows of equal spans of time: how many exits of each kind, and of which reason most."""
    if rows < 1:
        return []
    timed = [index for index in chosen if exits.time[index] >= 0]
    if len(timed) < 2:
        return ["", "no timeline: this log does not tell when its exits were"]
    start = min(exits.time[index] for index in timed)
    span = max(exits.time[index] for index in timed) - start
    buckets = [Counter() for _ in range(rows)]
    for index in timed:
        place = int((exits.time[index] - start) * rows / span) if span else 0
        buckets[min(place, rows - 1)][exits.kind[index], exits.reason[index]] += 1
    scale = scale_of(unit, span)
    kinds = sorted({kind for bucket in buckets for kind, _ in bucket})
    most = max(sum(bucket.values()) for bucket in buckets)
    out = ["", f"Timeline: {scale.text(span)} {scale.unit}, {scale.text(span / rows)} a row",
           f"{scale.unit:>12} " + " ".join(f"{Exits.KINDS[kind]:>8}" for kind in kinds) + "  most frequent"]
    for number, bucket in enumerate(buckets):
        out.append(timeline_row(scale.text(start + span * number / rows), bucket, kinds, most))
    return out


def timeline_row(when: str, bucket: Counter, kinds: list, most: int) -> str:
    """One row of it."""
    counts = Counter()
    for (kind, _), count in bucket.items():
        counts[kind] += count
    (kind, reason), _ = min(bucket.items(), key=lambda item: (-item[1], item[0])) if bucket else ((None, None), 0)
    name = f"{Exits.KINDS[kind]} {reason_name(reason)}" if bucket else ""
    bar = "#" * -(-BAR_WIDTH * sum(bucket.values()) // most)
    return (f"{when:>12} " + " ".join(f"{counts[kind]:>8}" for kind in kinds) + f"  {name:<24} {bar}").rstrip()


def failures(log) -> list:
    """Failed VM entries that the log explains (Bochs, Linux), the most frequent first."""
    texts = Counter(text for _, text in log.header.get("failures", ()))
    out = ["", "Failed VM entries and VMX instructions:"] if texts else []
    return out + [f"{count:>9}  {text}" for text, count in texts.most_common(20)]


def trace(log, options) -> str:
    """The exits themselves, one on a line, in our own form."""
    exits = log.exits
    out = []
    for index in chosen_of(log, options)[-options.top:]:
        event = f" intr=0x{exits.event[index]:08x}" if exits.event[index] else ""
        inject = f" inject=0x{exits.inject[index]:08x}" if exits.inject[index] else ""
        ticks = f" ticks={exits.ticks[index]}" if exits.ticks[index] >= 0 else ""
        # Of Linux' seconds a line of ours has no place.
        when = f" tsc={exits.time[index]:.0f}" if exits.time[index] >= 0 and log.header.get("unit") != "ns" else ""
        out.append(f"CPU(0x{exits.cpu[index]:02x}): {Exits.KINDS[exits.kind[index]]} "
                   f"0x{exits.rip[index]:016x} {reason_name(exits.reason[index])} "
                   f"qual=0x{exits.qualification[index]:x}{event}{inject}{ticks}{when}")
    return "\n".join(out)
