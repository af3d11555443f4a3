# SPDX-License-Identifier: BSD-2-Clause
"""What a value means, in the SDM's words: every field as a list of parts (label, bits, meaning).

The bits come from xmhf/x86: control bits from vmx_controls.def, the others from the masks of
vmx.h, cpu.h and msr.h.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from . import instruction, qualification
from .caps import DEFAULT1
from .tables import msr_name, reason_name, sdm_words, tables

CONTROL_WORDS = {
    "pin_based_controls": "PIN", "processor_based_controls": "PROC1",
    "secondary_processor_based_controls": "PROC2", "tertiary_processor_based_controls": "PROC3",
    "exit_controls": "EXIT", "secondary_exit_controls": "EXIT2", "entry_controls": "ENTRY",
    "vm_function_controls": "VMFUNC",
}
# Fields whose layout is the set of header masks with this prefix.
PREFIXES = (
    (r"(guest|host)_cr0|cr0_(read_shadow|guest_host_mask)", "CR0_"),
    (r"(guest|host)_cr4|cr4_(read_shadow|guest_host_mask)", "CR4_"),
    (r"(guest|host)_ia32_efer", "EFER_"), (r"guest_rflags", "RFLAGS_"), (r"guest_dr7", "DR7_"),
    (r"guest_ia32_debugctl", "DEBUGCTL_"), (r"guest_\w+_access_rights", "ACCESS_RIGHTS_"),
    (r"(entry|exit)_interruption_information|idt_vectoring_information", "INTR_INFO_"),
    (r"guest_pending_debug_exceptions", "PENDING_DEBUG_"), (r"eptp", "EPTP_"),
    (r"exit_reason", "EXIT_REASON_"), (r"guest_interruptibility_state", ("BLOCKING_", "ENCLAVE_")),
)
# Labels where the macro's name is not the SDM's word.
LABELS = {
    "INTR_INFO_ERROR_CODE": "error code valid", "INTR_INFO_NMI_UNBLOCKED": "NMI unblocking due to IRET",
    "INTR_INFO_TYPE": "interruption type", "EXIT_REASON_BASIC": "basic reason",
    "EXIT_REASON_ENTRY_FAILURE": "VM-entry failure", "EPTP_MEMORY_TYPE": "memory type",
    "EPTP_WALK_LENGTH": "page-walk length", "EPTP_AD": "accessed and dirty flags",
    "EPTP_SHADOW_STACK": "supervisor shadow stack", "ACCESS_RIGHTS_DB": "D/B",
    "ACCESS_RIGHTS_UNUSABLE": "unusable", "ACCESS_RIGHTS_TYPE": "type",
    "BLOCKING_BY_MOV_SS": "blocking by MOV SS", "BLOCKING_BY_STI": "blocking by STI",
    "ENCLAVE_INTERRUPTION": "enclave interruption", "PENDING_DEBUG_B0_B3": "B3-B0",
    "PENDING_DEBUG_ENABLED": "enabled breakpoint", "PENDING_DEBUG_BUS_LOCK": "bus lock (inverted)",
}
DATA_TYPES = ("read-only", "read/write", "read-only, expand-down", "read/write, expand-down")
CODE_TYPES = ("execute-only", "execute/read", "execute-only, conforming", "execute/read, conforming")
SYSTEM_TYPES = {1: "available 16-bit TSS", 2: "LDT", 3: "busy 16-bit TSS", 4: "16-bit call gate",
                5: "task gate", 6: "16-bit interrupt gate", 7: "16-bit trap gate",
                9: "available TSS", 11: "busy TSS", 12: "call gate", 14: "interrupt gate",
                15: "trap gate"}
SELECTOR = (("index", 0xFFF8), ("TI", 4), ("RPL", 3))
SELECTOR_ERROR = (("EXT", 1), ("IDT", 2), ("TI", 4), ("selector index", 0xFFF8))


@dataclass(frozen=True)
class Part:
    """Some bits of a value: what they are called, what they hold, what that means."""

    label: str
    mask: int
    value: int
    meaning: str = ""

    @property
    def is_bit(self) -> bool:
        """A single bit."""
        return self.mask & self.mask - 1 == 0

    def text(self) -> str:
        """The part for people."""
        if self.is_bit and not self.meaning:
            return self.label
        if self.label == "type" and self.meaning:
            return f"{self.meaning} (type {self.value})"
        value = self.meaning or (f"{self.value}" if self.value < 10 else f"0x{self.value:x}")
        return f"{self.label} {value}"


def extract(value: int, mask: int) -> int:
    """The bits of @mask, moved down to bit 0."""
    return (value & mask) // (mask & -mask) if mask else 0


@lru_cache(maxsize=None)
def layout(name: str) -> tuple:
    """((label, mask, macro), ...) of a field, in the order of the bits; empty when it has none."""
    word = CONTROL_WORDS.get(name)
    if word:
        bits = tables().controls + tables().capabilities
        return tuple((control.sdm, 1 << control.bit, control.enumerator)
                     for control in bits if control.word == word)
    if name == "exception_bitmap":
        return tuple((vector_name(number), 1 << number, "")
                     for number in sorted(tables().enums["exception_vector"]))
    if name.endswith("_selector"):
        return tuple((label, mask, "") for label, mask in SELECTOR)
    for pattern, prefix in PREFIXES:
        if re.fullmatch(pattern, name):
            found = [(macro_label(macro), mask, macro) for macro, mask in tables().masks.items()
                     if macro.startswith(prefix) and macro != "RFLAGS_RESERVED"]
            return tuple(sorted(found, key=lambda row: row[1] & -row[1]))
    return ()


def macro_label(macro: str) -> str:
    """How people call the bits of a macro."""
    if macro in LABELS:
        return LABELS[macro]
    short = re.sub(r"^(CR0|CR4|EFER|RFLAGS|DR7|DEBUGCTL|ACCESS_RIGHTS|PENDING_DEBUG|INTR_INFO|EPTP)_",
                   "", macro)
    if macro.startswith(("CR", "EFER", "RFLAGS", "DR7", "DEBUGCTL", "ACCESS", "PENDING")):
        return "fixed 1" if short == "FIXED_1" else short
    return sdm_words(short)


def vector_name(vector: int) -> str:
    """#GP for 13, NMI for 2, a number for the rest."""
    word = tables().enums["exception_vector"].get(vector)
    if word is None:
        return f"vector {vector}"
    short = word.removeprefix("VECTOR_")
    return short if short == "NMI" else f"#{short}"


