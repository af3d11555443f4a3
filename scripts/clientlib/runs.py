# SPDX-License-Identifier: BSD-2-Clause
"""Runs of clients, one after the other, and what is kept of them."""

import json
import re
import sys
from contextlib import nullcontext
from pathlib import Path

from lablib.boot import BootResult, boot
from lablib.paths import BUILD

from . import build, counts, rows
from .view import View

RESULTS = BUILD / "clients" / "results"
# Lines that tell more of a failure than that no verdict came.
INTERESTING = re.compile(r"bug:|panic|BUG:|Oops|Call Trace|not ok |KVM exit|vmm: |error|failed|unexpected", re.I)


def first_interesting(result: BootResult) -> str:
    """The first line that looks like a cause; Bochs' complaints when there is none."""
    lines = result.serial.replace("\r", "").splitlines()
    known = re.compile(r"Failed to access perfctr|Firmware Bug|GlobalLock|Global Lock|PCI: Fatal")
    for line in lines:
        if INTERESTING.search(line) and not known.search(line):
            return line.strip()
    return (result.complaints or lines or ["nothing on the serial port"])[-1].strip()


def keep(client: rows.Client, side: str, result: BootResult) -> None:
    """Writes what the table needs."""
    found = counts.parse(result.serial)
    data = {"passed": result.passed, "reason": result.reason, "seconds": round(result.seconds, 1),
            "ticks": result.ticks, "l2_ticks": found.ticks_between("kvm-loaded", "l2-1-done"),
            "kvm_exits": found.kvm.get("exits"),
            "exits": {kind: found.total(kind) for kind in sorted(found.exits)},
            "first_line": "" if result.passed else first_interesting(result)}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{client.name}-{side}.json").write_text(json.dumps(data, indent=1) + "\n")


def run_one(client: rows.Client, side: str, xmhf: Path, show: bool) -> bool:
    """One client on one side."""
    config = client.config(side == "native", xmhf)
    with View(config.out / "serial.txt") if show else nullcontext():
        result = boot(config)
    keep(client, side, result)
    print(f"{'ok' if result.passed else 'not ok'} - {client.name}, {side}: {result.reason} "
          f"({result.seconds:.1f} s, {result.ticks} ticks; {config.out})", flush=True)
    if not result.passed:
        print(f"#   {first_interesting(result)}", flush=True)
        for line in result.complaints:
            print(f"#   Bochs: {line}", flush=True)
    return result.passed


def run_all(clients: list[rows.Client], sides: tuple[str, ...], xmhf: Path, show: bool) -> int:
    """Every client on every side; the sum is the last line."""
    passed = [run_one(client, side, xmhf, show) for client in clients for side in sides]
    print(f"check-clients: {sum(passed)} passed, {len(passed) - sum(passed)} failed", flush=True)
    return 0 if passed and all(passed) else 1


def demo(xmhf: Path) -> int:
    """One boot of all levels with a live view; 0 if each level said what it must."""
    client = rows.by_name("kvm-linux")
    config = client.config(False, xmhf)
    config.out = BUILD / "clients" / "runs" / "demo"
    print("GRUB2 -> xmhf-nest (L0) -> Debian Linux with KVM (L1) -> Debian Linux (L2), in Bochs; "
          "about half a minute\n", flush=True)
    with View(config.out / "serial.txt"):
        result = boot(config)
    found = counts.parse(result.serial)
    problems = ([] if result.passed else [result.reason]) + counts.missing(found)
    print("\n" + "\n".join(counts.per_level(found)))
    print(f"L2 {'computed the sum this machine computes: ' if result.passed else 'should say: '}"
          f"{build.expected_checksum()}")
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    print(f"demo: {'FAIL' if problems else 'PASS'} ({result.seconds:.1f} s, {result.ticks} ticks; {config.out})")
    return 1 if problems else 0


def soak(xmhf: Path, runs: int) -> int:
    """The innermost Linux boots many times in one L1; every boot takes as many exits as another."""
    client = rows.by_name("kvm-linux")
    config = client.config(False, xmhf)
    config.out = BUILD / "clients" / "runs" / "soak"
    config.l1_cmdline += f" clients.runs={runs}"
    config.timeout = 60.0 + 20.0 * runs
    config.expect.append(rf"LAB-RESULT pass {runs + 1}/{runs + 1}")
    with View(config.out / "serial.txt"):
        result = boot(config)
    print(result.summary())
    return 0 if result.passed else 1
