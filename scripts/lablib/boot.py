# SPDX-License-Identifier: BSD-2-Clause
"""One boot in an emulator: from a configuration to a verdict."""

import fcntl
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import bochs, images, initramfs, qemu, snapshot, verdict
from .errors import LabError, UsageError
from .paths import BUILD, L1LINUX
from .run import Child
from .symbols import symbolize

EMULATORS = ("bochs", "qemu", "kvm")
DEFAULT_MODEL = "corei7_skylake_x"
GRACE = 1.0
ARTEFACTS = ("serial.txt", "e9.txt", "log.txt", "out.txt", "err.txt", "status.txt")


@dataclass
class BootConfig:
    """What to boot, on what, and what to expect.  The defaults are those of `lab boot`."""

    first_disk: Path | None = None  # boots before the others, as drive 0x80
    xmhf: Path | None = None
    native: bool = False
    protocol: str = "multiboot2"
    cmdline: str = ""
    l1: str = "linux"
    l1_cmdline: str = ""
    l1_add: list[str] = field(default_factory=list)
    l1_kvm: bool = False
    l1_trace_files: bool = False  # L1's Linux has /sys/kernel/tracing
    cpus: int = 1
    memory: int = 512
    model: str = DEFAULT_MODEL
    emulator: str = "bochs"
    timeout: float = 300.0
    out: Path | None = None
    debugger: str = "auto"
    expect: list[str] = field(default_factory=list)
    bochs_options: list[str] = field(default_factory=list)
    vmx_log: bool = False
    ignore_bad_msrs: bool = True
    snapshot: bool = False  # L1's Linux is not booted but restored
    echo: bool = True


@dataclass
class BootResult:
    """What came of a boot."""

    passed: bool
    reason: str
    end: str
    seconds: float
    ticks: int | None
    exit_status: int | None
    out: Path
    serial: str
    e9: str
    complaints: list[str]
    backtrace: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """Bochs' log file."""
        return self.out / "log.txt"

    def summary(self) -> str:
        """One line for the user."""
        word = "PASS" if self.passed else "FAIL"
        ticks = f", {self.ticks} ticks" if self.ticks is not None else ""
        complaints = [] if self.passed else [f"lab: Bochs: {line}\n" for line in self.complaints]
        backtrace = [f"lab: {line}\n" for line in self.backtrace]
        return "".join(complaints + backtrace) + f"lab: {word}: {self.reason} ({self.seconds:.1f} s{ticks}; ended by {self.end}; {self.out})"


def validate(config: BootConfig) -> None:
    """Refuses what cannot be meant, before anything is built."""
    if config.emulator not in EMULATORS:
        raise UsageError(f"unknown emulator: {config.emulator} (known: {', '.join(EMULATORS)})")
    if config.native and config.xmhf:
        raise UsageError("--native boots L1 without a hypervisor: it excludes --xmhf")
    if not config.native and config.xmhf is None:
        raise UsageError("name the hypervisor with --xmhf PATH, or say --native")
    if config.native and images.parse_l1(config.l1).kind == "none":
        raise UsageError("--native with --l1 none leaves nothing to boot")
    if not 1 <= config.cpus <= 8 and config.emulator == "bochs":
        raise UsageError("Bochs has 1 to 8 CPUs")
    if config.cpus < 1 or config.memory < 8 or config.timeout <= 0:
        raise UsageError("--cpus, --mem (8 MiB or more) and --timeout must be positive")
    if config.debugger not in ("auto", "yes", "no"):
        raise UsageError("--debugger is auto, yes or no")
    if config.snapshot:
        if config.emulator != "bochs" or images.parse_l1(config.l1).kind != "linux":
            raise UsageError("--snapshot is for --l1 linux in Bochs")
        if config.memory > bochs.MAX_HOST_MEMORY:
            raise UsageError(f"--snapshot is for at most {bochs.MAX_HOST_MEMORY} MiB: with more, Bochs keeps memory in a file")
        snapshot.split_words(config.l1_cmdline)
    for pattern in config.expect:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"not a regular expression: {pattern!r}: {error}") from error