def event_text(information: int) -> str:
    """The event of an interruption information as a few letters: #PF, NMI, interrupt 0x30; empty for none."""
    masks = tables().masks
    if not information & masks["INTR_INFO_VALID"]:
        return ""
    vector = information & masks["INTR_INFO_VECTOR"]
    kind = tables().enums["interruption_type"].get(extract(information, masks["INTR_INFO_TYPE"]), "")
    if kind == "INTR_TYPE_EXTERNAL":
        return f"interrupt 0x{vector:02x}"
    if kind == "INTR_TYPE_SOFTWARE_INTERRUPT":
        return f"INT 0x{vector:02x}"
    return vector_name(vector)


def enumerator_words(enum: str, value: int, prefix: str) -> str:
    """An enumerator's name for a value, as words."""
    word = tables().enums[enum].get(value)
    if word and enum == "memory_type":
        return word.removeprefix(prefix).replace("_MINUS", "-")
    return sdm_words(word.removeprefix(prefix)) if word else "reserved"


def segment_type(value: int) -> str:
    """The type and S of access rights, in words."""
    kind = value & 0xF
    if not value & tables().masks["ACCESS_RIGHTS_S"]:
        return SYSTEM_TYPES.get(kind, "reserved system type")
    words = (CODE_TYPES if kind & 8 else DATA_TYPES)[kind >> 1 & 3]
    return ("code " if kind & 8 else "data ") + words + (", accessed" if kind & 1 else "")


