# SPDX-License-Identifier: BSD-2-Clause
"""The dumps of Linux KVM (dmesg) and Xen (xl dmesg): one ancestry, several fields on a line."""

import re

from .dump import Dump, Log
from .names import LINUX_XEN
from .tables import tables

SECTION = re.compile(r"\*\*\* (Guest|Host|Control) State \*\*\*")
HEADER = re.compile(r"VMCS \S+, last attempted VM-entry on CPU (\d+)")
CALLER = re.compile(r"\[\s*([TC]\d+)\]")
DOMAIN = re.compile(r">>> Domain (\d+) <<<")
VCPU = re.compile(r"\bVCPU (\d+)\s*$")
FAILURE = re.compile(r"\bd(\d+)v(\d+) vmentry failure")
HEX = r"(?:0x)?([0-9a-fA-F]+)"
CONTROL_REGISTER = re.compile(rf"\b(CR[04]): actual={HEX}, shadow={HEX}, gh_mask={HEX}\s*$")
LINUX_SEGMENT = re.compile(
    rf"\b([C-GS]S|LDTR|TR|GDTR|IDTR): +(?:sel={HEX}, attr={HEX}, )?limit={HEX}, base={HEX}\s*$")
XEN_SEGMENT = re.compile(r"\b([C-GS]S|LDTR|TR): ([0-9a-f]{4}) ([0-9a-f]{5}) ([0-9a-f]{8}) ([0-9a-f]{16})\s*$")
XEN_TABLE = re.compile(r"\b(GDTR|IDTR): +([0-9a-f]{8}) ([0-9a-f]{16})\s*$")
SYSENTER = re.compile(rf"Sysenter RSP={HEX} CS:RIP=([0-9a-f]{{4,8}}):([0-9a-f]{{16}})")
HOST_SELECTORS = re.compile(r"\b([C-GS]S|TR)=([0-9a-f]{4})\b")
EVENT = re.compile(rf"\b(VMEntry|VMExit): intr_info={HEX} errcode={HEX} ilen={HEX}\s*$")
VECTORING = re.compile(rf"\bIDTVectoring: info={HEX} errcode={HEX}\s*$")
SVI_RVI = re.compile(r"SVI\|RVI = ([0-9a-f]{2})\|([0-9a-f]{2})")
CR3_TARGET = re.compile(r"CR3 target([0-3])=([0-9a-f]{16})")
MSR_LIST = re.compile(r"MSR (guest|host) auto(load|store):")
MSR_ENTRY = re.compile(r"\b(\d+): msr=0x([0-9a-f]{8}) value=0x([0-9a-f]{16})\s*$")
PAIR = re.compile(rf"(?<![\w:])(?<!Sysenter )({'|'.join(sorted(map(re.escape, LINUX_XEN), key=len, reverse=True))})"
                  rf"(\([^)]*\))?\s*=\s*{HEX}(?: \(([^)]*)\))?(?!\w)")
NOTE = re.compile("0x[0-9a-f]+")
# Printed with fewer digits than the field has.
SHORT = {"guest_rflags": 8, "tpr_threshold": 2, "posted_interrupt_notification_vector": 2,
         "tertiary_processor_based_controls": 8}
SIDES = {"Guest": "guest", "Host": "host", "Control": "control"}
PATIENCE = 40
# A dump that begins so few lines after one that had not come to its controls began inside it.
NEAR = 3


def is_hosts(line: str) -> bool:
    """Whether only the host's section has such a line."""
    return "CR0=" in line or "Base=" in line or " SS=" in line or 0 <= line.find("RIP =") < line.find("RSP =")


