# SPDX-License-Identifier: BSD-2-Clause
"""VM-exit instruction information, one layout for each kind of instruction.

SDM "VM-Exit Instruction Information" (of "Information for VM Exits Due to Instruction
Execution"): the tables for INS and OUTS; for INVEPT, INVPCID and INVVPID; for LIDT, LGDT,
SIDT and SGDT; for LLDT, LTR, SLDT and STR; for RDRAND, RDSEED, TPAUSE and UMWAIT; for
VMCLEAR, VMPTRLD, VMPTRST, VMXON, XRSTORS and XSAVES; for VMREAD and VMWRITE; for LOADIWKEY.
"""

from .qualification import REGISTERS
from .tables import tables

SEGMENTS = dict(enumerate("ES CS SS DS FS GS".split()))
ADDRESS_SIZES = {0: "16-bit", 1: "32-bit", 2: "64-bit"}
SCALES = {n: str(1 << n) for n in range(4)}
# The operand in memory; a register of the address counts only when its "invalid" bit is 0.
MEMORY = (("scale", 1, 0, SCALES), ("address size", 9, 7, ADDRESS_SIZES), ("segment", 17, 15, SEGMENTS),
          ("index", 21, 18, REGISTERS), ("no index", 22, 22, None),
          ("base", 26, 23, REGISTERS), ("no base", 27, 27, None))
IS_REGISTER = (("operand is a register", 10, 10, None),)
REGISTER_1 = (("register", 6, 3, REGISTERS),)
REGISTER_2 = (("second operand", 31, 28, REGISTERS),)
DESCRIPTOR_TABLE = (("operand size", 11, 11, {0: "16-bit", 1: "32-bit"}),
                    ("instruction", 29, 28, {0: "SGDT", 1: "SIDT", 2: "LGDT", 3: "LIDT"}))
SYSTEM_SEGMENT = (("instruction", 29, 28, {0: "SLDT", 1: "STR", 2: "LLDT", 3: "LTR"}),)
RANDOM = (("register", 6, 3, REGISTERS), ("operand size", 12, 11, ADDRESS_SIZES))
KEYS = (("first operand", 6, 3, {n: f"XMM{n}" for n in range(16)}),
        ("second operand", 31, 28, {n: f"XMM{n}" for n in range(16)}))
STRING = (("address size", 9, 7, ADDRESS_SIZES),)
OUTS = STRING + (("segment", 17, 15, SEGMENTS),)
LAYOUTS = {
    **dict.fromkeys(("INVEPT", "INVPCID", "INVVPID"), MEMORY + REGISTER_2),
    "GDTR_IDTR_ACCESS": MEMORY + DESCRIPTOR_TABLE,
    "LDTR_TR_ACCESS": MEMORY + IS_REGISTER + REGISTER_1 + SYSTEM_SEGMENT,
    **dict.fromkeys(("RDRAND", "RDSEED", "TPAUSE", "UMWAIT"), RANDOM),
    **dict.fromkeys(("VMCLEAR", "VMPTRLD", "VMPTRST", "VMXON", "XRSTORS", "XSAVES"), MEMORY),
    **dict.fromkeys(("VMREAD", "VMWRITE"), MEMORY + IS_REGISTER + REGISTER_1 + REGISTER_2),
    "LOADIWKEY": KEYS,
}
IO_STRING, IO_IN = 1 << 4, 1 << 3
OPERAND_IS_REGISTER, NO_INDEX, NO_BASE = 1 << 10, 1 << 22, 1 << 27


def name_of(reason: int) -> str:
    """The enumerator of an exit reason whose exits have an operand to tell of, else empty."""
    return next((name for name, number in tables().exit_enumerators.items()
                 if number == reason and (name in LAYOUTS or name == "IO_INSTRUCTION")), "")


def layout(dump, value: int) -> tuple:
    """The parts of @value that are defined after this exit: (label, high, low, names)."""
    reason = dump.get("exit_reason") if dump else None
    name = name_of(reason & 0xFFFF) if reason is not None else ""
    if name == "IO_INSTRUCTION":
        access = dump.get("exit_qualification") or 0
        return () if not access & IO_STRING else STRING if access & IO_IN else OUTS
    rows = LAYOUTS.get(name, ())
    if rows[:len(MEMORY)] != MEMORY:
        return rows
    return tuple(row for row in rows if is_defined(row, value, rows))


def is_defined(row, value: int, rows) -> bool:
    """Whether this part of a layout with an operand in memory means something in @value."""
    register = value & OPERAND_IS_REGISTER and IS_REGISTER[0] in rows
    if row in MEMORY and register:
        return False
    if row[0] in ("index", "scale"):
        return not value & NO_INDEX
    if row[0] == "base":
        return not value & NO_BASE
    if row == REGISTER_1[0]:
        return bool(register)
    return not row[0].startswith("no ")


def has_displacement(reason: int) -> bool:
    """Whether the exit qualification is the displacement of the operand's address."""
    return LAYOUTS.get(name_of(reason), ())[:len(MEMORY)] == MEMORY


def signed(value: int) -> str:
    """A displacement, which the processor sign-extends to 64 bits."""
    return f"-0x{(1 << 64) - value:x}" if value >> 63 else f"0x{value:x}"


def operand(dump, value: int) -> str:
    """The operands as a person writes them: [DS:RBX + 4*RCX + 0x10], RAX; empty when unknown."""
    reason = dump.get("exit_reason")
    if reason is None or not has_displacement(reason & 0xFFFF):
        return ""
    rows = layout(dump, value)
    found = {label: (names or {}).get(part, str(part))
             for label, high, low, names in rows for part in [value >> low & (1 << high - low + 1) - 1]}
    words = []
    if "instruction" in found:
        words.append(found["instruction"])
    words.append(found["register"] if "register" in found else memory_operand(dump, found))
    text = " ".join(words)
    return text + (f", {found['second operand']}" if "second operand" in found else "")


def memory_operand(dump, found: dict) -> str:
    """[SEGMENT:BASE + SCALE*INDEX + DISPLACEMENT]"""
    terms = [found["base"]] if "base" in found else []
    if "index" in found:
        terms.append(f"{found['scale']}*{found['index']}")
    displacement = dump.get("exit_qualification")
    if displacement is not None and (displacement or not terms):
        terms.append(signed(displacement))
    return f"[{found['segment']}:{' + '.join(terms).replace('+ -', '- ') or '...'}]"