def meaning_of(name: str, macro: str, part: int, value: int) -> str:
    """What a part that is a number stands for."""
    if macro == "ACCESS_RIGHTS_TYPE":
        return segment_type(value)
    if macro == "INTR_INFO_TYPE":
        return enumerator_words("interruption_type", part, "INTR_TYPE_")
    if macro == "INTR_INFO_VECTOR":
        kind = extract(value, tables().masks["INTR_INFO_TYPE"])
        return f"{part} {vector_name(part)}" if kind in (2, 3, 5, 6) and part < 32 else f"{part}"
    if macro == "EXIT_REASON_BASIC":
        return f"{part} {reason_name(part)}"
    if macro == "EPTP_MEMORY_TYPE":
        return enumerator_words("memory_type", part, "MEMORY_TYPE_")
    if macro == "EPTP_WALK_LENGTH":
        return str(part + 1)
    if macro == "EPTP_ADDRESS":
        return f"0x{part << 12:x}"
    if name.endswith("_selector") and part > 9:
        return f"0x{part:x}"
    return ""


def other_bits(value: int, known: int, prefix: str = "bit") -> list:
    """Bits that no table names."""
    return [Part(f"{prefix} {bit}", 1 << bit, value >> bit & 1) for bit in range(64)
            if (1 << bit) & ~known & (value | 0)]


def parts(name: str, value: int, dump=None) -> list:
    """All parts of a field's value; bits nobody defines only where they are 1."""
    if name == "exit_qualification":
        return qualification_parts(value, dump)
    if name == "exit_instruction_information":
        return table_parts(instruction.layout(dump, value), value)
    if name in ("guest_ia32_pat", "host_ia32_pat"):
        return [Part(f"PA{n}", 0xFF << 8 * n, value >> 8 * n & 0xFF,
                     enumerator_words("memory_type", value >> 8 * n & 0xFF, "MEMORY_TYPE_"))
                for n in range(8)]
    if name in ("entry_exception_error_code", "exit_interruption_error_code", "idt_vectoring_error_code"):
        return error_code_parts(name, value, dump)
    rows = layout(name)
    found = []
    known = 0
    for label, mask, macro in rows:
        part = extract(value, mask)
        found.append(Part(label, mask, part, "" if mask & mask - 1 == 0
                          else meaning_of(name, macro, part, value)))
        known |= mask
    if rows:
        found += other_bits(value, known)
    return found


def qualification_parts(value: int, dump) -> list:
    """The exit qualification, by the exit reason of the same dump."""
    reason = dump.get("exit_reason") if dump else None
    if reason is None:
        return []
    rows = qualification.layout(reason & 0xFFFF, dump)
    known = sum((1 << high + 1) - (1 << low) for _, high, low, _ in rows)
    found = table_parts([row for row in rows if not row[0].startswith("LMSW") or qualification.is_lmsw(value)], value)
    return found + (other_bits(value, known) if found else [])


def table_parts(rows, value: int) -> list:
    """The parts of a layout of rows (label, high bit, low bit, names of the values)."""
    found = []
    for label, high, low, names in rows:
        mask = (1 << high + 1) - (1 << low)
        part = extract(value, mask)
        meaning = names(part) if callable(names) else names.get(part, "") if names else ""
        found.append(Part(label, mask, part, meaning))
    return found


def error_code_parts(name: str, value: int, dump) -> list:
    """An error code, by the vector of the event it belongs to."""
    owner = {"entry_exception_error_code": "entry_interruption_information",
             "exit_interruption_error_code": "exit_interruption_information",
             "idt_vectoring_error_code": "idt_vectoring_information"}[name]
    information = dump.get(owner) if dump else None
    masks = tables().masks
    if information is None or not information & masks["INTR_INFO_VALID"] \
            or not information & masks["INTR_INFO_ERROR_CODE"]:
        return []
    if information & 0xFF == 14:
        return [Part(sdm_words(macro.removeprefix("PF_ERROR_")), mask, extract(value, mask))
                for macro, mask in masks.items() if macro.startswith("PF_ERROR_")]
    return [Part(label, mask, extract(value, mask)) for label, mask in SELECTOR_ERROR]


