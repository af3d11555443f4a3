# SPDX-License-Identifier: BSD-2-Clause
"""The project's own tables (xmhf/x86/*.def and the masks of its headers) as Python data.

Nothing about a field, control bit, exit reason, error number or MSR is written down a second
time here: a row added to a .def file is known to every tool at its next run.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from .errors import VmcsError

ROOT = Path(__file__).resolve().parent.parent.parent
X86 = ROOT / "xmhf" / "x86"

# Digits of a value in a dump, by width (natural width is 64 bits).
DIGITS = {"16": 4, "32": 8, "64": 16, "NW": 16}
TYPES = ("control", "read-only", "guest", "host")
GROUPS = ("Guest register state", "Guest non-register state", "Host state",
          "VM-execution controls", "VM-exit controls", "VM-entry controls",
          "VM-exit information")
NON_REGISTER = re.compile(r"guest_(activity_state|interruptibility_state|interrupt_status|"
                          r"pending_debug_exceptions|pdpte\d|uinv)$|"
                          r"(vmcs_link_pointer|preemption_timer_value|pml_index)$")

# Spelling of the SDM where an enumerator cannot have it.
ACRONYMS = frozenset("""EPT VPID MSR TSC NMI HLT INVLPG MWAIT RDPMC RDTSC CR3 CR8 TPR APIC PAUSE
    MONITOR RDTSCP WBINVD RDRAND INVPCID VM VMCS ENCLS ENCLV RDSEED PML VMX PT XSAVES XRSTORS
    PASID PCONFIG VMM LOADIWKEY HLAT IPI UINV CET PKRS SMM DR SMI SIPI INIT EPTP VMFUNC INVEPT
    INVVPID INS OUTS LMA UC WB AD SMBASE""".split())
SPELLINGS = {
    "IA32E": "IA-32e", "IO": "I/O", "NMIS": "NMIs", "MSRS": "MSRs", "X2APIC": "x2APIC",
    "VE": "#VE", "2M": "2-MByte pages", "1G": "1-GByte pages", "32BIT": "32-bit",
}
SENTENCES = {
    "activate preemption timer": "activate VMX-preemption timer",
    "save preemption timer": "save VMX-preemption timer value",
    "mov DR exiting": "MOV-DR exiting",
    "MONITOR trap flag": "monitor trap flag",
    "deactivate dual MONITOR": "deactivate dual-monitor treatment",
    "enable XSAVES XRSTORS": "enable XSAVES/XRSTORS",
    "PT uses guest-physical addresses": "Intel PT uses guest physical addresses",
    "acknowledge interrupt": "acknowledge interrupt on exit",
    "enable user wait and PAUSE": "enable user wait and pause",
    "mode-based execute control": "mode-based execute control for EPT",
    "sub-page write permissions": "sub-page write permissions for EPT",
}
HYPHENS = tuple((good.replace("-", " "), good) for good in (
    "CR3-load ", "CR3-store ", "CR8-load ", "CR8-store ", "NMI-window ", "interrupt-window ",
    "external-interrupt ", "address-space ", "mode-based ", "dual-monitor", "virtual-interrupt ",
    "descriptor-table ", "PAUSE-loop ", "APIC-register ", "EPT-violation ", "MSR-list ",
    "bus-lock ", "paging-write ", "guest-paging ", "sub-page ", "guest-physical ",
    "busy-shadow", "EPTP-switching", "single-context", "execute-only", "VMX-preemption "))


# Capabilities that the SDM describes by a phrase and not by a name.
PHRASES = {
    "EPT_WALK_4": "EPT page-walk length 4", "EPT_WALK_5": "EPT page-walk length 5",
    "EPT_UC": "EPT memory type UC", "EPT_WB": "EPT memory type WB", "EPT_2M": "EPT 2-MByte pages",
    "EPT_1G": "EPT 1-GByte pages", "EPT_EXECUTE_ONLY": "execute-only translations",
    "EPT_AD": "accessed and dirty flags for EPT", "EPT_INVEPT_SINGLE": "single-context INVEPT",
    "EPT_INVEPT_ALL": "all-context INVEPT", "EPT_INVVPID_ADDRESS": "individual-address INVVPID",
    "EPT_INVVPID_SINGLE": "single-context INVVPID", "EPT_INVVPID_ALL": "all-context INVVPID",
    "EPT_INVVPID_SINGLE_NONGLOBAL": "single-context-retaining-globals INVVPID",
    "EPT_ADVANCED_EXIT_INFO": "advanced VM-exit information for EPT violations",
    "EPT_SHADOW_STACK": "supervisor shadow-stack control", "VMFUNC_EPTP_SWITCHING": "EPTP switching",
    "BASIC_DUAL_MONITOR": "dual-monitor treatment of SMIs and SMM",
    "BASIC_INS_OUTS": "instruction information for INS and OUTS",
    "BASIC_TRUE_CONTROLS": "default1 controls may be 0 (TRUE MSRs)",
    "BASIC_ANY_ERROR_CODE": "hardware exceptions with or without an error code",
    "MISC_STORE_LMA": "VM exits store IA32_EFER.LMA", "MISC_ACTIVITY_HLT": "activity state HLT",
    "MISC_ACTIVITY_SHUTDOWN": "activity state shutdown", "MISC_PT_IN_VMX": "Intel PT in VMX operation",
    "MISC_ACTIVITY_SIPI": "activity state wait-for-SIPI", "MISC_SMBASE_READ": "RDMSR of IA32_SMBASE in SMM",
    "MISC_SMM_MONITOR_CTL": "bit 2 of IA32_SMM_MONITOR_CTL", "MISC_VMWRITE_ANY": "VMWRITE to any field",
    "MISC_INJECT_LENGTH_ZERO": "injection with instruction length 0",
}


@dataclass(frozen=True)
class Field:
    """One VMCS field, as vmcs_fields.def has it."""

    name: str
    encoding: int
    width: str
    exists_if: str
    index: int

    @cached_property
    def digits(self) -> int:
        """Hexadecimal digits of its value in a dump."""
        return DIGITS[self.width]

    @cached_property
    def mask(self) -> int:
        """All ones of its width."""
        return (1 << 4 * self.digits) - 1

    @property
    def type(self) -> str:
        """control, read-only, guest or host: bits 11:10 of the encoding."""
        return TYPES[self.encoding >> 10 & 3]

    @property
    def group(self) -> str:
        """The SDM's heading for it: one of GROUPS."""
        if self.type == "guest":
            return GROUPS[1] if NON_REGISTER.match(self.name) else GROUPS[0]
        if self.type == "host":
            return "Host state"
        if self.type == "read-only":
            return "VM-exit information"
        if self.name.startswith("exit_") or self.name == "secondary_exit_controls":
            return "VM-exit controls"
        return "VM-entry controls" if self.name.startswith("entry_") else "VM-execution controls"

    def text(self, value: int) -> str:
        """@value as a dump prints it."""
        return f"0x{value:0{self.digits}x}"


