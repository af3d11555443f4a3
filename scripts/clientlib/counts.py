# SPDX-License-Identifier: BSD-2-Clause
"""What the levels counted, read from a run's serial output.  Pure."""

import re
from dataclasses import dataclass, field

from lablib.verdict import views

L0_ROW = re.compile(r"^PROBE exits total (\d{3}) (\S+) +(\d+) +(\d+) ", re.MULTILINE)
KVM_ROW = re.compile(r"^KVM-STATS (\S+) +(\d+)\s*$", re.MULTILINE)
KVM_REASON = re.compile(r"^KVM-EXITS (\S+) +(\d+)\s*$", re.MULTILINE)
STAGE = re.compile(r"^PROBE (\S+) tsc=(\d+)\s*$", re.MULTILINE)
CHURN = re.compile(r"^PROBE churn rounds=(\d+) pages=(\d+) ticks=(\d+)\s*$", re.MULTILINE)
TAP = re.compile(r"^L2\| (ok|not ok) \d+ - (\S+)(.*)$", re.MULTILINE)


@dataclass
class Counts:
    """Exits as L0 and as L1 counted them, and the time stamps of the stages."""

    exits: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    kvm: dict[str, int] = field(default_factory=dict)
    kvm_reasons: dict[str, int] = field(default_factory=dict)  # exits of L2 by reason
    stages: list[tuple[str, int]] = field(default_factory=list)
    churn: int | None = None  # ticks per page of a memory slot that was taken away and put back

    def total(self, kind: str) -> tuple[int, int]:
        """Count and ticks of all exits of one kind."""
        rows = self.exits.get(kind, {}).values()
        return sum(count for count, _ in rows), sum(ticks for _, ticks in rows)

    def ticks_between(self, first: str, last: str) -> int | None:
        """Ticks from one stage to another, the first of each name; None when one is missing."""
        at = dict(reversed(self.stages))
        return at[last] - at[first] if first in at and last in at else None


def parse(serial: str) -> Counts:
    """All counts of a run; KVM's are summed over the runs of its VMs."""
    text = views(serial)[1]
    counts = Counts()
    for kind, reason, count, ticks in L0_ROW.findall(text):
        counts.exits.setdefault(kind, {})[reason] = (int(count), int(ticks))
    for name, value in KVM_ROW.findall(text):
        counts.kvm[name] = counts.kvm.get(name, 0) + int(value)
    counts.kvm_reasons = {name: int(value) for name, value in KVM_REASON.findall(text)}
    counts.stages = [(name, int(tsc)) for name, tsc in STAGE.findall(text)]
    for rounds, pages, ticks in CHURN.findall(text):
        counts.churn = round(int(ticks) / int(rounds) / int(pages))
    return counts


def verdicts_of_lhv(serial: str) -> dict[str, str]:
    """What lhv as L2 said of each of its cases: ok, not ok or SKIP."""
    return {name: "SKIP" if "# SKIP" in rest else word for word, name, rest in TAP.findall(views(serial)[1])}


def per_level(counts: Counts) -> list[str]:
    """The lines of the summary: who exited to whom, how often, for how many ticks."""
    what = {"101": "L1 -> L0 -> L1", "102": "L1 -> L0 -> L2", "201": "L2 -> L0 -> L1",
            "202": "L2 -> L0 -> L2"}
    lines = [f"{'kind':4} {'way':15} {'exits':>9} {'ticks':>12} {'each':>7}"]
    for kind in sorted(counts.exits):
        count, ticks = counts.total(kind)
        lines.append(f"{kind:4} {what.get(kind, '?'):15} {count:9} {ticks:12} {ticks // max(count, 1):7}")
    if "exits" in counts.kvm:
        lines.append(f"KVM  counted {counts.kvm['exits']} exits of L2: " +
                     ", ".join(f"{count} {reason}" for reason, count in
                               sorted(counts.kvm_reasons.items(), key=lambda item: -item[1])))
    return lines


def missing(counts: Counts) -> list[str]:
    """Why not all levels have said their counts, or why these disagree; empty when they do."""
    problems = [f"L0 printed no exits of kind {kind}" for kind in ("201", "202")
                if counts.total(kind)[0] == 0]
    if not counts.kvm.get("exits"):
        problems.append("L1 printed no count of L2's exits")
    elif not counts.kvm_reasons:
        problems.append("L1 printed no count of L2's exits by reason")
    elif counts.kvm["exits"] != counts.total("201")[0]:
        problems.append(f"L0 reflected {counts.total('201')[0]} exits of L2, "
                        f"KVM counted {counts.kvm['exits']}")
    reflected = {reason: count for reason, (count, _) in counts.exits.get("201", {}).items()}
    for reason in sorted(reflected.keys() | counts.kvm_reasons.keys()) if counts.kvm_reasons else ():
        if reflected.get(reason, 0) != counts.kvm_reasons.get(reason, 0):
            problems.append(f"{reason}: L0 reflected {reflected.get(reason, 0)}, KVM counted {counts.kvm_reasons.get(reason, 0)}")
    return problems