def linux_words(config: BootConfig) -> str:
    """Kernel words of L1's Linux that follow from the machine."""
    left_out = [name for name in initramfs.NOT_NEEDED if name != initramfs.TRACE_FILES or not config.l1_trace_files]
    words = [initramfs.BASE_WORDS, "initcall_blacklist=" + ",".join(left_out)]
    if config.emulator == "bochs":
        words.append(initramfs.BOCHS_WORDS)
    native = config.native or config.emulator == "qemu"  # no VMX there: L0 steps aside
    for word in (f"probe.cpus={config.cpus}", f"probe.native={int(native)}"):
        if word.partition("=")[0] + "=" not in config.l1_cmdline:  # the user knows better
            words.append(word)
    if config.l1_kvm:
        words.append(initramfs.KVM_WORDS)
    return " ".join(words)


def build_disks(config: BootConfig) -> list[Path]:
    """The images, in the order of their BIOS drive numbers."""
    if config.snapshot:
        config = bare(config)
    l1 = images.parse_l1(config.l1, config.l1_cmdline)
    l1.extra = config.l1_add
    l1.kvm = config.l1_kvm
    disks = [config.first_disk] if config.first_disk else []
    if config.xmhf is not None:
        disks.append(images.multiboot_disk(config.xmhf, config.protocol, config.cmdline))
    l1_disk = images.l1_disk(l1, linux_words(config))
    if l1_disk is not None:
        disks.append(l1_disk)
    return disks


def bare(config: BootConfig) -> BootConfig:
    """What a snapshot is made of: the same for all runs on one machine."""
    return replace(config, snapshot=False, l1_kvm=False, l1_cmdline=f"rdinit=/{snapshot.INIT}",
                   l1_add=[f"{snapshot.INIT}={L1LINUX / snapshot.INIT}"])


def payload(config: BootConfig) -> bytes:
    """What L1 gets of a run from a snapshot: the words that it reads, and files."""
    program, _ = snapshot.split_words(config.l1_cmdline)
    return snapshot.payload(program, f"{linux_words(config)} {config.l1_cmdline}",
                            initramfs.parse_extra(config.l1_add), config.l1_kvm)


def default_out(config: BootConfig) -> Path:
    """Where the artefacts go when nobody says."""
    l1 = config.l1.partition(":")[0]
    l1 += "-kvm" if config.l1_kvm else ""
    who = "native" if config.native else config.xmhf.stem
    return BUILD / "lab" / f"{who}-{l1}-{config.cpus}cpu-{config.emulator}"


def private_copies(disks: list[Path], out: Path) -> list[Path]:
    """Copies for this run alone: guests write, and emulators lock."""
    copies = []
    for number, disk in enumerate(disks):
        copy = out / f"disk{number}.img"
        shutil.copyfile(disk, copy)
        copies.append(copy)
    return copies


def start_emulator(config: BootConfig, disks: list[Path], out: Path) -> Child:
    """Starts the emulator on these disks."""
    if config.emulator == "bochs":
        debugger = config.cpus > 1 if config.debugger == "auto" else config.debugger == "yes"
        machine = bochs.Machine(config.model, config.cpus, config.memory, disks, debugger,
                                config.vmx_log, config.ignore_bad_msrs, config.bochs_options)
        if config.snapshot:
            kept = snapshot.ready(machine, disks, config.timeout)
            return snapshot.start(kept, machine, payload(config), out)
        return Child(bochs.prepare(machine, out), out, bochs.preload())
    return Child(qemu.command(config.emulator, config.cpus, config.memory, disks, out), out)


def watch(child: Child, config: BootConfig, serial: Path) -> str:
    """Follows the run to its end; returns what ended it."""
    start = time.monotonic()
    seen = 0
    result_at = None
    next_word = 30.0
    while True:
        alive = child.wait(0.1)
        data = serial.read_bytes() if serial.exists() else b""
        if config.echo and len(data) > seen:
            clear_progress()
            sys.stdout.write(data[seen:].decode(errors="replace").replace("\r", ""))
            sys.stdout.flush()
        seen = len(data)
        now = time.monotonic()
        if not alive:
            return "the guest or the emulator"
        if result_at is None and verdict.results(data.decode(errors="replace")):
            result_at = now
        if result_at is not None and now - result_at > GRACE:
            return "the lab, after the LAB-RESULT line"
        if now - start > config.timeout:
            return f"the limit of {config.timeout:g} s"
        if config.echo:
            next_word = show_progress(now - start, next_word)


