# SPDX-License-Identifier: BSD-2-Clause
"""QEMU: by TCG (no VMX), or by KVM where the machine offers nested VMX."""

import ctypes
import fcntl
import os
from pathlib import Path

from .errors import LabError
from .paths import tool

KVM_GET_SUPPORTED_CPUID = 0xC008AE05
CPUID_ENTRIES = 256
CPUID_1_ECX_VMX = 1 << 5


class CpuidEntry(ctypes.Structure):
    """struct kvm_cpuid_entry2."""

    _fields_ = [(name, ctypes.c_uint32) for name in
                ("function", "index", "flags", "eax", "ebx", "ecx", "edx", "p0", "p1", "p2")]


class CpuidTable(ctypes.Structure):
    """struct kvm_cpuid2."""

    _fields_ = [("count", ctypes.c_uint32), ("padding", ctypes.c_uint32),
                ("entries", CpuidEntry * CPUID_ENTRIES)]


def require_nested_vmx() -> None:
    """A LabError unless KVM here gives its guests VMX; /dev/kvm alone proves nothing."""
    try:
        device = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise LabError(f"--emulator kvm: cannot open /dev/kvm ({error.strerror}); "
                       "use --emulator bochs") from error
    try:
        table = CpuidTable(CPUID_ENTRIES, 0)
        fcntl.ioctl(device, KVM_GET_SUPPORTED_CPUID, table)
    except OSError as error:
        raise LabError(f"--emulator kvm: KVM does not list its CPUID ({error.strerror})") from error
    finally:
        os.close(device)
    for entry in table.entries[:table.count]:
        if entry.function == 1 and entry.ecx & CPUID_1_ECX_VMX:
            return
    raise LabError("--emulator kvm: KVM here offers its guests no VMX (CPUID leaf 1, ECX bit 5): "
                   "load kvm_intel with nested=1 on an Intel machine, or use --emulator bochs")


def command(emulator: str, cpus: int, memory: int, disks: list[Path], out: Path) -> list[str]:
    """The command line; the machine's output goes to files in @out."""
    program = tool("qemu-system-x86_64")
    if emulator == "kvm":
        require_nested_vmx()
        cpu = ["-enable-kvm", "-cpu", "host,kvm=off,hypervisor=off"]
    else:
        cpu = ["-accel", "tcg", "-cpu", "max,hypervisor=off"]
    words = [program, "-machine", "pc", *cpu, "-smp", str(cpus), "-m", str(memory),
             "-display", "none", "-nodefaults", "-vga", "std", "-no-reboot",
             "-rtc", "base=2000-01-01,clock=vm",
             "-serial", f"file:{out}/serial.txt",
             "-debugcon", f"file:{out}/e9.txt",
             "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    for number, disk in enumerate(disks):
        words += ["-drive", f"file={disk},format=raw,if=ide,index={number},media=disk"]
    return words
