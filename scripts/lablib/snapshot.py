# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots of the emulator: L1's Linux is booted once, and runs start where it was ready.

A snapshot holds for one machine, one set of disks and one emulator: its name is the hash of all
of them.  What a run adds, files and words, comes to L1 on a disk of its own, the payload.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from . import bochs, cpio, initramfs
from .errors import LabError, UsageError
from .paths import BUILD, find_bochs, tool
from .run import Child

FOLDER = BUILD / "snapshots"
KEEP = 6  # snapshots; each is as large as what the guest uses of its memory
PAYLOAD_BYTES = 32 << 20  # of the disk: a run's disk must be as large as the snapshot's
MAGIC = b"LABPAYLD"
SECTOR = 512
INIT = "init-snapshot"
STARTED = re.compile(r"^\d+i\[PLUGIN\] init_dev of '(\w+)'", re.MULTILINE)
ORDER = "devices.txt"  # those of the snapshot, in the order in which they started
BEFORE = "serial-before.txt"  # what the serial port said up to the snapshot
# Words that L1's programs read; others are the kernel's, and only a boot gives it these.
OURS = ("probe.", "clients.", "kvm_intel.")


def split_words(cmdline: str) -> tuple[str, str]:
    """(the program to start, the words for it) of L1's command line; refuses words of the kernel."""
    program, words = "/init", []
    for word in cmdline.split():
        if word.startswith("rdinit="):
            program = word.partition("=")[2]
        elif word.startswith(OURS):
            words.append(word)
        else:
            raise UsageError(f"--snapshot cannot give L1's kernel the word {word}: it is booted already")
    return program, " ".join(words)


def payload(program: str, words: str, extra: list[tuple[str, Path]], kvm: bool) -> bytes:
    """The disk of a run: a head, then an archive of its files."""
    entries = [cpio.directory("payload"), cpio.regular("payload/words", f"{words}\n".encode()),
               cpio.symlink("payload/init", program)]
    entries += initramfs.added(extra, kvm)
    archive = cpio.archive(entries)
    if len(archive) + SECTOR > PAYLOAD_BYTES:
        raise UsageError(f"--snapshot takes at most {PAYLOAD_BYTES >> 20} MiB of files, here are {len(archive)} bytes")
    head = MAGIC + len(archive).to_bytes(8, "little")
    return head.ljust(SECTOR, b"\0") + archive


def write_payload(path: Path, data: bytes) -> None:
    """The disk, of one size whatever it holds."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    os.truncate(path, PAYLOAD_BYTES)


def key(machine: bochs.Machine, disks: list[Path]) -> str:
    """The hash of everything that a snapshot depends on."""
    program, share = find_bochs()
    state = hashlib.sha256()
    for part in (bochs.bochsrc(machine, Path("share"), Path("out")).encode(), bytes([machine.debugger]),
                 *(path.read_bytes() for path in disks),
                 *(path.read_bytes() for path in emulator_files(Path(program), share)),
                 bochs.PRELOAD_SOURCE.read_bytes()):
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()[:16]


def emulator_files(program: Path, share: Path) -> list[Path]:
    """What the emulator is made of, as far as a saved state can depend on it."""
    binary = share.parents[1] / "bin" / "bochs-bin"
    return [binary if binary.exists() else program, share / "BIOS-bochs-latest", share / "VGABIOS-lgpl-latest"]


@contextmanager
def locked():
    """One process at a time makes, removes or copies snapshots."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    handle = os.open(FOLDER / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def forget_old(keep: str) -> None:
    """Removes those not used for longest."""
    found = sorted((path for path in FOLDER.iterdir() if path.is_dir() and path.name != keep),
                   key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEEP - 1:]:
        shutil.rmtree(path)