def show_progress(elapsed: float, next_word: float) -> float:
    """A moving line on a terminal; elsewhere a line every 30 s."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K[lab: {elapsed:.0f} s]")
        sys.stderr.flush()
    elif elapsed >= next_word:
        print(f"lab: {elapsed:.0f} s", file=sys.stderr, flush=True)
        return next_word + 30.0
    return next_word


def clear_progress() -> None:
    """Removes the moving line."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()


def read_text(path: Path) -> str:
    """The file's text; empty when there is none."""
    return path.read_bytes().decode(errors="replace") if path.exists() else ""


def clean_up(out: Path) -> None:
    """Removes the private disks and whatever lock lies beside them."""
    for path in [*out.glob("disk*.img"), *out.glob("payload.img"), *out.glob("*.lock")]:
        path.unlink()
    shutil.rmtree(out / "state", ignore_errors=True)


def boot(config: BootConfig) -> BootResult:
    """Boots, waits for the end, and judges.  Artefacts stay in the directory `out`."""
    validate(config)
    out = (config.out or default_out(config)).absolute()
    disks = build_disks(config)
    out.mkdir(parents=True, exist_ok=True)
    handle = claim(out)
    try:
        return boot_in(config, disks, out)
    finally:
        os.close(handle)


def claim(out: Path) -> int:
    """Locks the directory against a second run in it; the lock ends with this process."""
    handle = os.open(out, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise LabError(f"another run uses {out}: choose another --out") from error
    return handle


def boot_in(config: BootConfig, disks: list[Path], out: Path) -> BootResult:
    """The boot itself, in a directory that is ours."""
    clean_up(out)  # a run that was killed may have left its disks
    for name in ARTEFACTS:
        (out / name).unlink(missing_ok=True)
    start = time.monotonic()
    try:
        child = start_emulator(config, disks if config.snapshot else private_copies(disks, out), out)
        try:
            end = watch(child, config, out / "serial.txt")
        finally:
            child.stop()
    finally:
        clean_up(out)
    if config.echo:
        clear_progress()
    return finish(config, child, end, time.monotonic() - start, out)


def backtrace_of(config: BootConfig, serial: str) -> list[str]:
    """The backtrace of a panic, with names if the 64-bit image lies beside the one that booted."""
    elf = config.xmhf.with_name("xmhf64.elf") if config.xmhf else None
    return symbolize(serial, elf) if elf and elf.exists() else []


def finish(config: BootConfig, child: Child, end: str, seconds: float, out: Path) -> BootResult:
    """The result of a run that is over."""
    serial = (read_text(out / snapshot.BEFORE) if config.snapshot else "") + read_text(out / "serial.txt")
    log = read_text(out / "log.txt")
    judged = verdict.judge(serial, config.expect)
    reason = judged.reason
    why = bochs.fatal_reason(log) if config.emulator == "bochs" else None
    if not judged.passed and why:
        reason += f"; {why}"
    ticks = None
    if config.emulator == "bochs":
        ticks = bochs.last_tick(log)
        (out / "e9.txt").write_text(bochs.e9_text(read_text(out / "out.txt")))
    passed = judged.passed
    if config.snapshot and snapshot.wrong_timers(out, log):
        passed, reason = False, f"Bochs did not start the snapshot's devices in their order ({snapshot.ORDER}); {reason}"
    result = BootResult(passed, reason, end, seconds, ticks, child.status, out, serial,
                        read_text(out / "e9.txt"), bochs.vmx_complaints(log),
                        backtrace_of(config, serial))
    (out / "status.txt").write_text(f"{result.summary()}\nexit status {child.status}\n")
    return result
