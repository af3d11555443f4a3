# SPDX-License-Identifier: BSD-2-Clause
"""Bochs: its configuration file, its command line, its log."""

import hashlib
import os
import re
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LabError, UsageError
from .paths import BUILD, bochs_models, find_bochs, tool

IPS = 50_000_000
MAX_HOST_MEMORY = 2048
TIME0 = 946684800
PRELOAD_SOURCE = Path(__file__).resolve().parent / "bochs_preload.c"
# What Bochs and its debugger themselves print, besides the characters written to port 0xE9.
OWN_LINE = re.compile(r"^(=+$|\s+Bochs x86 Emulator |\s+Built from |\s+Timestamp: "
                      r"|\d{11,}[deip]\[|magic breakpoint mask|Bochs internal debugger"
                      r"|Switching to CPU|Next at t=|\(\d+\)\.? ?\[|Bochs is exiting with"
                      r"|\[[A-Z0-9 ]{6}\] )")
TICK = re.compile(r"^(\d{11,})[deip>]", re.MULTILINE)


@dataclass
class Machine:
    """A machine as Bochs shall be it."""

    model: str
    cpus: int
    memory: int
    disks: list[Path]
    debugger: bool
    vmx_log: bool = False
    ignore_bad_msrs: bool = True
    options: list[str] = field(default_factory=list)
    payload: Path | None = None  # the disk of a run from a snapshot


def disk_lines(disks: list[Path]) -> list[str]:
    """ATA lines; the BIOS numbers them 0x80, 0x81 in the order of the channels."""
    places = ("ata0-master", "ata0-slave", "ata1-master", "ata1-slave")
    if len(disks) > len(places):
        raise UsageError(f"at most {len(places)} disks")
    return [f"{place}: type=disk, mode=flat, path=\"{disk}\""
            for place, disk in zip(places, disks)]


def payload_lines(payload: Path | None) -> list[str]:
    """The disk a snapshot's run gets its files from (l1linux/payload.c)."""
    return [f"ata1-master: type=disk, mode=flat, path=\"{payload}\""] if payload else []


def bochsrc(machine: Machine, share: Path, out: Path) -> str:
    """The configuration file of a run whose artefacts go to @out."""
    host = min(machine.memory, MAX_HOST_MEMORY)
    reporters = "".join(f", cpu{n}=report" for n in range(machine.cpus))
    lines = [
        f"memory: guest={machine.memory}, host={host}",
        f"cpu: model={machine.model}, count={machine.cpus}, ips={IPS}, "
        f"reset_on_triple_fault=0, ignore_bad_msrs={int(machine.ignore_bad_msrs)}",
        'display_library: rfb, options="timeout=0"',
        f'romimage: file="{share}/BIOS-bochs-latest", options=fastboot',
        f'vgaromimage: file="{share}/VGABIOS-lgpl-latest"',
        *disk_lines(machine.disks),
        *payload_lines(machine.payload),
        "boot: disk",
        f'com1: enabled=1, mode=file, dev="{out}/serial.txt"',
        "port_e9_hack: enabled=1",
        "magic_break: enabled=1",
        "plugin_ctrl: iodebug=1, speaker=0",
        f"clock: sync=none, time0={TIME0}",
        f'log: "{out}/log.txt"',
        "panic: action=fatal",
        "error: action=report",
        "info: action=report",
        f"debug: action=ignore{reporters if machine.vmx_log else ''}",
    ]
    return "\n".join(lines + machine.options) + "\n"


def prepare(machine: Machine, out: Path) -> list[str]:
    """Writes the configuration into @out; returns the command to run."""
    program, share = find_bochs()
    models = bochs_models(program)
    if machine.model not in models:
        raise UsageError(f"Bochs has no CPU model {machine.model}; it has: {', '.join(models)}")
    for image in ("BIOS-bochs-latest", "VGABIOS-lgpl-latest"):
        if not (share / image).exists():
            raise LabError(f"Bochs' BIOS is missing ({share / image}): run scripts/setup")
    (out / "bochsrc").write_text(bochsrc(machine, share, out))
    words = [program, "-q", "-f", str(out / "bochsrc")]
    if machine.debugger:
        (out / "debugger.rc").write_text("c\nq\n")
        words += ["-debugger", "-rc", str(out / "debugger.rc")]
    return words


def preload() -> Path:
    """The library that makes RDRAND repeatable; compiled when it is not there."""
    source = PRELOAD_SOURCE.read_bytes()
    target = BUILD / "lab" / f"bochs-preload-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.new")
        words = [tool("gcc"), "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-nostdlib",
                 "-o", str(partial), str(PRELOAD_SOURCE)]
        run = subprocess.run(words, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise LabError(f"{PRELOAD_SOURCE.name} does not compile:\n{run.stderr}")
        partial.rename(target)
    return target


def e9_text(out: str) -> str:
    """What the guest wrote to port 0xE9: Bochs' standard output less Bochs' own lines."""
    return "".join(line for line in out.splitlines(keepends=True) if not OWN_LINE.match(line))


def last_tick(log: str) -> int | None:
    """The tick of the last line of Bochs' log."""
    ticks = TICK.findall(log[-100_000:])
    return max(map(int, ticks)) if ticks else None


def vmx_complaints(log: str, most: int = 5) -> list[str]:
    """The last lines in which Bochs says why a VMX instruction or a VM entry failed."""
    lines = re.findall(r"^\d+[a-z]\[.*\] .*VM(?:FAIL|ENTER FAIL|ABORT).*$", log, re.MULTILINE)
    return lines[-most:]


def fatal_reason(log: str) -> str | None:
    """What Bochs gave as the reason for its own end, if anything."""
    panics = re.findall(r"^\d+p\[\s*(\S*)\s*\] >>PANIC<< (.*)$", log, re.MULTILINE)
    if panics:
        device, text = panics[-1]
        return f"Bochs panic ({device}): {text}"
    errors = re.findall(r"^\d+e\[.*\] (.*(?:triple fault|shutdown).*)$", log, re.MULTILINE | re.IGNORECASE)
    return errors[-1] if errors else None
