# SPDX-License-Identifier: BSD-2-Clause
"""Exit traces of Linux (kvm_exit) and Bochs, and capability MSRs as anybody prints them."""

import re

from .dump import Log
from .names import reason_of_name
from .tables import tables

KVM = re.compile(r"(?:(\d{1,9})\.(\d{3,9}): )?\b(kvm_exit|kvm_entry|kvm_nested_vmexit_inject|"
                 r"kvm_nested_vmexit|kvm_nested_vmenter_failed):\s*(.*)$")
KVM_EXIT = re.compile(r"(?:vcpu (\d{1,5}) )?reason (\S+) rip (0x[0-9a-fA-F]{1,16})"
                      r"(?: info1? (?:0x)?([0-9a-fA-F]{1,16}))?(?: info2)?(?: (?:0x)?([0-9a-fA-F]{1,16}))?"
                      r"(?: intr_info (0x[0-9a-fA-F]{1,8}))?")
KVM_ENTRY = re.compile(r"vcpu (\d{1,5})")
BOCHS = re.compile(r"^(\d{5,20})[deip]\[CPU(\d{1,4})\s*\] (VMEXIT|VMENTER|VMFAIL)(.*)$")
BOCHS_EXIT = re.compile(r" reason = (\d{1,5}) \(.*?\) qualification=(0x[0-9a-fA-F]{1,16})")
CAPABILITY = re.compile(r"\b(?:MSR_)?(IA32_(?:VMX_|FEATURE_CONTROL)\w*)\s*[=:]\s*(?:0x)?([0-9a-fA-F]{1,16})\b")
SPELLED = {"IA32_VMX_TRUE_PROC_CTLS": "IA32_VMX_TRUE_PROCBASED_CTLS"}
MAX_FAILURES = 10_000


class TraceLines:
    """Parses them."""

    def __init__(self, log: Log):
        self.log = log
        self.running = {}
        self.names = frozenset(tables().msrs.values())

    def kvm(self, number: int, line: str) -> bool:
        """A trace event of Linux."""
        match = KVM.search(line)
        if not match:
            return False
        seconds, fraction, event, rest = match.groups()
        time = float(f"{seconds}.{fraction}") if seconds else -1.0
        if event == "kvm_nested_vmenter_failed":
            self.failure(number, rest.strip())
        elif event in ("kvm_nested_vmexit", "kvm_nested_vmexit_inject"):
            self.nested(event.endswith("inject"))
        elif event == "kvm_entry":
            vcpu = KVM_ENTRY.search(rest)
            self.entered(int(vcpu[1]) if vcpu else 0, time, 1e9)
        else:
            return self.kvm_exit(number, line, rest, time)
        return True

    def kvm_exit(self, number: int, line: str, rest: str, time: float) -> bool:
        """kvm_exit: L1's view of its own guest."""
        match = KVM_EXIT.search(rest)
        reason = reason_of_name(match[2]) if match else None
        if reason is None:
            self.log.reject(number, line, "kvm_exit with an unknown reason or form")
            return False
        vcpu = int(match[1] or 0)
        self.log.exits.add(number, "exit", vcpu, reason, int(match[3], 16),
                           int(match[4] or "0", 16), time=time, event=int(match[6] or "0", 16))
        self.running[vcpu] = len(self.log.exits) - 1
        self.log.header["unit"] = "ns"
        return True

    def nested(self, reflected: bool) -> None:
        """The last exit came from L2."""
        if len(self.log.exits):
            self.log.exits.kind[-1] = 2 if reflected else 3

    def entered(self, cpu: int, time: float, scale: float) -> None:
        """The guest runs again: the time since its exit was spent on it."""
        index = self.running.pop(cpu, None)
        exits = self.log.exits
        if index is not None and time >= 0 and exits.time[index] >= 0:
            exits.ticks[index] = max(0, round((time - exits.time[index]) * scale))

    def failure(self, number: int, text: str) -> None:
        """A failed VM entry that the log explains."""
        found = self.log.header.setdefault("failures", [])
        if len(found) < MAX_FAILURES:
            found.append((number, text))

    def bochs(self, number: int, line: str) -> bool:
        """A line of Bochs' log."""
        match = BOCHS.match(line)
        if not match:
            return False
        tick, cpu, word, rest = int(match[1]), int(match[2]), match[3], match[4]
        if word == "VMFAIL" or rest.startswith(" FAIL"):
            self.failure(number, (word + rest).strip())
            return True
        if word == "VMENTER":
            self.entered(cpu, float(tick), 1.0)
            return True
        detail = BOCHS_EXIT.match(rest)
        if not detail and rest.startswith((":", " to ")):
            return True    # what comes before and after the line that counts
        if not detail:
            self.log.reject(number, line, "VMEXIT of an unknown form")
            return False
        self.log.exits.add(number, "exit", cpu, int(detail[1]), 0, int(detail[2], 16),
                           time=float(tick))
        self.running[cpu] = len(self.log.exits) - 1
        return True

    def capabilities(self, number: int, line: str) -> bool:
        """Capability MSRs by name, as VirtualBox and our own headers have them."""
        found = False
        for name, value in CAPABILITY.findall(line):
            name = SPELLED.get(name, name)
            if name in self.names:
                self.log.capabilities[name] = int(value, 16)
                found = True
        return found
