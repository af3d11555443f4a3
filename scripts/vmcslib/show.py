# SPDX-License-Identifier: BSD-2-Clause
"""vmcs show: a dump grouped as the SDM groups it, every value decoded."""

import textwrap

from .decode import CONTROL_WORDS, describe, msr_text
from .dump import cpu_text
from .paint import Paint
from .tables import GROUPS, control_mask, tables
from .text import count_text

NAME_WIDTH = 38
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr")
# Seldom of interest; folded away unless asked for, when zero or unavailable.
RARE_VALUES = {0, None}
# Errors of VM entries; others may be long past when a dump is made.
ENTRY_ERRORS = (7, 8)


def is_rare(field, value) -> bool:
    """A field nobody looks for: absent, unknown, or zero and not one that always matters."""
    if value not in RARE_VALUES:
        return field.name.startswith("eoi_exit_bitmap") or value == field.mask and \
            field.name in ("executive_vmcs_pointer", "xss_exiting_bitmap")
    always = ("guest_rip", "guest_cr0", "guest_cr4", "exit_reason", "exit_qualification",
              "entry_interruption_information", "pin_based_controls", "guest_interruptibility_state",
              "guest_activity_state", "exception_bitmap")
    return field.name not in always


def show(dump, every: bool = False, paint: Paint = None, width: int = 100) -> str:
    """The whole dump as text."""
    paint = paint or Paint("never")
    out = [paint("head", dump.title()) + f"  [{dump.format}, number {dump.number}]", *filter(None, [summary(dump)]), ""]
    folded = unknown = 0
    for group in GROUPS:
        fields = [field for field in tables().fields if field.group == group]
        if group == GROUPS[0] and not every:
            rows, used = segment_table(dump)
            fields = [field for field in fields if field.name not in used]
        else:
            rows = []
        for field in fields:
            value = dump.values.get(field.name)
            if value is None and field.name not in dump.absent:
                unknown += 1
                continue
            if not every and is_rare(field, value):
                folded += 1
                continue
            rows += field_lines(dump, field, value, paint, width)
        rows += msr_rows(dump, group)
        if rows:
            out += [paint("head", group), *rows, ""]
    out.append(paint("dim", tail(dump, folded, unknown)))
    return "\n".join(out)


def summary(dump) -> str:
    """The dump in a sentence."""
    words = []
    reason = dump.get("exit_reason")
    if reason is not None:
        words.append("exit " + describe("exit_reason", reason, dump))
    error = dump.get("vm_instruction_error")
    if error in ENTRY_ERRORS:
        words.append(f"VM-instruction error {error}: {describe('vm_instruction_error', error)}")
    rip = dump.get("guest_rip")
    if rip is not None:
        words.append(f"guest RIP 0x{rip:x}, {guest_mode(dump)}")
    return "; ".join(words)


def guest_mode(dump) -> str:
    """The processor mode of the guest."""
    masks = tables().masks
    cr0, cr4 = dump.get("guest_cr0"), dump.get("guest_cr4") or 0
    entry, cs = dump.get("entry_controls"), dump.get("guest_cs_access_rights") or 0
    if cr0 is None:
        return "mode unknown"
    if entry is not None and entry & control_mask("ENTRY_IA32E_MODE_GUEST"):
        return "64-bit mode" if cs & masks["ACCESS_RIGHTS_L"] else "compatibility mode"
    if not cr0 & masks["CR0_PE"]:
        return "real-address mode"
    if (dump.get("guest_rflags") or 0) & masks["RFLAGS_VM"]:
        return "virtual-8086 mode"
    if not cr0 & masks["CR0_PG"]:
        return "protected mode without paging"
    return "PAE paging" if cr4 & masks["CR4_PAE"] else "32-bit paging"