@dataclass(frozen=True)
class Control:
    """One control bit, as vmx_controls.def has it."""

    word: str
    bit: int
    name: str

    @property
    def sdm(self) -> str:
        """Its name in the SDM's spelling."""
        return PHRASES.get(self.enumerator) or sdm_words(self.name)

    @property
    def enumerator(self) -> str:
        """Its name in C and on the hypervisor's command line."""
        return f"{self.word}_{self.name}"


@dataclass(frozen=True)
class Tables:
    """All of them."""

    fields: tuple
    by_name: dict
    by_encoding: dict
    controls: tuple
    capabilities: tuple
    exit_reasons: dict
    exit_enumerators: dict
    errors: dict
    msrs: dict
    masks: dict
    enums: dict

    def word(self, name: str) -> tuple:
        """The bits of one control word (PIN, PROC1, ...)."""
        return tuple(control for control in self.controls if control.word == name)


def sdm_words(enumerator: str) -> str:
    """LOAD_IA32_EFER -> load IA32_EFER; ENABLE_EPT -> enable EPT."""
    head, ia32, msr = enumerator.partition("IA32_")
    words = [spell(word) for word in head.split("_") if word]
    if ia32:
        words.append(f"IA32_{msr}")
    text = " ".join(words)
    for plain, good in HYPHENS:
        text = text.replace(plain, good)
    return SENTENCES.get(text, text)


