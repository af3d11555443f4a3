# SPDX-License-Identifier: BSD-2-Clause
"""What is kept of a run that failed, in one folder beside its artefacts.

    summary.txt    the reason, the tick of the end, the first line that looks like a cause
    L0.txt, ...    the serial port, taken apart by who spoke
    vmcs.txt       dumps of VMCSs, L0's and KVM's (scripts/vmcs reads them)
    emulator.txt   why the emulator refused VMX instructions or VM entries, or stopped
    exits.txt      the last VM entries and exits, each with its tick, from a second run: runs are repeatable
"""

import os
import re
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from lablib.boot import BootConfig, BootResult, boot

from .view import Levels

LAST_EXITS = 5000
EXIT = re.compile(r"VM(?:EXIT|ENTER|FAIL|LAUNCH|RESUME|ABORT)")
REFUSAL = re.compile(r"^\d+[a-z]\[.*\] .*(?:VMFAIL|VMENTER FAIL|VMABORT|>>PANIC<< (?!Shutdown port)|triple fault).*$", re.MULTILINE)
# Lines of L0's dumps hold @tag@field, KVM's dump_vmcs begins with a line of stars or the VMCS' address.
OURS = re.compile(r"@[\w-]+@\w+ *=")
KVMS_BEGIN = re.compile(r"\*\*\* Guest State \*\*\*|VMCS [0-9a-f]+, last attempted VM-entry")
STAMP = re.compile(r"^(?:\[ *\d+\.\d+\] )?(?:kvm_intel: )?")
KVMS_LINE = re.compile(r"^(?:\*\*\*|CR[0348]:|CR3 =|EFER|RSP|RFLAGS|Sysenter|[CDEFGS]S:|LDTR|GDTR|IDTR|TR:|PDPTR|DebugCtl|"
                       r"Interrupt|RIP =|FSBase|CPUBased|PinBased|Entry|Exit|Exception|VMEntry|VMExit|  *reason|IDTVector|"
                       r"TSC |TPR|APIC|PLE|EPT|Virtual|SVI|MSR|PerfGlob|BndCfgS|VMCS|CR0: |autoload|virt-APIC)")


def vmcs_dumps(serial: str) -> list[str]:
    """The lines of L0's and KVM's dumps."""
    found, inside = [], False
    for line in serial.replace("\r", "").splitlines():
        bare = STAMP.sub("", line)
        inside = bool(KVMS_BEGIN.search(bare)) or (inside and bool(KVMS_LINE.match(bare)))
        if inside or OURS.search(line):
            found.append(line)
    return found


def write(folder: Path, name: str, lines: list[str], nothing: str) -> None:
    """One file; when there is nothing to say it says that."""
    (folder / name).write_text("\n".join(lines or [f"({nothing})"]) + "\n")


def last_exits(log: Path) -> list[str]:
    """The last VM entries and exits of Bochs' log."""
    with open(log, errors="replace") as lines:
        return [line.rstrip("\n") for line in deque((line for line in lines if EXIT.search(line)), LAST_EXITS)]


def traced(config: BootConfig, folder: Path) -> list[str]:
    """The same run again with every VM entry and exit in Bochs' log, which is gigabytes: only the end is kept."""
    again, pipe = folder / "again", folder / "log.pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        lines = reader.submit(last_exits, pipe)
        boot(replace(config, out=again, vmx_log=True, echo=False, timeout=3 * config.timeout,
                     bochs_options=[*config.bochs_options, f'log: "{pipe}"']))
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # in case Bochs never opened it
    shutil.rmtree(again)
    pipe.unlink()
    return lines.result()


def keep(result: BootResult, config: BootConfig, first_line: str, trace: bool) -> Path:
    """Fills the folder `failure` beside the artefacts of a run that failed; returns it."""
    folder = result.out / "failure"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    levels = Levels()
    said = levels.feed(result.serial + "\n")
    for level in ("L0", "L1", "L2"):
        write(folder, f"{level}.txt", [line for who, line in said if who == level], f"{level} said nothing")
    log = result.log.read_text(errors="replace") if result.log.exists() else ""
    write(folder, "emulator.txt", REFUSAL.findall(log), "the emulator refused nothing")
    write(folder, "vmcs.txt", vmcs_dumps(result.serial + result.e9), "nobody dumped a VMCS")
    write(folder, "summary.txt", [result.summary(), f"tick {result.ticks}", first_line, *result.backtrace], "")
    if trace and config.emulator == "bochs":
        write(folder, "exits.txt", traced(config, folder), "no VM exits")
    return folder
