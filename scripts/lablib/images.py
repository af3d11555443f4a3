# SPDX-License-Identifier: BSD-2-Clause
"""What goes on the boot disk and on L1's disk; images are cached by their contents."""

import os
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import initramfs
from .direct import direct_disk
from .disk import GRUB_DIR, MODULES, grub_disk
from .errors import LabError, UsageError
from .initramfs import digest
from .paths import BUILD

PROTOCOLS = ("multiboot", "multiboot2", "direct")
KINDS = ("linux", "multiboot", "multiboot2", "direct", "raw", "none")
TERMINAL = "serial --unit=0 --speed=115200\nterminal_output serial console\n"


@dataclass
class L1:
    """What L1's disk boots: one of KINDS, with the file and the command line it needs."""

    kind: str
    path: Path | None = None
    cmdline: str = ""
    extra: list[str] = field(default_factory=list)
    kvm: bool = False


def parse_l1(text: str, cmdline: str = "") -> L1:
    """`linux`, `none`, `raw:PATH`, `multiboot:PATH[,CMDLINE]`, `multiboot2:...` or `direct:...`."""
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise UsageError(f"unknown kind of L1: {text} (known: linux, multiboot:PATH[,CMDLINE], "
                         "multiboot2:PATH[,CMDLINE], direct:PATH[,CMDLINE], raw:PATH, none)")
    if kind in ("linux", "none"):
        if rest:
            raise UsageError(f"--l1 {kind} takes no path: {text}")
        return L1(kind, None, cmdline)
    name, comma, words = rest.partition(",")
    if kind == "raw" and comma:
        raise UsageError("--l1 raw:PATH takes no command line")
    if not name:
        raise UsageError(f"--l1 {kind} needs a path: {kind}:PATH")
    return L1(kind, Path(name), " ".join(part for part in (words, cmdline) if part))


def grub_words(cmdline: str) -> str:
    """The command line as words for GRUB's parser, which would expand `$` and split at `;`.

    Double quotes join words; GRUB hands `a="x y"` on as `"a=x y"`.
    """
    for character in "\n'":
        if character in cmdline:
            raise UsageError(f"a command line for GRUB cannot hold {character!r}")
    lexer = shlex.shlex(cmdline, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    try:
        return " ".join(f"'{word}'" for word in lexer)
    except ValueError as error:
        raise UsageError(f"command line for GRUB: {error}: {cmdline}") from error


def read(path: Path, what: str) -> bytes:
    """The file's bytes, or a LabError."""
    if not path.is_file():
        raise LabError(f"{what} not found: {path}")
    return path.read_bytes()


def store(config: str, files: dict[str, bytes]) -> Path:
    """The image of this configuration and these files; built when it is not cached."""
    parts = [config.encode(), " ".join(MODULES).encode()]
    for name, data in files.items():
        parts += [name.encode(), data]
    kernel = GRUB_DIR / "kernel.img"
    parts.append(kernel.read_bytes() if kernel.exists() else b"")
    return cached(digest(*parts), lambda: grub_disk(config, files))


def cached(name: str, make: Callable[[], bytes]) -> Path:
    """The image of this name; made when it is not there."""
    target = BUILD / "images" / f"{name}.img"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.new")
        partial.write_bytes(make())
        partial.rename(target)
    return target


def multiboot_disk(path: Path, protocol: str, cmdline: str) -> Path:
    """A disk whose GRUB, or whose own boot sector, loads one ELF file by Multiboot."""
    if protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol: {protocol} (known: {', '.join(PROTOCOLS)})")
    data = read(path, "ELF file to boot")
    if data[:4] != b"\x7fELF":
        raise LabError(f"{path} is no ELF file")
    if protocol == "direct":
        disk = direct_disk(path, cmdline)
        return cached(digest(disk), lambda: disk)
    config = f"{TERMINAL}{protocol} /{path.name} {grub_words(cmdline)}\nboot\n"
    return store(config, {path.name: data})


def linux_disk(cmdline: str, extra: list[str], kvm: bool) -> Path:
    """A disk whose GRUB boots L1's Linux."""
    files = {"vmlinuz": initramfs.kernel(),
             "initrd": initramfs.initrd(initramfs.parse_extra(extra), kvm)}
    config = f"{TERMINAL}linux /vmlinuz {grub_words(cmdline)}\ninitrd /initrd\nboot\n"
    return store(config, files)


def l1_disk(l1: L1, linux_words: str) -> Path | None:
    """The disk L1 boots from; None for the kind `none`."""
    if l1.kind == "none":
        return None
    if l1.kind == "raw":
        read(l1.path, "raw disk image")
        return l1.path
    if l1.kind == "linux":
        words = " ".join(part for part in (linux_words, l1.cmdline) if part)
        return linux_disk(words, l1.extra, l1.kvm)
    return multiboot_disk(l1.path, l1.kind, l1.cmdline)
