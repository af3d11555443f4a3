# SPDX-License-Identifier: BSD-2-Clause
"""The table of boots."""

from dataclasses import dataclass, field
from pathlib import Path

from lablib.boot import BootConfig
from lablib.paths import BUILD

from .payloads import payload

NONE = BUILD / "none" / "xmhf.elf"
TRACE = BUILD / "trace" / "xmhf.elf"


@dataclass
class Row:
    """One boot, and what must come of it."""

    name: str
    what: str
    expect: list[str] = field(default_factory=list)
    forbid: list[str] = field(default_factory=list)
    verdict: bool = True  # LAB-RESULT pass is expected
    quick: bool = False  # part of every run
    weight: int = 1  # about how many seconds it takes, by tens
    test: str = ""  # program of xmhf/test/l1 that is L1
    native_too: bool = False  # the same L1 must say the same without L0
    boot: dict = field(default_factory=dict)  # of BootConfig

    def config(self) -> BootConfig:
        """What the lab shall boot."""
        settings = {"xmhf": NONE, "timeout": 150.0, "echo": False, **self.boot}
        if self.test:
            settings["l1"] = f"raw:{payload(self.test)}"
        return BootConfig(**settings)

    def native_config(self) -> BootConfig:
        """The same without L0."""
        config = self.config()
        config.xmhf, config.native, config.cmdline = None, True, ""
        return config


STARTED = r"^CPU\(0x00\): \d+ CPUs; L1 starts with drive 0x81"
NATIVELY = r"starting the boot sector of drive 0x81 natively"

LINUX = [
    Row("linux-1", "Linux, 1 CPU", [STARTED], quick=True, weight=2),
    Row("linux-2-trace", "Linux, 2 CPUs, hypapp trace, Multiboot 1", [STARTED, r"PROBE exits total 101 cpuid"],
        quick=True, weight=5, boot={"xmhf": TRACE, "cpus": 2, "protocol": "multiboot"}),
    Row("linux-4", "Linux, 4 CPUs, 3 GiB", [STARTED], weight=9, boot={"cpus": 4, "memory": 3072, "timeout": 300.0}),
]

BOOTS: list[Row] = [*LINUX]
