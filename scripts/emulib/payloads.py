# SPDX-License-Identifier: BSD-2-Clause
"""Builds the test programs of xmhf/test/l1: raw disk images that the BIOS boots."""

import subprocess
from pathlib import Path

from lablib.errors import LabError
from lablib.paths import BUILD, ROOT, tool

SOURCES = ROOT / "xmhf" / "test" / "l1"
OUT = BUILD / "l1"
SECTOR = 512
CYLINDER = 16 * 63 * SECTOR


def payload(name: str) -> Path:
    """The disk image of xmhf/test/l1/NAME.S."""
    return OUT / f"{name}.img"


def run(words: list[str]) -> None:
    """Runs a build command."""
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LabError(f"{' '.join(words)}:\n{result.stderr}")


def build_one(source: Path) -> None:
    """Assembles and links one program, and pads it to a whole cylinder of a disk."""
    base = OUT / source.stem
    run([tool("gcc"), "-m32", "-I.", "-c", str(source), "-o", f"{base}.o"])
    run([tool("ld"), "-m", "elf_i386", "-nostdlib", "--build-id=none", "-T", str(SOURCES / "disk.lds"),
         "-o", f"{base}.elf", f"{base}.o"])
    run([tool("objcopy"), "-O", "binary", f"{base}.elf", f"{base}.bin"])
    data = base.with_suffix(".bin").read_bytes()
    payload(source.stem).write_bytes(data + b"\0" * (-len(data) % CYLINDER))


def build_payloads() -> None:
    """Builds all of them, and a disk that is not bootable."""
    OUT.mkdir(parents=True, exist_ok=True)
    for source in sorted(SOURCES.glob("*.S")):
        build_one(source)
    payload("no-signature").write_bytes(b"\0" * CYLINDER)
