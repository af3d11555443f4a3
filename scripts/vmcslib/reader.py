# SPDX-License-Identifier: BSD-2-Clause
"""Reads a log of any mix of formats into a Log, and picks dumps out of it."""

import re

from .dump import Log, cpu_text
from .errors import VmcsError
from .linux_xen import SectionLines
from .ours import CpuLines
from .summaries import STARTS
from .text import count_text, number, open_lines
from .traces import TraceLines

LOOKED_FOR = """\
looked for:
  ours      CPU(0x05): (0x4402) @failure02@exit_reason = 0x80000022
  XMHF64    CPU(0x05): (0x4402) :VMCS02:info_vmexit_reason = 0x00000000   (or without encoding)
  Linux     *** Guest State ***  ... in dmesg (kvm_intel.dump_invalid_vmcs=1)
  Xen       (XEN) *** Guest State ***  ... (xl debug-keys v; xl dmesg)"""
LOOKED_FOR_EXITS = """\
looked for:
  ours      CPU(0x04): 201 0x00007f88f438297c cpuid qual=0x0 ticks=812
  XMHF64    CPU(0x05): nested vmexit  0x0010cd17 28
  Linux     kvm_exit: vcpu 0 reason CPUID rip 0x1234 info1 0x0 ...
  Bochs     12345678d[CPU0  ] VMEXIT reason = 10 (CPUID) qualification=0x0"""

# So many of the first lines tell whether a file is text.
SAMPLE = 1000


def parse(lines, source: str) -> Log:
    """Reads an iterable of lines."""
    log = Log(source)
    ours, sections, traces = CpuLines(log), SectionLines(log), TraceLines(log)
    at = understood = garbled = 0
    for line in lines:
        at += 1
        if "CPU(0x" in line:
            understood += ours.feed(at, line)
        elif "*** " in line or "last attempted" in line or ">>> Dom" in line or "VCPU " in line \
                or "vmentry f" in line:
            understood += sections.feed(at, line)
        elif "VMEXIT " in line or "VMENTER " in line or "VMFAIL" in line:
            understood += traces.bochs(at, line)
        elif "kvm_" in line and traces.kvm(at, line):
            understood += 1
        elif "IA32_" in line and traces.capabilities(at, line):
            understood += 1
        elif line.startswith(STARTS) and log.summaries.feed(line):
            understood += 1
        elif sections.open:
            understood += sections.feed(at, line)
        elif at <= SAMPLE and "\ufffd" in line:
            garbled += 1
    log.lines = at
    log.binary = 4 * garbled > min(at, SAMPLE)
    log.noise = at - understood - log.unparsed_count
    log.dumps = [dump for dump in log.dumps if dump.values or dump.absent]
    log.dumps.sort(key=lambda dump: dump.line)
    for index, dump in enumerate(log.dumps, 1):
        dump.number = index
    return log


def read_log(path: str) -> Log:
    """Reads a file, or standard input for `-`."""
    return parse(open_lines(path), "<stdin>" if path == "-" else path)


def require_dumps(log: Log) -> None:
    """A log without a dump is an error that says what was looked for."""
    if not log.dumps:
        raise VmcsError(f"{log.source}: no VMCS dump{whereabouts(log)}\n{LOOKED_FOR}")


def require_exits(log: Log) -> None:
    """The same for an exit trace."""
    if not len(log.exits) and not log.header.get("failures") and not log.summaries.reasons:
        raise VmcsError(f"{log.source}: no exit trace{whereabouts(log)}\n{LOOKED_FOR_EXITS}")


def require_any(log: Log) -> None:
    """The same where either will do."""
    if not log.dumps and not len(log.exits):
        raise VmcsError(f"{log.source}: neither a VMCS dump nor an exit trace{whereabouts(log)}\n"
                        f"{LOOKED_FOR}\n{LOOKED_FOR_EXITS.partition(chr(10))[2]}")


def whereabouts(log: Log) -> str:
    """Where it was looked for, and what there is instead."""
    if not log.lines:
        return ": it is empty"
    words = [f" in {count_text(log.lines, 'line')}"]
    if log.binary:
        words.append(", and it does not look like text")
    if log.unparsed_count:
        words.append(f"; {count_text(log.unparsed_count, 'line')} came close (-v shows them)")
    if len(log.exits):
        words.append(f"\nit has an exit trace of {count_text(len(log.exits), 'exit')}: `vmcs exits` and `vmcs html` read that")
    if log.dumps:
        words.append(f"\nit has {count_text(len(log.dumps), 'VMCS dump')}: `vmcs list` shows them")
    words += [f"\n{text}" for text in log.summaries.texts()]
    return "".join(words)


