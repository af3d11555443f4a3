# SPDX-License-Identifier: BSD-2-Clause
"""Runs of clients, one after the other, and what is kept of them."""

import json
import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from lablib.boot import BootResult, boot
from lablib.paths import BUILD, ROOT

from . import build, counts, failure, rows
from .soak import judge as judge_soak
from .view import View

RESULTS = BUILD / "clients" / "results"
# Lines that tell more of a failure than that no verdict came.
INTERESTING = re.compile(r"bug:|panic|BUG:|Oops|Call Trace|not ok |KVM exit|vmm: |error|failed|unexpected", re.I)


@dataclass(frozen=True)
class Options:
    """How to run clients."""

    xmhf: Path = rows.XMHF
    show: bool = False
    trace: bool = True  # run again with every VM exit logged what failed
    words: str = ""  # more words for L1's Linux
    snapshot: bool = False  # do not boot L1's Linux with KVM but restore it


def first_interesting(result: BootResult) -> str:
    """The first line that looks like a cause; Bochs' complaints when there is none."""
    lines = result.serial.replace("\r", "").splitlines()
    known = re.compile(r"Failed to access perfctr|Firmware Bug|GlobalLock|Global Lock|PCI: Fatal")
    for line in lines:
        if INTERESTING.search(line) and not known.search(line):
            return line.strip()
    return (result.complaints or lines or ["nothing on the serial port"])[-1].strip()


def commit() -> str:
    """The commit of this tree, with a + when something differs from it."""
    words = ["git", "describe", "--always", "--dirty=+"]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def keep(client: rows.Client, side: str, result: BootResult, tree: str) -> None:
    """Writes what the table needs; @tree is the commit it was run from."""
    found = counts.parse(result.serial)
    said = counts.verdicts_of_lhv(result.serial)
    data = {"commit": tree, "passed": result.passed, "reason": result.reason, "ticks": result.ticks,
            "userspace": found.ticks_between("l2-1-start", "l2-userspace"),
            "l2": found.ticks_between("l2-1-start", "l2-1-done"), "churn": found.churn,
            "kvm_exits": found.kvm.get("exits"),
            "lhv": {word: list(said.values()).count(word) for word in sorted(set(said.values()))},
            "lhv_not_ok": [name for name, word in said.items() if word == "not ok"],
            "exits": {kind: found.total(kind) for kind in sorted(found.exits)},
            "first_line": "" if result.passed else first_interesting(result)}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{client.name}-{side}.json").write_text(json.dumps(data, indent=1) + "\n")


def against_native(client: rows.Client, result: BootResult) -> None:
    """A client with verdicts of its own passes on the hypervisor if none is worse than natively."""
    path = BUILD / "clients" / "runs" / f"{client.name}-native" / "serial.txt"
    native = counts.verdicts_of_lhv(path.read_text(errors="replace")) if path.exists() else {}
    wrong = worse(native, counts.verdicts_of_lhv(result.serial))
    if not native or wrong:
        result.passed = False
        result.reason = f"{len(wrong)} cases worse than natively: {'; '.join(wrong[:5])}" if native else \
            "there is no native run to compare with"


def worse(native: dict[str, str], ours: dict[str, str]) -> list[str]:
    """Cases that say something else than natively; one that fails natively only is the emulator's or KVM's."""
    return [f"{name}: {ours.get(name, 'no word')}, natively {native.get(name, 'no word')}"
            for name in {**native, **ours} if ours.get(name) != native.get(name)
            and (native.get(name), ours.get(name)) != ("not ok", "ok")]


def run_one(client: rows.Client, side: str, options: Options) -> bool:
    """One client on one side."""
    tree = commit()
    config = client.config(side == "native", options.xmhf)
    config.l1_cmdline = f"{config.l1_cmdline} {options.words}".strip()
    config.snapshot = options.snapshot and client.kvm and not client.ourselves
    with View(config.out / "serial.txt") if options.show else nullcontext():
        result = boot(config)
    if client.as_natively and side == "xmhf" and result.passed:
        against_native(client, result)
    if not options.words and not config.snapshot:  # a snapshot's ticks are not those of a whole run
        keep(client, side, result, tree)
    print(f"{'ok' if result.passed else 'not ok'} - {client.name}, {side}: {result.reason} "
          f"({result.seconds:.1f} s, {result.ticks} ticks; {config.out})", flush=True)
    if not result.passed:
        print(f"#   {first_interesting(result)}", flush=True)
        print(f"#   {failure.keep(result, config, first_interesting(result), options.trace)}", flush=True)
    return result.passed


def run_all(clients: list[rows.Client], sides: tuple[str, ...], options: Options) -> int:
    """Every client on every side; the sum is the last line."""
    passed = [run_one(client, side, options) for client in clients for side in sides]
    print(f"check-clients: {sum(passed)} passed, {len(passed) - sum(passed)} failed", flush=True)
    return 0 if passed and all(passed) else 1


def demo(xmhf: Path) -> int:
    """One boot of all levels with a live view; 0 if each level said what it must."""
    client = rows.by_name("kvm-linux")
    config = client.config(False, xmhf)
    config.out = BUILD / "clients" / "runs" / "demo"
    config.l1_cmdline += " clients.guests=0 clients.reasons=1"
    config.l1_trace_files = True
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


def soak(xmhf: Path, number: int) -> int:
    """The innermost Linux boots many times in one L1, with 1 and 2 CPUs in turn; nothing piles up in L0."""
    config = rows.by_name("kvm-linux").config(False, xmhf)
    config.out = BUILD / "clients" / "runs" / "soak"
    config.l1_cmdline = f"rdinit=/init-vmm clients.cpus=alternate clients.runs={number} clients.l2=l2.nosum"
    config.timeout = 600.0 + 200.0 * number
    config.expect = [rf"LAB-RESULT pass {number + 1}/{number + 1}"]
    with View(config.out / "serial.txt"):
        result = boot(config)
    report, problems = judge_soak(result.serial, number)
    print("\n".join(report + [f"soak: {problem}" for problem in problems]))
    print(result.summary())
    return 0 if result.passed and not problems else 1
