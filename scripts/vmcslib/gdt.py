# SPDX-License-Identifier: BSD-2-Clause
"""vmcs gdt: segment descriptors decoded; SDM "Segment Descriptors" and "System Descriptor Types"."""

import re

from .decode import SYSTEM_TYPES, segment_type
from .errors import VmcsError
from .tables import tables

TYPE, DPL, BIT = 0xF, 3, 1


def fields(descriptor: int) -> dict:
    """The fields of an 8-byte descriptor."""
    limit = descriptor & 0xFFFF | (descriptor >> 48 & 0xF) << 16
    base = descriptor >> 16 & 0xFFFFFF | (descriptor >> 56 & 0xFF) << 24
    found = {"limit": limit, "base": base, "type": descriptor >> 40 & TYPE, "S": descriptor >> 44 & BIT,
             "DPL": descriptor >> 45 & DPL, "P": descriptor >> 47 & BIT, "AVL": descriptor >> 52 & BIT,
             "L": descriptor >> 53 & BIT, "DB": descriptor >> 54 & BIT, "G": descriptor >> 55 & BIT}
    found["bytes"] = (limit << 12 | 0xFFF) if found["G"] else limit
    return found


def access_rights(descriptor: int) -> int:
    """The same descriptor in the form of the VMCS's access rights."""
    return descriptor >> 40 & 0xFF | (descriptor >> 52 & 0xF) << 12


def kind(part: dict) -> str:
    """What the descriptor is, in words."""
    if part["S"]:
        words = segment_type(part["type"] | tables().masks["ACCESS_RIGHTS_S"])
        if part["type"] & 8:
            size = "64-bit" if part["L"] else "32-bit" if part["DB"] else "16-bit"
            return f"{size} {words}"
        return f"{words}, {'32-bit' if part['DB'] else '16-bit'} stack"
    return SYSTEM_TYPES.get(part["type"], "reserved")


def problems(part: dict) -> list:
    """What the processor would not accept."""
    found = []
    if part["S"] and part["type"] & 8 and part["L"] and part["DB"]:
        found.append("L and D/B both set: reserved")
    if not part["S"] and part["type"] not in SYSTEM_TYPES:
        found.append("reserved system type")
    if not part["P"]:
        found.append("not present")
    return found


def describe(descriptor: int, high: int = None) -> str:
    """Two lines: the fields, and what they mean."""
    if descriptor == 0:
        return "null descriptor"
    part = fields(descriptor)
    if high is not None:
        part["base"] |= (high & 0xFFFFFFFF) << 32
    line = (f"Segment Limit 0x{part['limit']:x}\tBase Address 0x{part['base']:x}\t"
            f"Type=0x{part['type']:x} S={part['S']} DPL={part['DPL']} P={part['P']} AVL={part['AVL']} "
            f"L={part['L']} DB={part['DB']} G={part['G']}")
    notes = "; ".join(problems(part))
    return (f"{line}\n\t{kind(part)}, DPL {part['DPL']}, last byte 0x{part['base'] + part['bytes']:x}, "
            f"access rights 0x{access_rights(descriptor):08x}" + (f"; {notes}" if notes else ""))


def words_of_arguments(words: list) -> list:
    """The descriptors of a command line, where each word may be a number."""
    if all(re.fullmatch(r"(0x)?[0-9a-fA-F]{1,16}", word) for word in words) \
            and not (len(words) % 8 == 0 and all(len(word) == 2 for word in words)):
        return [int(word, 16) for word in words]
    return words_of(" ".join(words))


# What debuggers and hexdump put before and behind the bytes.
ADDRESS = re.compile(r"\s*(?:0x)?[0-9a-fA-F]{1,16}(?:\s*<[^>]*>)?:\s+")
OFFSET = re.compile(r"[0-9a-fA-F]{8}(?:\s\s(?=[0-9a-fA-F]{2}\s)|\s*$)")
CHARACTERS = re.compile(r"\|.*$")
XXD_CHARACTERS = re.compile(r"(?<=[0-9a-fA-F]) {2,}\S.*$")


def payload(line: str) -> tuple:
    """A line without its address and without the bytes as characters; whether it had an address."""
    for before, behind in ((ADDRESS, XXD_CHARACTERS), (OFFSET, CHARACTERS)):
        found = before.match(line)
        if found:
            return behind.sub("", line[found.end():]), True
    return line, False


def words_of(text: str) -> list:
    """The 64-bit numbers of a text: 0x00af9b000000ffff, a hex dump of bytes, what gdb's x prints."""
    lines = [payload(line) for line in text.splitlines()]
    plain = "\n".join(line for line, _ in lines)
    found = re.findall(r"\b0x([0-9a-fA-F]{1,16})\b", plain)
    if found and len(found) % 2 == 0 and all(had for line, had in lines if line.strip()) \
            and all(len(word) == 8 for word in found):
        return [int(high + low, 16) for low, high in zip(found[::2], found[1::2])]
    if found:
        return [int(word, 16) for word in found]
    tokens = plain.split()
    digits = "".join(tokens)
    if tokens and len(digits) % 16 == 0 and all(re.fullmatch(r"([0-9a-fA-F]{2}){1,4}", word) for word in tokens):
        data = bytes.fromhex(digits)
        return [int.from_bytes(data[at:at + 8], "little") for at in range(0, len(data), 8)]
    found = [int(word, 16) for word in re.findall(r"\b([0-9a-fA-F]{16})\b", plain)]
    if not found:
        raise VmcsError(f"no descriptor in {text.strip()[:60]!r}: expected 0x00af9b000000ffff, "
                        "16 hexadecimal digits, or bytes in memory order, a multiple of 8")
    return found


def table(words: list, selector=None) -> str:
    """A whole table, with the selector of each entry; 64-bit TSS and LDT descriptors take two."""
    out = []
    index = 0
    while index < len(words):
        if selector is None or selector >> 3 == index:
            wide = not words[index] >> 44 & BIT and words[index] >> 40 & TYPE in (2, 9, 11) \
                and index + 1 < len(words) and words[index + 1] >> 32 & 0x1F00 == 0 \
                and words[index + 1] < 1 << 32
            head = f"0x{index * 8:02x}  0x{words[index]:016x}  "
            out.append(head + describe(words[index], words[index + 1] if wide else None))
            index += wide
        index += 1
    return "\n".join(out)


def check_selector(selector: int, words: list) -> str:
    """A selector against the table: does its RPL fit the descriptor?"""
    index, rpl = selector >> 3, selector & 3
    if selector > 0xFFFF:
        raise VmcsError(f"0x{selector:x} is no selector: it has 16 bits")
    if selector & 4:
        return f"selector 0x{selector:x} is in the LDT"
    if selector < 4:
        return f"selector 0x{selector:x}: the null selector"
    if index >= len(words):
        return f"selector 0x{selector:x}: beyond the table of {len(words)} entries"
    part = fields(words[index])
    note = ""
    if part["S"] and part["type"] & 0xC == 8 and part["DPL"] != rpl:
        note = f": nonconforming code with DPL {part['DPL']}: loading CS with RPL {rpl} gives #GP(0x{selector & ~3:x})"
    elif part["DPL"] < rpl and part["S"] and not part["type"] & 8:
        note = f": DPL {part['DPL']} is below RPL {rpl}: loading it gives a fault"
    return f"selector 0x{selector:x}: index {index}, RPL {rpl}{note}"
