# SPDX-License-Identifier: BSD-2-Clause
"""Names for the addresses of a panic's backtrace."""

import bisect
import re
import struct
import subprocess
from pathlib import Path

from .errors import LabError
from .paths import tool

LINE = re.compile(r"^.*?backtrace: (0x[0-9a-f]+)\s*$", re.MULTILINE)
PANIC = re.compile(r"^.*?PANIC: (.*?)\s*$", re.MULTILINE)
# Ends of the encodings of CALL: with a displacement, and through a register or memory.
CALL_RELATIVE = 0xE8
CALL_INDIRECT = 0xFF


def call_length(modrm: int) -> int:
    """Bytes of a CALL through a register or memory with this ModR/M byte; 0 if it is no CALL."""
    mod, operation, rm = modrm >> 6, modrm >> 3 & 7, modrm & 7
    if operation != 2:
        return 0
    sib = mod != 3 and rm == 4
    displacement = {0: 4 if rm == 5 else 0, 1: 1, 2: 4, 3: 0}[mod]
    return 2 + sib + displacement


class Symbols:
    """The functions of a 64-bit image and its code."""

    def __init__(self, elf: Path):
        self.elf = elf
        run = subprocess.run([tool("nm"), "-n", str(elf)], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise LabError(f"nm {elf}: {run.stderr.strip()}")
        rows = [line.split() for line in run.stdout.splitlines()]
        functions = [(int(row[0], 16), row[2]) for row in rows if len(row) == 3 and row[1] in "tTwW"]
        self.starts = [start for start, _ in functions]
        self.names = [name for _, name in functions]
        self.code_at, self.code = self._read_code(elf.read_bytes())

    @staticmethod
    def _read_code(data: bytes) -> tuple[int, bytes]:
        """The first executable segment: its address and bytes."""
        offset, = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        for i in range(count):
            kind, flags, at, address, _, length = struct.unpack_from("<IIQQQQ", data, offset + i * size)
            if kind == 1 and flags & 1:
                return address, data[at:at + length]
        return 0, b""

    def is_return_address(self, address: int) -> bool:
        """Whether a CALL ends right before @address."""
        end = address - self.code_at
        before = self.code[max(end - 7, 0):end] if 0 < end <= len(self.code) else b""
        if len(before) >= 5 and before[-5] == CALL_RELATIVE:
            return True
        return any(len(before) >= n and before[-n] == CALL_INDIRECT and call_length(before[-n + 1]) == n
                   for n in (2, 3, 4, 6, 7))

    def function(self, address: int) -> str:
        """`name+0x12` of the function that holds @address."""
        i = bisect.bisect_right(self.starts, address) - 1
        return f"{self.names[i]}+0x{address - self.starts[i]:x}" if i >= 0 else "?"

    def places(self, addresses: list[int]) -> list[str]:
        """file:line of each address."""
        run = subprocess.run([tool("addr2line"), "-e", str(self.elf), *map(hex, addresses)],
                             capture_output=True, text=True, check=False)
        lines = run.stdout.splitlines()
        return lines if len(lines) == len(addresses) else ["?"] * len(addresses)


def symbolize(text: str, elf: Path) -> list[str]:
    """The panics and backtraces of a log, with names; a word of the stack that no CALL left there is dropped."""
    found = [int(word, 16) for word in LINE.findall(text)]
    if not found:
        return []
    symbols = Symbols(elf)
    # The first is where it happened; the others are return addresses: one byte back is the call.
    kept = [a for i, a in enumerate(found) if i == 0 or symbols.is_return_address(a)]
    places = symbols.places([a - (i > 0) for i, a in enumerate(kept)])
    lines = [f"PANIC: {cause}" for cause in PANIC.findall(text)]
    return lines + [f"  0x{a:016x} {symbols.function(a - (i > 0)):32} {place}"
                    for i, (a, place) in enumerate(zip(kept, places))]