def spell(word: str) -> str:
    """One word of an enumerator in the SDM's spelling."""
    if word in SPELLINGS:
        return SPELLINGS[word]
    return word if word in ACRONYMS else word.lower()


def read(path: Path) -> str:
    """A table's text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise VmcsError(f"cannot read the project's table {path}: {error.strerror}") from error


def rows(path: Path, macro: str) -> list[list[str]]:
    """The arguments of every @macro(...) of a .def file; the last one may hold commas."""
    count = {"VMCS_FIELD": 4, "MSR": 2}.get(macro, 3)
    pattern = re.compile(rf"^{macro}\((.*)\)\s*$", re.MULTILINE)
    found = [[word.strip() for word in match[1].split(",", count - 1)]
             for match in pattern.finditer(read(path))]
    if not found or any(len(row) != count for row in found):
        raise VmcsError(f"{path}: no or malformed {macro}() rows")
    return found


def header_masks(text: str) -> dict:
    """#define NAME BIT(n), BIT32(n) or FIELD(high, low) as masks."""
    masks = {}
    pattern = r"^#define (\w+)\s+(BIT|BIT32|FIELD)\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)"
    for name, kind, high, low in re.findall(pattern, text, re.MULTILINE):
        if kind == "FIELD":
            masks[name] = (1 << int(high) + 1) - (1 << int(low))
        else:
            masks[name] = 1 << int(high)
    return masks


def header_enums(text: str) -> dict:
    """Enumerations whose values are written out: {enum name: {value: enumerator}}."""
    enums = {}
    for name, body in re.findall(r"^enum (\w+) \{\n(.*?)^\};", text, re.MULTILINE | re.DOTALL):
        values = {int(number, 0): word
                  for word, number in re.findall(r"^\s*(\w+) = (\d\w*),", body, re.MULTILINE)}
        if values:
            enums[name] = values
    return enums


@lru_cache(maxsize=None)
def tables() -> Tables:
    """Reads the tables, once."""
    fields = tuple(Field(name, int(encoding, 16), width, exists, index)
                   for index, (width, name, encoding, exists)
                   in enumerate(rows(X86 / "vmcs_fields.def", "VMCS_FIELD")))
    controls = tuple(Control(word, int(bit), name)
                     for word, bit, name in rows(X86 / "vmx_controls.def", "VMX_CONTROL"))
    capabilities = tuple(Control(word, int(bit), name) for word, bit, name
                         in rows(X86 / "vmx_capability_bits.def", "VMX_CAPABILITY"))
    reasons = rows(X86 / "exit_reasons.def", "EXIT_REASON")
    headers = "\n".join(read(X86 / name) for name in ("vmx.h", "cpu.h", "msr.h"))
    return Tables(
        fields=fields,
        by_name={field.name: field for field in fields},
        by_encoding={field.encoding: field for field in fields},
        controls=controls,
        capabilities=capabilities,
        exit_reasons={int(number): text.strip('"') for number, _, text in reasons},
        exit_enumerators={name: int(number) for number, name, _ in reasons},
        errors={int(number): text.strip('"') for number, _, text
                in rows(X86 / "vm_instruction_errors.def", "VM_INSTRUCTION_ERROR")},
        msrs={int(number, 16): name for number, name in rows(X86 / "msrs.def", "MSR")},
        masks=header_masks(headers),
        enums=header_enums(headers))


def msr_name(number: int) -> str:
    """The name of an MSR, or its number."""
    return tables().msrs.get(number, f"MSR 0x{number:x}")


def reason_name(basic: int) -> str:
    """The short name of a basic exit reason, or its number."""
    return tables().exit_reasons.get(basic, f"reason-{basic}")


@lru_cache(maxsize=None)
def control_mask(enumerator: str) -> int:
    """The bit of a control or capability by its name in C: ENTRY_IA32E_MODE_GUEST."""
    for control in tables().controls + tables().capabilities:
        if control.enumerator == enumerator:
            return 1 << control.bit
    raise VmcsError(f"the tables have no control {enumerator}")
