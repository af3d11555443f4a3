# SPDX-License-Identifier: BSD-2-Clause
"""Booting lhv natively or through the hypervisor, by the lab."""

from pathlib import Path

from lablib.boot import BootConfig, BootResult, boot
from lablib.paths import BUILD

XMHF = BUILD / "none" / "xmhf.elf"


def image(width: int = 64) -> Path:
    """The lhv of this width."""
    return BUILD / "lhv" / f"lhv{width}.elf"


def run(name: str, words: str, xmhf: Path | None = None, width: int = 64, quick: bool = False, **settings) -> BootResult:
    """Boots lhv with the command line @words; natively if there is no @xmhf; without GRUB if @quick."""
    protocol, kind = ("direct", "direct") if quick else ("multiboot2", "multiboot")
    config = BootConfig(xmhf=xmhf, native=xmhf is None, protocol=protocol, l1=f"{kind}:{image(width)}", l1_cmdline=words,
                        out=BUILD / "lab" / f"lhv-{name}", echo=False, **settings)
    return boot(config)