def make(name: str, machine: bochs.Machine, disks: list[Path], timeout: float) -> Path:
    """Boots L1 to where it is kept; the snapshot, its serial output, and what it took."""
    target = FOLDER / name
    work = FOLDER / f"{name}.new"
    shutil.rmtree(work, ignore_errors=True)
    (work / "state").mkdir(parents=True)
    copies = []
    for number, disk in enumerate(disks):
        copies.append(work / f"disk{number}.img")
        shutil.copyfile(disk, copies[-1])
    write_payload(work / "payload.img", b"")
    machine.disks, machine.payload = copies, work / "payload.img"
    print(f"lab: no snapshot {name} yet (or something in it changed): booting L1 once", file=sys.stderr, flush=True)
    start = time.monotonic()
    child = Child(bochs.prepare(machine, work), work, bochs.preload(), {"LAB_SNAPSHOT": str(work / "state")})
    try:
        while child.wait(0.2) and time.monotonic() - start < timeout:
            pass
    finally:
        child.stop()
    said = (work / "err.txt").read_text(errors="replace")
    if "snapshot saved" not in said:
        raise LabError(f"L1 did not get as far as its snapshot in {timeout:g} s; see {work}")
    for path in (work / "state").iterdir():
        subprocess.run([tool("fallocate"), "--dig-holes", str(path)], check=False, capture_output=True)
    work.rename(target)
    print(f"lab: snapshot {name} made in {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return target


def ready(machine: bochs.Machine, disks: list[Path], timeout: float) -> Path:
    """The snapshot of this machine with these disks; made when there is none."""
    machine.disks, machine.payload = [Path(f"disk{n}") for n in range(len(disks))], Path("payload")
    name = key(machine, disks)
    with locked():
        if not (FOLDER / name).exists():
            make(name, machine, disks, timeout)
            forget_old(name)
        os.utime(FOLDER / name)
    return FOLDER / name


def is_payload(path: Path) -> bool:
    """Whether this file of a saved state is the copy of the disk that a run brings."""
    return path.stat().st_size == PAYLOAD_BYTES and path.name.startswith("hard_drive")


def devices(log: str) -> list[str]:
    """The devices in the order in which Bochs started them, which its log says."""
    return STARTED.findall(log)


def in_order(config: str, order: list[str]) -> str:
    """The configuration that Bochs saved, with its plugins in the order in which they started.

    Bochs numbers its timers as its devices start, and saves them by number.  Plugins start in the
    order in which plugin_ctrl names them, but one that only a device asks for, as the chipset does
    for usb_uhci, starts last: the saved line names it among the others.
    """
    def place(word: str) -> int:
        name, _, value = word.partition("=")
        return order.index(name) if value == "true" and name in order else -1

    def ordered(match: re.Match) -> str:
        return f"plugin_ctrl: {', '.join(sorted(match[1].split(', '), key=place))}"
    return re.sub(r"^plugin_ctrl: (.*)$", ordered, config, flags=re.MULTILINE)


def wrong_timers(out: Path, log: str) -> bool:
    """Whether devices of this run got the saved timers of others."""
    return devices(log) != (out / ORDER).read_text().split("\n")


def start(kept: Path, machine: bochs.Machine, data: bytes, out: Path) -> Child:
    """Starts a run from the snapshot; its files are in @out.

    Bochs copies its saved disks over those of its configuration: these are the run's own.
    """
    state = out / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    order = devices((kept / "log.txt").read_text())
    (out / ORDER).write_text("\n".join(order))
    made_in = str(FOLDER / f"{kept.name}.new")
    for path in (kept / "state").iterdir():
        if path.name == "config":
            (state / path.name).write_text(in_order(path.read_text(), order).replace(made_in, str(out)))
        elif is_payload(path):
            write_payload(state / path.name, data)
        else:
            (state / path.name).symlink_to(path)
    for path in kept.glob("*.img"):
        shutil.copyfile(path, out / path.name)
    shutil.copyfile(kept / "serial.txt", out / BEFORE)
    program, _ = find_bochs()
    words = [program, "-q", "-r", str(state)]
    if machine.debugger:
        (out / "debugger.rc").write_text("c\nq\n")
        words += ["-debugger", "-rc", str(out / "debugger.rc")]
    return Child(words, out, bochs.preload())