class SectionLines:
    """Parses them.  The lines carry no CPU, so the printk caller, if printed, tells threads apart."""

    def __init__(self, log: Log):
        self.log = log
        self.by_name = tables().by_name
        self.open = {}
        self.header = {}
        self.domain = None
        self.vcpu = None

    def feed(self, number: int, line: str) -> bool:
        """Takes one line; says whether it was understood."""
        caller = CALLER.search(line) if "[" in line else None
        stream = caller[1] if caller else None
        section = SECTION.search(line) if "*** " in line else None
        if section:
            return self.section(number, line, stream, SIDES[section[1]])
        if "last attempted VM-entry" in line:
            header = HEADER.search(line)
            self.header[stream] = int(header[1]) if header else None
            if not self.interrupts(stream, number):
                self.open.pop(stream, None)
            return bool(header)
        if ">>> Domain" in line or "VCPU" in line or "vmentry failure" in line:
            return self.whose(line)
        state = self.open.get(stream)
        return bool(state) and state.feed(number, line)

    def whose(self, line: str) -> bool:
        """Xen's lines that say whose VMCS comes next."""
        domain, vcpu = DOMAIN.search(line), VCPU.search(line)
        failure = FAILURE.search(line)
        if failure:
            self.domain, self.vcpu = int(failure[1]), int(failure[2])
            return True
        if domain:
            self.domain = int(domain[1])
        if vcpu:
            self.vcpu = int(vcpu[1])
        return bool(domain or vcpu)

    def section(self, number: int, line: str, stream, side: str) -> bool:
        """The heading of a section; the guest's begins a dump."""
        mixed = side == "guest" and self.vcpu is None and self.interrupts(stream, number)
        if side == "guest" or stream not in self.open:
            xen = "(XEN)" in line or self.vcpu is not None
            cpu = self.header.pop(stream, None)
            if xen and self.vcpu is not None:
                cpu = f"d{self.domain if self.domain is not None else '?'}v{self.vcpu}"
            dump = Dump(self.log.source, "xen" if xen else "kvm", number, cpu, "")
            self.log.dumps.append(dump)
            self.open[stream] = OpenDump(self, dump, stream)
        state = self.open[stream]
        state.mixed = state.mixed or mixed
        state.side, state.last, state.area = "lost" if state.mixed or state.orphan else side, number, None
        state.dump.last_line = number
        if mixed:
            self.log.reject(number, line, "begins inside another dump: whose lines follow nobody knows (printk.caller=1 tells)")
        return not mixed

    def interrupts(self, stream, number: int) -> bool:
        """Whether a dump that begins here does so in the middle of another: two CPUs print at once."""
        other = self.open.get(stream)
        return other is not None and (other.mixed or other.side in ("guest", "host")) and number - other.last <= NEAR

    @property
    def active(self) -> bool:
        """Whether a dump is being read."""
        return bool(self.open)


