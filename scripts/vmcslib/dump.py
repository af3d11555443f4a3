# SPDX-License-Identifier: BSD-2-Clause
"""What a log holds once it is read: dumps, an exit trace, capability MSRs, what was not understood."""

from array import array
from dataclasses import dataclass, field

from .summaries import Summaries
from .tables import tables

ALL_ONES_64 = (1 << 64) - 1
MAX_NOTES = 1000


@dataclass
class Dump:
    """One VMCS at one moment.  A field that is in neither @values nor @absent is unknown."""

    source: str
    format: str
    line: int
    cpu: object = None
    tag: str = ""
    values: dict = field(default_factory=dict)
    absent: set = field(default_factory=set)
    msr_areas: dict = field(default_factory=dict)
    last_line: int = 0
    number: int = 0
    effective: dict = field(default_factory=dict)

    @property
    def vmcs(self) -> str:
        """01, 12 or 02 when the tag ends so, else empty."""
        return self.tag[-2:] if self.tag[-2:] in ("01", "12", "02") else ""

    @property
    def moment(self) -> str:
        """The tag without the number of the VMCS."""
        return self.tag[:-2] if self.vmcs else self.tag

    def get(self, name: str):
        """The field's value; None when unknown or absent."""
        return self.values.get(name)

    def set(self, name: str, value: int) -> None:
        """Sets a field, cut to its width."""
        self.values[name] = value & tables().by_name[name].mask
        self.absent.discard(name)

    def title(self) -> str:
        """How to name it to a person."""
        where = f"{self.source}:{self.line}"
        cpu = "" if self.cpu is None else f" CPU {cpu_text(self.cpu)}"
        tag = f" @{self.tag}" if self.tag else ""
        return f"{where}{cpu}{tag}"


def cpu_text(cpu) -> str:
    """A CPU as its log names it."""
    return f"0x{cpu:02x}" if isinstance(cpu, int) else str(cpu)


class Exits:
    """A trace as columns, so that a million exits fit in memory."""

    KINDS = ("101", "102", "201", "202", "exit", "entry")

    def __init__(self) -> None:
        self.kind = array("B")
        self.cpu = array("H")
        self.reason = array("H")
        self.failed = array("B")
        self.rip = array("Q")
        self.qualification = array("Q")
        self.event = array("I")
        self.inject = array("I")
        self.ticks = array("q")
        self.time = array("d")
        self.line = array("L")

    def __len__(self) -> int:
        return len(self.line)

    def add(self, line, kind, cpu, reason, rip, qualification=0, ticks=-1, time=-1.0, inject=0, event=0):
        """Appends one exit (or entry); ticks and time are -1 when the log does not tell.

        @event is the exit's interruption information, @inject that of the entry after it; 0 for none.
        """
        try:
            number = self.KINDS.index(kind)
        except ValueError:
            number = 4
        self.kind.append(number)
        self.cpu.append(cpu & 0xFFFF)
        self.reason.append(reason & 0xFFFF)
        self.failed.append(reason >> 31 & 1)
        self.rip.append(rip & ALL_ONES_64)
        self.qualification.append(qualification & ALL_ONES_64)
        self.event.append(event & 0xFFFFFFFF)
        self.inject.append(inject & 0xFFFFFFFF)
        self.ticks.append(max(-1, min(ticks, (1 << 63) - 1)))
        self.time.append(time)
        self.line.append(line)


@dataclass
class Log:
    """Everything read from one input."""

    source: str
    dumps: list = field(default_factory=list)
    exits: Exits = field(default_factory=Exits)
    capabilities: dict = field(default_factory=dict)
    lines: int = 0
    noise: int = 0
    unparsed_count: int = 0
    unparsed: list = field(default_factory=list)
    last_rejected: int = 0
    descriptors: list = field(default_factory=list)
    header: dict = field(default_factory=dict)
    summaries: Summaries = field(default_factory=Summaries)
    binary: bool = False

    def reject(self, line: int, text: str, why: str) -> None:
        """Counts a line that looked like part of a dump or trace and was not understood, or not all of it."""
        if line == self.last_rejected:
            return
        self.last_rejected = line
        self.unparsed_count += 1
        if len(self.unparsed) < MAX_NOTES:
            self.unparsed.append((line, text[:160].rstrip("\r\n"), why))
