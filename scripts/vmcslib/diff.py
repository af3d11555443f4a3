# SPDX-License-Identifier: BSD-2-Clause
"""vmcs diff: two or three dumps, only what differs, bit by bit."""

import re
import textwrap

from .decode import Part, describe, parts, ranges
from .errors import VmcsError
from .paint import Paint
from .tables import GROUPS, msr_name, tables

UNKNOWN = "unknown"
# From so many on, bits that differ in the same way share a row.
MANY_BITS = 8
ABSENT = "unavailable"
IGNORE = {
    "host": ("the host-state area", lambda field: field.type == "host"),
    "guest": ("the guest-state area", lambda field: field.type == "guest"),
    "control": ("all controls", lambda field: field.type == "control"),
    "read-only": ("VM-exit information", lambda field: field.type == "read-only"),
    "tsc": ("TSC offset and multiplier, preemption timer",
            lambda field: re.fullmatch(r"tsc_offset|tsc_multiplier|preemption_timer_value", field.name)),
    "address": ("addresses of bitmaps, MSR areas, tables and pages",
                lambda field: field.type == "control" and re.search(
                    r"address|pointer|^eptp$|hlatp", field.name)),
    "registers": ("RSP, RIP, RFLAGS of the guest", lambda field: re.fullmatch(
        r"guest_(rsp|rip|rflags)", field.name)),
    "unknown": ("fields that a log does not have", lambda field: False),
    "msrs": ("the MSR areas", lambda field: False),
}


def ignored(field, classes) -> bool:
    """Whether one of the classes, or a pattern /REGEX/, takes this field."""
    for name in classes:
        if name.startswith("/"):
            if re.search(name.strip("/"), field.name):
                return True
        elif IGNORE[name][1](field):
            return True
    return False


def check_classes(classes) -> None:
    """Refuses a class that does not exist."""
    for name in classes:
        if name.startswith("/"):
            try:
                re.compile(name.strip("/"))
            except re.error as error:
                raise VmcsError(f"--ignore {name}: not a regular expression: {error}") from error
        elif name not in IGNORE:
            raise VmcsError(f"--ignore {name}: no such class (known: {', '.join(IGNORE)}, /REGEX/)")


def state(dump, name: str):
    """A field's value, or that it is absent or unknown."""
    if name in dump.values:
        return dump.values[name]
    return ABSENT if name in dump.absent else UNKNOWN


def differences(dumps, classes=()) -> list:
    """(field, states) of every field whose known states differ, in the tables' order.

    A field unknown to one dump differs from none: the logs do not tell.
    """
    found = []
    for field in tables().fields:
        states = [state(dump, field.name) for dump in dumps]
        known = [one for one in states if one != UNKNOWN]
        if len(set(map(str, known))) > 1 and not ignored(field, classes):
            found.append((field, states))
    return found


def unknown_count(dumps, classes=()) -> int:
    """Fields that only some of the dumps know."""
    count = 0
    for field in tables().fields:
        states = [state(dump, field.name) for dump in dumps]
        some = [one for one in states if one != UNKNOWN]
        count += UNKNOWN in states and any(isinstance(one, int) for one in some) \
            and not ignored(field, classes)
    return count


def msr_differences(dumps) -> list:
    """(area, msr, values) of every MSR of an area that differs; by MSR, not by place."""
    found = []
    areas = [area for dump in dumps for area in dump.msr_areas]
    for area in dict.fromkeys(areas):
        if not all(area in dump.msr_areas or count_is_zero(dump, area) for dump in dumps):
            continue
        tables_of = [dict(dump.msr_areas.get(area, {}).values()) for dump in dumps]
        for msr in sorted(set().union(*tables_of)):
            values = [table.get(msr) for table in tables_of]
            if len(set(values)) > 1:
                found.append((area, msr, values))
    return found


def count_is_zero(dump, area: str) -> bool:
    """Whether the VMCS says that the area is empty: then none of its MSRs is unknown."""
    return dump.values.get(f"{area}_count") == 0


def diff(dumps, classes=(), paint: Paint = None) -> tuple:
    """The text of the comparison, and whether anything differs."""
    paint = paint or Paint("never")
    check_classes(classes)
    fields = differences(dumps, classes)
    msrs = [] if "msrs" in classes else msr_differences(dumps)
    letters = "ABC"
    out = [f"{paint(style, letter)}  {dump.title()}  [{dump.format}]"
           for letter, style, dump in zip(letters, ("old", "new", "third"), dumps)]
    if fields or msrs:
        out.append("")
    out += field_rows(fields, dumps, paint) + msr_rows(msrs, paint)
    missing = 0 if "unknown" in classes else unknown_count(dumps, classes)
    if missing:
        out += ["", paint("dim", f"{missing} fields are known to only some of these dumps and not compared")]
    if not fields and not msrs:
        out += ["", "no difference"]
    return "\n".join(out), bool(fields or msrs)


def field_rows(fields, dumps, paint: Paint) -> list:
    """The lines of the fields, under the SDM's headings."""
    out = []
    for group in GROUPS:
        rows = [row for field, states in fields if field.group == group
                for row in one_field(field, states, dumps, paint)]
        if rows:
            out += [paint("head", group), *rows]
    return out


def shown(field, one) -> str:
    """A state in a column."""
    return field.text(one) if isinstance(one, int) else one