class OpenDump:
    """A dump in the middle of its lines."""

    def __init__(self, owner: SectionLines, dump: Dump, stream):
        self.owner, self.dump, self.stream = owner, dump, stream
        self.side, self.last, self.area = "guest", dump.line, None
        self.mixed = self.orphan = False

    def feed(self, number: int, line: str) -> bool:
        """Takes one line; a long stretch of other lines ends the dump."""
        if self.side == "guest" and is_hosts(line):
            self.side = "host"    # its heading is missing
        elif self.side in ("host", "control") and "actual=" in line:
            self.side, self.orphan = "lost", True    # the next dump, whose heading is missing
        for parse in (self.registers, self.segments, self.events, self.msrs, self.pairs):
            if parse(number, line):
                self.last = self.dump.last_line = number
                return self.owner.log.last_rejected != number
        if number - self.last > PATIENCE:
            self.owner.open.pop(self.stream, None)
        return False

    def put(self, name: str, text: str, number: int, line: str) -> None:
        """Stores a value, unless digits are missing."""
        info = self.owner.by_name.get(name)
        if info is None:
            self.owner.log.reject(number, line, f"no such field on this side: {name}")
        elif not SHORT.get(name, info.digits) <= len(text) <= 16:
            self.owner.log.reject(number, line, f"{name}: not all digits: cut short?")
        elif self.side == "lost" or self.dump.values.get(name, int(text, 16) & info.mask) != int(text, 16) & info.mask:
            # A heading between them was cut: whose values these are nobody knows.
            self.side = "lost"
            self.owner.log.reject(number, line, f"{name} again: is a section's heading missing?")
        else:
            self.dump.values[name] = int(text, 16) & info.mask

    def registers(self, number: int, line: str) -> bool:
        """CR0 and CR4 with mask and shadow; SYSENTER."""
        match = CONTROL_REGISTER.search(line) if "actual=" in line else None
        if match:
            name = match[1].lower()
            self.put(f"guest_{name}", match[2], number, line)
            self.put(f"{name}_read_shadow", match[3], number, line)
            self.put(f"{name}_guest_host_mask", match[4], number, line)
            return True
        match = SYSENTER.search(line) if "Sysenter" in line else None
        if not match or self.side == "control":
            return False
        self.put(f"{self.side}_ia32_sysenter_esp", match[1], number, line)
        self.put(f"{self.side}_ia32_sysenter_cs", match[2].rjust(8, "0"), number, line)
        self.put(f"{self.side}_ia32_sysenter_eip", match[3], number, line)
        return True

    def segments(self, number: int, line: str) -> bool:
        """Segment and descriptor-table registers; the host's selectors."""
        match = LINUX_SEGMENT.search(line) if "limit=" in line else None
        if match:
            return self.segment(match[1], match.groups()[1:], number, line)
        if "=" in line:
            return self.host_selectors(number, line)
        match = XEN_SEGMENT.search(line)
        if match:
            return self.segment(match[1], match.groups()[1:], number, line)
        match = XEN_TABLE.search(line)
        if match:
            return self.segment(match[1], (None, None, match[2], match[3]), number, line)
        return False

    def host_selectors(self, number: int, line: str) -> bool:
        """CS=0010 and so on, on the host's side."""
        if self.side != "host":
            return False
        found = HOST_SELECTORS.findall(line)
        for name, value in found:
            self.put(f"host_{name.lower()}_selector", value, number, line)
        return bool(found)

    def segment(self, name: str, parts, number: int, line: str) -> bool:
        """One guest segment: selector, access rights, limit, base."""
        low = name.lower()
        selector, rights, limit, base = parts
        if selector is not None and low not in ("gdtr", "idtr"):
            self.put(f"guest_{low}_selector", selector, number, line)
            self.put(f"guest_{low}_access_rights", rights.rjust(8, "0") if len(rights) >= 5 else rights,
                     number, line)
        self.put(f"guest_{low}_limit", limit, number, line)
        self.put(f"guest_{low}_base", base, number, line)
        return True

    def events(self, number: int, line: str) -> bool:
        """Interruption information of entry, exit and IDT vectoring."""
        if "errcode" not in line:
            return False
        match = EVENT.search(line)
        if match:
            side = "entry" if match[1] == "VMEntry" else "exit"
            error = "entry_exception_error_code" if side == "entry" else "exit_interruption_error_code"
            self.put(f"{side}_interruption_information", match[2], number, line)
            self.put(error, match[3], number, line)
            self.put(f"{side}_instruction_length", match[4], number, line)
            return True
        match = VECTORING.search(line)
        if match:
            self.put("idt_vectoring_information", match[1], number, line)
            self.put("idt_vectoring_error_code", match[2], number, line)
        return bool(match)

    def msrs(self, number: int, line: str) -> bool:
        """Linux' MSR areas."""
        if "auto" not in line and "msr=" not in line:
            return False
        match = MSR_LIST.search(line)
        if match:
            which = {"guestload": "entry_msr_load", "gueststore": "exit_msr_store",
                     "hostload": "exit_msr_load"}.get(match[1] + match[2])
            self.area = self.dump.msr_areas.setdefault(which, {}) if which else None
            return which is not None
        match = MSR_ENTRY.search(line)
        if not match or self.area is None:
            return False
        self.area[int(match[1])] = (int(match[2], 16), int(match[3], 16))
        return True

    def pairs(self, number: int, line: str) -> bool:
        """Everything of the form NAME = value."""
        known = False
        if "=" not in line:
            return False
        match = SVI_RVI.search(line) if "SVI" in line else None
        if match:
            self.put("guest_interrupt_status", match[1] + match[2], number, line)
            known = True
        for index, value in CR3_TARGET.findall(line) if "target" in line else ():
            self.put(f"cr3_target_value{index}", value, number, line)
            known = True
        if "RIP =" in line and "RSP =" not in line:
            self.owner.log.reject(number, line, "RIP without RSP: guest or host? cut short")
            return False
        for name, origin, value, note in PAIR.findall(line):
            self.pair(LINUX_XEN[name].format(side="host" if self.side == "host" else "guest"),
                      origin, value, note, number, line)
            known = True
        return known

    def pair(self, name: str, origin: str, value: str, note: str, number: int, line: str) -> None:
        """One of them: the VMCS field itself, or what stands in for it."""
        if note in ("effective", "autoload") or origin and origin != "(VMCS)":
            self.dump.effective[name] = int(value, 16)
            return
        self.put(name, value, number, line)
        if note and NOTE.fullmatch(note):
            self.dump.effective[name] = int(note, 16)
