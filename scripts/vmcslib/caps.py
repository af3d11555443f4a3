# SPDX-License-Identifier: BSD-2-Clause
"""The processor that the entry checks assume: from capability MSRs, or any processor.

SDM Appendix "VMX Capability Reporting Facility".
"""

from .tables import tables

# Reserved bits that must be 1 on every processor ("default1"), and those of them that a
# processor with the TRUE capability MSRs lets software clear.
DEFAULT1 = {"pin": 0x16, "proc1": 0x0401E172, "exit": 0x36DFF, "entry": 0x11FF}
MSRS = {"pin": "PINBASED_CTLS", "proc1": "PROCBASED_CTLS", "proc2": "PROCBASED_CTLS2",
        "exit": "EXIT_CTLS", "entry": "ENTRY_CTLS"}
PLAIN = {"basic": "BASIC", "misc": "MISC", "ept_vpid": "EPT_VPID_CAP", "vmfunc": "VMFUNC",
         "vmcs_enum": "VMCS_ENUM", "proc3": "PROCBASED_CTLS3", "exit2": "EXIT_CTLS2"}
LOW = (1 << 32) - 1
ALL = (1 << 64) - 1
WIDTHS = {"caps.physical_address_width": (46, 36, 39, 52), "caps.linear_address_width": (48, 57)}


def defined(word: str, rows=None) -> int:
    """All bits of a word that the tables name."""
    return sum(1 << row.bit for row in rows or tables().controls if row.word == word)


def masks(prefix: str) -> int:
    """All bits of the header masks with this prefix that are single bits."""
    return sum(mask for name, mask in tables().masks.items()
               if name.startswith(prefix) and mask & mask - 1 == 0)


def generic() -> dict:
    """A processor that has everything that the tables name."""
    found = {}
    for word in ("pin", "proc1", "proc2", "exit", "entry"):
        fixed = DEFAULT1.get(word, 0)
        named = defined(word.upper())
        found[f"caps.{word}.must_be_1"] = fixed & ~named
        found[f"caps.{word}.may_be_1"] = fixed | named
    found["caps.proc3"] = defined("PROC3")
    found["caps.exit2"] = defined("EXIT2")
    for name, word in (("ept_vpid", "EPT"), ("vmfunc", "VMFUNC")):
        found[f"caps.{name}"] = defined(word, tables().capabilities)
    found["caps.basic"] = defined("BASIC", tables().capabilities) | 6 << 50 | 4096 << 32
    found["caps.misc"] = defined("MISC", tables().capabilities) | 4 << 16
    found["caps.cr0.must_be_1"] = sum(tables().masks[f"CR0_{bit}"] for bit in ("PE", "NE", "PG"))
    found["caps.cr0.may_be_1"] = LOW
    found["caps.cr4.must_be_1"] = tables().masks["CR4_VMXE"]
    found["caps.cr4.may_be_1"] = masks("CR4_")
    found["caps.efer_valid"] = masks("EFER_")
    found["caps.debugctl_valid"] = 0xFFC3
    found["caps.perf_global_ctrl_valid"] = 0xF0000000F
    for name, values in WIDTHS.items():
        found[name] = values[0]
    return found


def from_msrs(msrs: dict) -> dict:
    """What the MSRs say, by the names of struct vmx_caps."""
    found = {}
    for name, suffix in PLAIN.items():
        if f"IA32_VMX_{suffix}" in msrs:
            found[f"caps.{name}"] = msrs[f"IA32_VMX_{suffix}"]
    for name, suffix in MSRS.items():
        value = msrs.get(f"IA32_VMX_TRUE_{suffix}", msrs.get(f"IA32_VMX_{suffix}"))
        if value is not None:
            found[f"caps.{name}.must_be_1"] = value & LOW
            found[f"caps.{name}.may_be_1"] = value >> 32
    for name in ("cr0", "cr4"):
        fixed0, fixed1 = (msrs.get(f"IA32_VMX_{name.upper()}_FIXED{n}") for n in (0, 1))
        if fixed0 is not None and fixed1 is not None:
            found[f"caps.{name}.must_be_1"], found[f"caps.{name}.may_be_1"] = fixed0, fixed1
    return found


def assumed(msrs: dict) -> tuple:
    """(capabilities to assume, lists of settings to try because nobody told)."""
    base = generic()
    known = from_msrs(msrs)
    base.update(known)
    variations = [[(name, value)] for name, values in WIDTHS.items() for value in values[1:]]
    variations += [[(name, base[name] ^ bits)] for name, bits in (
        ("caps.efer_valid", 0x1), ("caps.debugctl_valid", 0xFFC0), ("caps.perf_global_ctrl_valid", 0xC))]
    for name, value in base.items():
        if name not in known and name not in WIDTHS and "valid" not in name:
            variations += single_bits(name, value)
    return base, variations


def single_bits(name: str, value: int) -> list:
    """The capability word with each of its bits the other way, as far as processors differ."""
    if name.endswith("must_be_1"):
        word = name.split(".")[1]
        fixed = DEFAULT1.get(word, 0) & ~value
        return [[(name, value | 1 << bit)] for bit in range(32) if fixed >> bit & 1]
    return [[(name, value & ~(1 << bit))] for bit in range(64) if value >> bit & 1
            and not (name.endswith("may_be_1") and DEFAULT1.get(name.split(".")[1], 0) >> bit & 1)]