def one_field(field, states, dumps, paint: Paint) -> list:
    """A field's values side by side, then its bits that differ."""
    width = max(len(shown(field, one)) for one in states)
    columns = "  ".join(paint(style, shown(field, one).ljust(width)) for style, one
                        in zip(("old", "new", "third"), states)).rstrip()
    rows = [f"  {field.encoding:04x} {paint('name', field.name.ljust(38))} {columns}"]
    rows += part_rows(field, states, dumps, paint)
    return rows


def part_rows(field, states, dumps, paint: Paint) -> list:
    """The parts that differ; for two dumps with + and -, for three as columns."""
    found = [dict_of_parts(field.name, one, dump) if isinstance(one, int) else None
             for one, dump in zip(states, dumps)]
    by_reason = field.name in ("exit_qualification", "exit_instruction_information")
    if not any(found) or by_reason and reasons_differ(dumps):
        return whole_meanings(field, states, dumps)
    labels = dict.fromkeys(label for table in found if table for label in table)
    order = sorted(labels, key=lambda label: next(
        table[label].mask & -table[label].mask for table in found if table and label in table))
    different = []
    for label in order:
        cells = [part_of(table, label) for table in found]
        if len({cell.value for cell in cells if cell is not None}) > 1:
            different.append((label, cells))
    return grouped_rows(different, paint)


def grouped_rows(different: list, paint: Paint) -> list:
    """A row for each part; many bits that differ in the same way share one."""
    alike = {}
    for label, cells in different:
        if all(cell is not None and cell.is_bit and not cell.meaning for cell in cells):
            alike.setdefault(tuple(cell.value for cell in cells), []).append((label, cells))
    together = {label for rows in alike.values() if len(rows) >= MANY_BITS for label, _ in rows}
    out = []
    for label, cells in different:
        if label not in together:
            out.append(part_row(label, cells, paint))
            continue
        rows = alike.pop(tuple(cell.value for cell in cells), None)
        if rows:
            out += many_bits(rows, paint)
    return out


def many_bits(rows: list, paint: Paint) -> list:
    """Bits that differ in the same way, in one row that wraps."""
    values = [cell.value for cell in rows[0][1]]
    numbers = [max(cell.mask for cell in cells).bit_length() - 1 for _, cells in rows]
    head, style = (("+", "new") if values[1] else ("-", "old")) if len(values) == 2 else (
        f"~ {columns_text(map(str, values))}:", "name")
    names = [label for label, _ in rows if not re.fullmatch(r"bit \d+", label)]
    text = f"{', '.join(names)}  (bits {ranges(numbers)})" if names else f"bits {ranges(numbers)}"
    lines = textwrap.wrap(f"{head} {text}", 100, initial_indent=" " * 9, subsequent_indent=" " * 11, break_on_hyphens=False)
    return [" " * 9 + paint(style, lines[0].strip()), *(" " * 11 + paint(style, line.strip()) for line in lines[1:])]


def columns_text(texts) -> str:
    """Two states with an arrow, three by their letters."""
    texts = list(texts)
    return " -> ".join(texts) if len(texts) == 2 else "  ".join(f"{letter}={text}" for letter, text in zip("ABC", texts))


def reasons_differ(dumps) -> bool:
    """Whether what depends on the exit reason cannot be compared bit by bit."""
    return len({dump.get("exit_reason") for dump in dumps}) > 1


def dict_of_parts(name: str, value: int, dump) -> dict:
    """The parts of a value by label."""
    return {part.label: part for part in parts(name, value, dump)}


def part_of(table, label: str):
    """The part with this label; bits that no table names are listed only where they are 1."""
    if table is None:
        return None
    return table.get(label) or Part(label, 1, 0)


def part_row(label: str, cells, paint: Paint) -> str:
    """One bit or group of bits that differs."""
    texts = ["?" if cell is None else cell.meaning or str(cell.value) for cell in cells]
    bit = next(cell for cell in cells if cell is not None)
    where = bits_text(max((cell.mask for cell in cells if cell is not None)))
    if len(cells) == 2 and all(text in "01" for text in texts) and bit.is_bit:
        sign, style = ("+", "new") if texts[1] == "1" else ("-", "old")
        return "         " + paint(style, f"{sign} {label}") + paint("dim", f"  {where}")
    return f"         ~ {label}: {columns_text(texts)}" + paint("dim", f"  {where}")


def bits_text(mask: int) -> str:
    """Bit 15, or bits 10:8."""
    high, low = mask.bit_length() - 1, (mask & -mask).bit_length() - 1
    return f"(bit {low})" if high == low else f"(bits {high}:{low})"


def whole_meanings(field, states, dumps) -> list:
    """Meanings of values that have no parts."""
    texts = [describe(field.name, one, dump) if isinstance(one, int) else ""
             for one, dump in zip(states, dumps)]
    if not any(texts):
        return []
    return [f"         ~ {columns_text(text or shown(field, one) for text, one in zip(texts, states))}"]


def msr_rows(msrs, paint: Paint) -> list:
    """The MSRs of the areas."""
    out = []
    for area, msr, values in msrs:
        if not out:
            out.append(paint("head", "MSR areas"))
        cells = "  ".join("not in area       " if value is None else f"0x{value:016x}" for value in values)
        out.append(f"       {paint('name', (area + ' ' + msr_name(msr)).ljust(38))} {cells.rstrip()}")
    return out