def segment_table(dump) -> tuple:
    """The segment registers as a table, and the fields it covers."""
    rows, used = [], set()
    for name in (*SEGMENTS, "gdtr", "idtr"):
        prefix = f"guest_{name}_"
        names = [prefix + part for part in ("selector", "base", "limit", "access_rights")]
        known = [field for field in names if field in tables().by_name and dump.get(field) is not None]
        if not known:
            continue
        used.update(names)
        selector, base, limit, rights = (dump.get(field) for field in names)
        cells = [name.upper().ljust(5), cell(selector, 4), cell(base, 16), cell(limit, 8), cell(rights, 8)]
        meaning = describe(names[3], rights, dump) if rights is not None else ""
        rows.append(("  " + "  ".join(cells) + "  " + meaning).rstrip())
    if rows:
        rows.insert(0, "         sel     base                limit       access rights")
    return rows, used


def cell(value, digits: int) -> str:
    """A number of a fixed width; blanks for none."""
    return " " * (digits + 2) if value is None else f"0x{value:0{digits}x}"


def field_lines(dump, field, value, paint: Paint, width: int) -> list:
    """One field: encoding, name, value, meaning; long meanings wrap."""
    head = f"  {field.encoding:04x} {paint('name', field.name.ljust(NAME_WIDTH))} "
    if value is None:
        return [head + paint("dim", "unavailable")]
    text = field.text(value)
    meaning = describe(field.name, value, dump)
    note = dump.effective.get(field.name)
    if note is not None and note != value:
        meaning += f"  (log also says 0x{note:x})"
    if not meaning:
        return [head + text]
    indent = " " * (7 + NAME_WIDTH + 1)
    if field.name in CONTROL_WORDS or len(indent) + len(text) + len(meaning) + 2 > width:
        return [head + text] + textwrap.wrap(meaning, max(40, width), initial_indent=" " * 9,
                                             subsequent_indent=" " * 9, break_on_hyphens=False)
    return [f"{head}{text}  {meaning}"]


def msr_rows(dump, group: str) -> list:
    """The MSR areas that belong under this heading."""
    rows = []
    for area, entries in dump.msr_areas.items():
        owner = "VM-entry controls" if area.startswith("entry") else "VM-exit controls"
        if owner == group:
            rows += [f"       {area}[{index}]: {msr_text(*entry)}"
                     for index, entry in sorted(entries.items())]
    return rows


def tail(dump, folded: int, unknown: int) -> str:
    """What was left out."""
    words = []
    if folded:
        words.append(f"{folded} {'fields that are' if folded != 1 else 'field that is'} zero or unavailable "
                     f"{'are' if folded != 1 else 'is'} folded away (--all shows them)")
    if unknown:
        words.append(f"{count_text(unknown, 'field')} {'are' if unknown != 1 else 'is'} unknown: the log does not have them")
    for name, value in dump.effective.items():
        if name not in dump.values:
            words.append(f"{name} is not in the VMCS; the log computes 0x{value:x}")
    return "\n".join(words)


def listing(dumps: list) -> str:
    """One line for each dump."""
    rows = [f"{'number':>6}  {'line':>8}  {'cpu':<6} {'tag':<20} {'format':<7} {'fields':>6}  what"]
    for dump in dumps:
        cpu = "" if dump.cpu is None else cpu_text(dump.cpu)
        rows.append(f"{dump.number:>6}  {dump.line:>8}  {cpu:<6} {dump.tag:<20} {dump.format:<7} "
                    f"{len(dump.values) + len(dump.absent):>6}  {summary(dump)}")
    return "\n".join(rows)


def as_log(dump) -> str:
    """The dump in the form of our own logs."""
    cpu = dump.cpu if isinstance(dump.cpu, int) else 0
    tag = dump.tag or dump.format
    rows = []
    for field in tables().fields:
        value = dump.values.get(field.name)
        if value is not None:
            rows.append(f"CPU(0x{cpu:02x}): (0x{field.encoding:04x}) @{tag}@{field.name} = {field.text(value)}")
        elif field.name in dump.absent:
            rows.append(f"CPU(0x{cpu:02x}): (0x{field.encoding:04x}) @{tag}@{field.name} = unavailable")
    for area, entries in dump.msr_areas.items():
        rows += [f"CPU(0x{cpu:02x}): @{tag}@{area}[{index}] = 0x{msr:08x} -> 0x{value:016x}"
                 for index, (msr, value) in sorted(entries.items())]
    return "\n".join(rows)
