# SPDX-License-Identifier: BSD-2-Clause
"""Logs that have no dump and no trace but sums: of scripts/hostile, and of a search by bisect-vmxcap."""

import re
from collections import Counter
from dataclasses import dataclass, field

from .tables import reason_name
from .text import count_text

STARTS = ("HOSTILE ", "seed ", "trial ")
SEED = re.compile(r"seed (\d{1,9}), (\d{1,3}) CPUs?: (\d{1,15}) operations, .*(passed|failed)\s*$")
ALL = re.compile(r"HOSTILE all operations (\d{1,15}) violations (\d{1,15})\s*$")
ENTRIES = re.compile(r"HOSTILE cpu \d+ operations \d+ entered (\d{1,15}) failed (\d{1,15}) ")
REASON = re.compile(r"HOSTILE cpu \d+ exit reason (\d{1,5}) \S+: (\d{1,15})\s*$")
HASH = re.compile(r"HOSTILE hash of L0 before (0x[0-9a-f]{1,16}) after (0x[0-9a-f]{1,16})\s*$")
TRIAL = re.compile(r"trial +\d+: +\d+ hidden, (works|fails), ")


@dataclass
class Summaries:
    """What such lines add up to."""

    seeds: Counter = field(default_factory=Counter)
    runs: int = 0
    operations: int = 0
    violations: int = 0
    entered: int = 0
    refused: int = 0
    hashes: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    trials: Counter = field(default_factory=Counter)

    def feed(self, line: str) -> bool:
        """Takes one line that begins with one of STARTS; says whether it was understood."""
        for pattern, take in ((REASON, self.reason), (ENTRIES, self.entries), (ALL, self.all), (HASH, self.hash),
                              (SEED, self.seed), (TRIAL, self.trial)):
            match = pattern.match(line)
            if match:
                take(match)
                return True
        return line.startswith("HOSTILE cpu ")

    def reason(self, match: re.Match) -> None:
        """How many VM exits of L2 had this reason."""
        self.reasons[int(match[1])] += int(match[2])

    def entries(self, match: re.Match) -> None:
        """VM entries of one CPU."""
        self.entered += int(match[1])
        self.refused += int(match[2])

    def all(self, match: re.Match) -> None:
        """The end of one boot."""
        self.runs += 1
        self.operations += int(match[1])
        self.violations += int(match[2])

    def hash(self, match: re.Match) -> None:
        """Of L0's code and constants."""
        self.hashes[match[1] == match[2]] += 1

    def seed(self, match: re.Match) -> None:
        """What scripts/hostile made of one boot."""
        self.seeds[match[4]] += 1

    def trial(self, match: re.Match) -> None:
        """One run of a search."""
        self.trials[match[1]] += 1

    def texts(self) -> list:
        """A sentence for each kind of log that this is."""
        found = []
        if self.runs or self.seeds:
            found.append("it is the summary of a hostile run (scripts/hostile, docs/lhv.md): " + self.hostile()
                         + ("; `vmcs exits` shows its exit reasons" if self.reasons else ""))
        if self.trials:
            found.append(f"it is the record of a search by bisect-vmxcap: {count_text(sum(self.trials.values()), 'trial')}, "
                         f"{self.trials['works']} of them worked")
        return found

    def hostile(self) -> str:
        """A hostile run in a sentence."""
        words = [f"{self.seeds['passed']} of {count_text(sum(self.seeds.values()), 'boot')} passed"] if self.seeds else \
            [count_text(self.runs, "boot")]
        words += [count_text(self.operations, "operation"), count_text(self.violations, "violation")]
        if self.hashes:
            words.append("L0's code and constants unchanged" if not self.hashes[False] else
                         f"L0's code and constants CHANGED in {count_text(self.hashes[False], 'boot')}")
        return ", ".join(words)

    def table(self) -> str:
        """The exit reasons of a hostile run, in the columns of `vmcs exits` that there are."""
        total = sum(self.reasons.values())
        width = max([18, *(len(reason_name(reason)) for reason in self.reasons)])
        rows = [f"{'VM-EXIT':>{width}} {'Samples':>9} {'Samples%':>9}"]
        for reason, count in sorted(self.reasons.items(), key=lambda item: (-item[1], item[0])):
            rows.append(f"{reason_name(reason):>{width}} {count:>9} {100 * count / total:>8.2f}%")
        return "\n".join([f"Hostile run: {self.hostile()}", f"VM entries of L1: {self.entered:,} ran L2, {self.refused:,} failed", "",
                          *rows, f"Total: {count_text(total, 'exit')} of L2"])
