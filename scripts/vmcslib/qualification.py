# SPDX-License-Identifier: BSD-2-Clause
"""Exit qualifications, one layout for each exit reason.

SDM "Exit Qualification for Debug Exceptions", "... for Task Switches", "... for Control-Register
Accesses", "... for MOV DR", "... for I/O Instructions", "... for APIC-Access VM Exits",
"... for EPT Violations", and "VM-Entry Failures During or After Loading Guest State".
"""

from .tables import msr_name, sdm_words, tables

REGISTERS = dict(enumerate(("RAX RCX RDX RBX RSP RBP RSI RDI " +
                            " ".join(f"R{n}" for n in range(8, 16))).split()))
HEX = "0x{:x}".format

# (label, high bit, low bit, names of the values)
LAYOUTS = {
    "CR_ACCESS": (
        ("control register", 3, 0, {n: f"CR{n}" for n in (0, 3, 4, 8)}),
        ("access", 5, 4, {0: "MOV to CR", 1: "MOV from CR", 2: "CLTS", 3: "LMSW"}),
        ("LMSW operand is memory", 6, 6, None),
        ("register", 11, 8, REGISTERS),
        ("LMSW source", 31, 16, HEX)),
    "DR_ACCESS": (
        ("debug register", 2, 0, {n: f"DR{n}" for n in range(8)}),
        ("MOV from DR", 4, 4, None),
        ("register", 11, 8, REGISTERS)),
    "IO_INSTRUCTION": (
        ("size", 2, 0, {0: "1 byte", 1: "2 bytes", 3: "4 bytes"}),
        ("IN", 3, 3, None), ("string", 4, 4, None), ("REP", 5, 5, None),
        ("immediate operand", 6, 6, None),
        ("port", 31, 16, HEX)),
    "TASK_SWITCH": (
        ("TSS selector", 15, 0, HEX),
        ("source", 31, 30, {0: "CALL", 1: "IRET", 2: "JMP", 3: "task gate in the IDT"})),
    "APIC_ACCESS": (
        ("offset", 11, 0, HEX),
        ("access", 15, 12, {0: "linear, data read", 1: "linear, data write", 2: "linear, fetch",
                            3: "linear, event delivery", 4: "linear, monitoring",
                            10: "guest-physical, event delivery", 11: "guest-physical, monitoring",
                            15: "guest-physical, fetch or data"}),
        ("asynchronous", 16, 16, None)),
    "SIPI": (("vector", 7, 0, HEX),),
    "VIRTUALIZED_EOI": (("vector", 7, 0, HEX),),
    "APIC_WRITE": (("page offset", 11, 0, HEX),),
    "MWAIT": (("monitoring armed", 0, 0, None),),
    "INVLPG": (("linear address", 63, 0, HEX),),
}
DEBUG_EXCEPTION = (("B0", 0, 0, None), ("B1", 1, 1, None), ("B2", 2, 2, None), ("B3", 3, 3, None),
                   ("BLD", 11, 11, None), ("BD", 13, 13, None), ("BS", 14, 14, None),
                   ("RTM", 16, 16, None))
EPT_LABELS = {
    "ENTRY_RWX": "permissions of the entries", "LINEAR_VALID": "linear address valid",
    "FINAL": "access to the page itself", "ENTRY_USER_X": "user-executable",
    "NMI_UNBLOCKED": "NMI unblocking due to IRET", "FETCH": "instruction fetch",
}
RWX = {n: "".join(letter if n >> bit & 1 else "-" for bit, letter in enumerate("RWX"))
       for n in range(8)}


def layout(reason: int, dump=None) -> tuple:
    """The parts of the qualification of one exit reason; empty when it has no layout."""
    numbers = tables().exit_enumerators
    for name, rows in LAYOUTS.items():
        if numbers.get(name) == reason:
            return rows
    if reason == numbers["EPT_VIOLATION"]:
        return ept_violation()
    if reason == numbers["EXCEPTION_OR_NMI"] and dump is not None:
        information = dump.get("exit_interruption_information")
        if information is not None and information & 0xFF == 1:
            return DEBUG_EXCEPTION
    return ()


def is_lmsw(value: int) -> bool:
    """Whether a control-register access was LMSW: only then are its parts defined."""
    return value >> 4 & 3 == 3


def ept_violation() -> tuple:
    """From the masks of vmx.h."""
    rows = []
    for macro, mask in tables().masks.items():
        if macro.startswith("EPT_VIOLATION_"):
            short = macro.removeprefix("EPT_VIOLATION_")
            low = (mask & -mask).bit_length() - 1
            rows.append((EPT_LABELS.get(short, sdm_words(short)), mask.bit_length() - 1, low,
                         RWX if short == "ENTRY_RWX" else None))
    return tuple(rows)


def whole(reason: int, value: int, dump):
    """Qualifications that are one number; None for those made of parts."""
    numbers = tables().exit_enumerators
    if reason == numbers["ENTRY_FAILURE_GUEST"]:
        word = tables().enums["entry_failure_qualification"].get(value)
        return sdm_words(word.removeprefix("ENTRY_FAILURE_")) if word else "reserved"
    if reason == numbers["ENTRY_FAILURE_MSR"]:
        return failed_msr(value, dump)
    if reason == numbers["EXCEPTION_OR_NMI"]:
        information = dump.get("exit_interruption_information")
        if information is not None and information & 0xFF == 14:
            return f"linear address 0x{value:x}"
    return None if layout(reason, dump) else ""


def failed_msr(value: int, dump) -> str:
    """Which entry of the VM-entry MSR-load area failed; the SDM counts from 1."""
    entry = dump.msr_areas.get("entry_msr_load", {}).get(value - 1)
    name = f": {msr_name(entry[0])} = 0x{entry[1]:016x}" if entry else ""
    return f"entry number {value} of the VM-entry MSR-load area{name}"
