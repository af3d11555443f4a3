# SPDX-License-Identifier: BSD-2-Clause
"""Lines that start with `CPU(0x..): `: our own dumps and traces, and XMHF64's."""

import re

from .dump import Dump, Log
from .names import field_of_name, reason_of_name
from .tables import tables

FIELD = re.compile(
    r"CPU\(0x([0-9a-fA-F]{1,8})\): (?:\((0x[0-9a-fA-F]{4})\) )?([@:])([^@:\s]{1,64})\3"
    r"(\w{1,80})(?:\[(\d{1,5})\])? = (\S+)(?: -> (\S+))?\s*$")
# The panic report of hypapps/trace prints the exits of all CPUs: "exit of CPU 0x05: ".
EXIT = re.compile(
    r"CPU\(0x([0-9a-fA-F]{1,8})\): (?:[^:]{0,40}: )?(?:exit of CPU 0x([0-9a-fA-F]{1,8}): )?"
    r"(101|102|201|202|exit) (0x[0-9a-fA-F]{1,16}) ([\w-]+)(.*)$")
XMHF64_EXIT = re.compile(
    r"CPU\(0x([0-9a-fA-F]{1,8})\): nested vm(exit|entry)\s+(0x[0-9a-fA-F]{1,16})"
    r"(?: (\d{1,5})(?:: (0x[0-9a-fA-F]{1,8}))?)?(?: intr_inj=(0x[0-9a-fA-F]{1,8}))?\s*$")
PAIR = re.compile(r"(\w+)=(0x[0-9a-fA-F]{1,16}|\d{1,20})(?=\s|$)")
HEX = re.compile(r"0x[0-9a-fA-F]+")
AREA = re.compile(r"(?:vmcs(01|12|02)_)?(?:vm)?(entry|exit)_msr_(load|store)(?:_area)?$")
LOOKS_LIKE = re.compile(r"CPU\(0x[0-9a-fA-F]*\): ?(?:\(|[@:]|nested vm|[12]0[12] )")


class CpuLines:
    """Parses them; keeps the dumps that are still being printed, by CPU and tag."""

    def __init__(self, log: Log):
        self.log = log
        self.open = {}
        self.by_encoding = tables().by_encoding
        self.by_name = tables().by_name

    def feed(self, number: int, line: str) -> bool:
        """Takes one line; says whether it was understood."""
        match = FIELD.search(line)
        if match:
            return self.field(number, line, match)
        match = EXIT.search(line)
        if match:
            return self.exit(number, line, match)
        match = XMHF64_EXIT.search(line)
        if match:
            return self.xmhf64_exit(number, match)
        if LOOKS_LIKE.search(line):
            self.log.reject(number, line, "looks like a dump or trace line, but cut or mixed")
        return False

    def field(self, number: int, line: str, match: re.Match) -> bool:
        """A field of a dump, or an entry of an MSR area."""
        cpu, code, mark, tag, name, index, value, second = match.groups()
        if index is not None:
            return self.msr(number, line, match)
        info = None
        if code is not None:
            info = self.by_encoding.get(int(code, 16))
        if info is None:
            known = field_of_name(name)
            if known is None:
                self.log.reject(number, line, f"no such VMCS field: {name}")
                return False
            info = self.by_name[known]
        if second is not None:
            self.log.reject(number, line, "a field with two values")
            return False
        if value == "unavailable":
            self.dump_for(number, int(cpu, 16), tag, info.name, mark == ":" or name != info.name).absent.add(info.name)
            return True
        parsed = self.value(value, info, mark)
        if parsed is None:
            self.log.reject(number, line, f"value is not 0x and {info.digits} digits: cut short?")
            return False
        self.dump_for(number, int(cpu, 16), tag, info.name, mark == ":" or name != info.name).values[info.name] = parsed
        return True

    def value(self, text: str, info, mark: str):
        """The number, if it has all its digits; None if not."""
        if not HEX.fullmatch(text):
            return None
        digits = len(text) - 2
        if digits == info.digits or mark == ":" and info.digits == 16 and digits == 8:
            return int(text, 16)
        if mark == "@" and digits == 8 and info.width == "NW":
            return int(text, 16)
        return None

    def dump_for(self, number: int, cpu: int, tag: str, name: str, theirs: bool) -> Dump:
        """The dump being printed under this tag on this CPU; a new one when @name was there."""
        dump = self.open.get((cpu, tag))
        if dump is None or name in dump.values or name in dump.absent:
            dump = Dump(self.log.source, "ours", number, cpu, tag)
            self.log.dumps.append(dump)
            self.open[cpu, tag] = dump
        if theirs:
            dump.format = "xmhf64"
        dump.last_line = number
        return dump

    def msr(self, number: int, line: str, match: re.Match) -> bool:
        """One entry of an MSR area: index and value."""
        cpu, _, _, tag, name, index, value, second = match.groups()
        area = AREA.match(name)
        if not area or second is None or not HEX.fullmatch(value) or not HEX.fullmatch(second) \
                or len(second) != 18:
            self.log.reject(number, line, "no entry of an MSR area")
            return False
        dump = self.open.get((int(cpu, 16), tag))
        if dump is None:
            dump = self.latest(int(cpu, 16), area[1] or "")
        if dump is None:
            self.log.reject(number, line, "an MSR area without its dump")
            return False
        entries = dump.msr_areas.setdefault(f"{area[2]}_msr_{area[3]}", {})
        entries[int(index)] = (int(value, 16) & 0xFFFFFFFF, int(second, 16))
        dump.last_line = number
        return True

    def latest(self, cpu: int, vmcs: str):
        """The last dump of this CPU and VMCS."""
        found = [dump for (owner, _), dump in self.open.items()
                 if owner == cpu and (not vmcs or dump.vmcs == vmcs)]
        return max(found, key=lambda dump: dump.last_line) if found else None

    def exit(self, number: int, line: str, match: re.Match) -> bool:
        """A line of our exit trace."""
        printer, owner, kind, rip, name, rest = match.groups()
        cpu = owner or printer
        reason = reason_of_name(name)
        if reason is None:
            self.log.reject(number, line, f"no such exit reason: {name}")
            return False
        pairs = {key: int(value, 16) if value.startswith("0x") else int(value)
                 for key, value in PAIR.findall(rest)}
        self.log.exits.add(number, kind, int(cpu, 16), reason, int(rip, 16),
                           pairs.get("qual", 0), pairs.get("ticks", -1),
                           float(pairs.get("tsc", pairs.get("time", -1))), pairs.get("inject", 0), pairs.get("intr", 0))
        return True

    def xmhf64_exit(self, number: int, match: re.Match) -> bool:
        """A line of XMHF64's trace; only what goes to L1 is in it, so an exit is a 201."""
        cpu, what, rip, reason, event, inject = match.groups()
        self.log.exits.add(number, "201" if what == "exit" else "102", int(cpu, 16),
                           int(reason or 24), int(rip, 16), inject=int(inject or "0", 16), event=int(event or "0", 16))
        return True
