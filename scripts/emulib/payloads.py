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


FLAGS = ("-m32 -std=gnu11 -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none "
         "-mgeneral-regs-only -fno-asynchronous-unwind-tables -O1 -g -I. -Wall -Wextra -Wshadow -Werror").split()
FRAME = ("boot.S", "frame.c")


def compile_one(source: Path) -> str:
    """Compiles a file; returns the object's path."""
    out = OUT / f"{source.name}.o"
    run([tool("gcc"), *FLAGS, "-c", str(source), "-o", str(out)])
    return str(out)


def build_one(source: Path, frame: list[str]) -> None:
    """Builds one test, and pads it to a whole cylinder of a disk."""
    base = OUT / source.stem
    run([tool("ld"), "-m", "elf_i386", "-nostdlib", "--build-id=none", "--no-warn-rwx-segments",
         "-T", str(SOURCES / "disk.lds"), "-o", f"{base}.elf", *frame, compile_one(source)])
    run([tool("objcopy"), "-O", "binary", "-R", ".bss", f"{base}.elf", f"{base}.bin"])
    data = base.with_suffix(".bin").read_bytes()
    payload(source.stem).write_bytes(data + b"\0" * (-len(data) % CYLINDER))


CHOICES = {"spoil": range(1, 7), "crash": range(5)}
CHOICE_WORD = 508  # in the boot sector


def crash(number: int) -> Path:
    """The disk that makes L0 panic, as hypapps/crash numbers the ways."""
    return payload(f"crash-{number}")


def spoil(number: int) -> Path:
    """The disk that damages a firmware table, as xmhf/test/l1/spoil.c numbers them, and boots the next."""
    return payload(f"spoil-{number}")


def build_choices() -> None:
    """The copies of an image with their numbers."""
    for name, numbers in CHOICES.items():
        for number in numbers:
            data = bytearray(payload(name).read_bytes())
            data[CHOICE_WORD:CHOICE_WORD + 2] = number.to_bytes(2, "little")
            payload(f"{name}-{number}").write_bytes(data)


def build_payloads() -> None:
    """Builds all of them, and a disk that is not bootable."""
    OUT.mkdir(parents=True, exist_ok=True)
    frame = [compile_one(SOURCES / name) for name in FRAME]
    for source in sorted(SOURCES.glob("*.c")):
        if source.name not in FRAME:
            build_one(source, frame)
    payload("no-signature").write_bytes(b"\0" * CYLINDER)
    build_choices()