class Selector:
    """Which dumps are meant: tag, CPU, number, VMCS, the last before a line."""

    KEYS = ("tag", "cpu", "n", "before", "vmcs")

    def __init__(self, text: str = ""):
        self.text = text
        self.tag = self.cpu = self.n = self.before = self.vmcs = self.bare = None
        for word in filter(None, text.split(",")):
            self.take(word)

    def take(self, word: str) -> None:
        """One condition: KEY=VALUE, a number, or a tag."""
        key, equals, value = word.partition("=")
        if not equals and re.fullmatch(r"-?\d{1,9}", word):
            self.bare = word
            return
        if not equals:
            key, value = "tag", word
        if key not in self.KEYS:
            raise VmcsError(f"no such way to pick a dump: {key!r} (known: {', '.join(self.KEYS)})")
        if key in ("n", "before"):
            try:
                setattr(self, key, int(value))
            except ValueError as error:
                raise VmcsError(f"{key} takes a number, not {value!r}") from error
        else:
            setattr(self, key, value)

    def accepts(self, dump) -> bool:
        """Whether everything but the number holds for this dump."""
        return ((self.tag is None or self.tag in (dump.tag, dump.moment)) and
                (self.cpu is None or cpu_is(dump.cpu, self.cpu)) and
                (self.vmcs is None or self.vmcs == dump.vmcs) and
                (self.before is None or dump.line < self.before))

    def pick(self, log: Log) -> list:
        """The dumps it means, in the order of the log; at least one."""
        require_dumps(log)
        if self.bare is not None:
            # A tag may be a number too; then it is meant.
            is_tag = any(self.bare in (dump.tag, dump.moment) for dump in log.dumps)
            self.tag, self.n = (self.bare, self.n) if is_tag else (self.tag, int(self.bare))
        if self.tag is not None and not any(self.tag in (dump.tag, dump.moment) for dump in log.dumps):
            self.tag = self.only_tag_with(log)
        found = [dump for dump in log.dumps if self.accepts(dump)]
        if self.before is not None:
            found = found[-1:]
        if self.n is not None and found:
            index = self.n - 1 if self.n > 0 else self.n
            if self.n == 0 or not -len(found) <= index < len(found):
                raise VmcsError(f"{log.source}: there is no dump number {self.n} (there are {len(found)}, the first is 1)")
            found = [found[index]]
        if not found:
            raise VmcsError(f"{log.source}: no dump is {self.text!r}; there are: {known_dumps(log)}")
        return found

    def only_tag_with(self, log: Log) -> str:
        """The one tag or moment that contains the user's word, which is none itself."""
        tags = {dump.tag for dump in log.dumps if self.tag in dump.tag}
        moments = {dump.moment for dump in log.dumps if self.tag in dump.moment}
        found = moments if len(moments) == 1 else tags
        if len(found) > 1:
            raise VmcsError(f"{log.source}: {self.tag!r} is a part of several tags: {', '.join(sorted(found))}")
        return found.pop() if found else self.tag


def known_dumps(log: Log) -> str:
    """The tags, CPUs and lines of a log's dumps, for an error text."""
    tags = list(dict.fromkeys(dump.tag or f"n={dump.number}" for dump in log.dumps))
    cpus = list(dict.fromkeys(cpu_text(dump.cpu) for dump in log.dumps if dump.cpu is not None))
    words = [", ".join(tags[:12]) + (", ..." if len(tags) > 12 else "")]
    if cpus:
        words.append(f"of CPU {', '.join(cpus[:12])}" + (", ..." if len(cpus) > 12 else ""))
    words.append(f"the first begins in line {log.dumps[0].line}")
    return "; ".join(words)


def cpu_is(cpu, text: str) -> bool:
    """Whether the user's word names this CPU: 5, 0x5, 0x05, d0v1."""
    if isinstance(cpu, int):
        try:
            return number(text) == cpu
        except ValueError:
            return False
    return cpu == text
