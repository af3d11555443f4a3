# SPDX-License-Identifier: BSD-2-Clause
"""Booting lhv natively or through the hypervisor, by the lab."""

from pathlib import Path

from lablib.boot import BootConfig, BootResult, boot
from lablib.paths import BUILD

XMHF = BUILD / "none" / "xmhf.elf"


def image(width: int = 64) -> Path:
    """The lhv of this width."""
    return BUILD / "lhv" / f"lhv{width}.elf"


def run(name: str, words: str, xmhf: Path | None = None, width: int = 64, **settings) -> BootResult:
    """Boots lhv with the command line @words; natively if there is no @xmhf."""
    config = BootConfig(xmhf=xmhf, native=xmhf is None, l1=f"multiboot:{image(width)}", l1_cmdline=words,
                        out=BUILD / "lab" / f"lhv-{name}", echo=False, **settings)
    return boot(config)