def describe(name: str, value: int, dump=None) -> str:
    """One line: what the value means; empty when it is only a number."""
    special = special_text(name, value, dump)
    if special is not None:
        return special
    found = parts(name, value, dump)
    unnamed = [part for part in found if re.fullmatch(r"bit \d+", part.label)]
    named = [part.text() for part in found
             if part not in unnamed and (part.value or not part.is_bit and part.meaning or part.label == "DPL")]
    bits = {part.mask.bit_length() - 1 for part in unnamed}
    if name in CONTROL_WORDS:
        named += reserved_text(name, value, bits)
    elif bits:
        named.append(f"bits {ranges(sorted(bits))}")
    return ", ".join(named)


def reserved_text(name: str, value: int, bits: set) -> list:
    """Reserved bits of a control word that are not as every processor wants them."""
    named = sum(mask for _, mask, _ in layout(name))
    default1 = DEFAULT1.get(CONTROL_WORDS[name].lower(), 0) & ~named
    expected = {bit for bit in range(32) if default1 >> bit & 1}
    words = []
    if bits - expected:
        words.append(f"reserved {ranges(sorted(bits - expected))}")
    if value and expected - bits:
        words.append(f"reserved {ranges(sorted(expected - bits))} of default1 not set")
    return words


def ranges(numbers: list) -> str:
    """[1, 4, 5, 6] -> 1 4-6"""
    words = []
    for number in numbers:
        if words and words[-1][1] == number - 1:
            words[-1][1] = number
        else:
            words.append([number, number])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in words)


def special_text(name: str, value: int, dump):
    """Values with a meaning as a whole; None for the others."""
    masks = tables().masks
    if name.endswith("_access_rights") and value & masks["ACCESS_RIGHTS_UNUSABLE"]:
        return "unusable"
    if name.endswith(("interruption_information", "vectoring_information")) \
            and not value & masks["INTR_INFO_VALID"]:
        return "not valid" if value else "none"
    if name == "exit_reason":
        basic = extract(value, masks["EXIT_REASON_BASIC"])
        return f"{basic} {reason_name(basic)}" + (
            ", VM-entry failure" if value & masks["EXIT_REASON_ENTRY_FAILURE"] else "")
    if name == "vmcs_link_pointer" and value == (1 << 64) - 1:
        return "none"
    if name == "guest_activity_state":
        return enumerator_words("activity_state", value, "ACTIVITY_")
    if name == "vm_instruction_error":
        return tables().errors.get(value, "reserved") if value else ""
    if name.endswith("_selector") and value == 0:
        return "null"
    if name == "exit_instruction_information" and dump:
        return operand_text(value, dump)
    if name == "exit_qualification" and dump and dump.get("exit_reason") is not None:
        reason = dump.get("exit_reason") & 0xFFFF
        if instruction.has_displacement(reason):
            return f"displacement {instruction.signed(value)}"
        return qualification.whole(reason, value, dump)
    return None


def operand_text(value: int, dump):
    """The operands of the instruction that exited, as a person writes them; None when only parts tell."""
    operand = instruction.operand(dump, value)
    if not operand:
        return None
    sizes = [f"{part.meaning} {part.label.removesuffix(' size')}" for part in parts("exit_instruction_information", value, dump)
             if part.label.endswith(" size") and part.meaning]
    return ", ".join([operand, *sizes])


def msr_text(index: int, value: int) -> str:
    """An MSR of an area: its name, and the bits of those known."""
    name = msr_name(index)
    field = {"IA32_EFER": "guest_ia32_efer", "IA32_PAT": "guest_ia32_pat",
             "IA32_DEBUGCTL": "guest_ia32_debugctl"}.get(name)
    meaning = describe(field, value) if field else ""
    return f"{name} = 0x{value:016x}" + (f"  {meaning}" if meaning else "")
