# SPDX-License-Identifier: BSD-2-Clause
"""A disk whose own boot sector (loader.S) loads one Multiboot 1 image: no GRUB, half the boot."""

import hashlib
import os
import struct
import subprocess
import threading
from pathlib import Path

from .disk import CYLINDER, SECTOR
from .errors import LabError, UsageError
from .paths import BUILD, tool

SOURCE = Path(__file__).resolve().parent / "loader.S"
CHUNK = 64
CMDLINE_SECTORS = 8
PARAMETERS = 8
PT_LOAD = 1


def loader() -> bytes:
    """The boot sector; assembled when it is not there."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    target = BUILD / "lab" / f"loader-{digest}.bin"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}")
        for words in (["gcc", "-m32", "-c", "-o", f"{part}.o", str(SOURCE)],
                      ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", f"{part}.new", f"{part}.o"]):
            run = subprocess.run([tool(words[0]), *words[1:]], capture_output=True, text=True, check=False)
            if run.returncode != 0:
                raise LabError(f"{SOURCE.name} does not assemble:\n{run.stderr}")
        Path(f"{part}.o").unlink()
        Path(f"{part}.new").rename(target)
    return target.read_bytes()


def segments(data: bytes, name: str) -> tuple[int, bytes, int, int]:
    """(address, bytes from there, end of bss, entry) of an ELF file of 32 bits."""
    if data[:5] != b"\x7fELF\x01":
        raise LabError(f"{name} is no ELF file of 32 bits")
    entry, offset = struct.unpack_from("<II", data, 24)
    size, count = struct.unpack_from("<HH", data, 42)
    loads = [struct.unpack_from("<8I", data, offset + n * size) for n in range(count)]
    loads = [(paddr, data[start:start + filesz], memsz) for kind, start, _, paddr, filesz, memsz, _, _ in loads if kind == PT_LOAD]
    if not loads:
        raise LabError(f"{name} has nothing to load")
    low = min(address for address, _, _ in loads)
    blob = bytearray(max(address + len(part) for address, part, _ in loads) - low)
    for address, part, _ in loads:
        blob[address - low:address - low + len(part)] = part
    return low, bytes(blob), max(address + memory for address, _, memory in loads), entry


def direct_disk(path: Path, cmdline: str) -> bytes:
    """The whole disk."""
    address, blob, end, entry = segments(path.read_bytes(), path.name)
    text = f"/{path.name} {cmdline}".strip().encode() + b"\0"
    if len(text) > CMDLINE_SECTORS * SECTOR:
        raise UsageError("the command line is too long for a boot without GRUB")
    blob += b"\0" * (-len(blob) % (CHUNK * SECTOR))
    bss = address + len(blob)
    parameters = struct.pack("<6I", 1 + CMDLINE_SECTORS, len(blob) // SECTOR, address, bss, max(end - bss + 3, 0) // 4, entry)
    sector = bytearray(loader())
    sector[PARAMETERS:PARAMETERS + len(parameters)] = parameters
    disk = bytes(sector) + text.ljust(CMDLINE_SECTORS * SECTOR, b"\0") + blob
    return disk + b"\0" * (-len(disk) % CYLINDER)
