# SPDX-License-Identifier: BSD-2-Clause
"""The clients: which L1 hypervisor, with which guest, and what the innermost guest must say."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lablib.boot import BootConfig
from lablib.paths import BUILD

from . import build

XMHF = BUILD / "trace" / "xmhf.elf"
# Bochs wants posted-interrupt descriptors 4 KiB aligned, KVM's are 64 bytes: L0 hides them ...
HIDE_POSTED = "vmxcap.PIN_PROCESS_POSTED_INTERRUPTS=0"
# ... and natively KVM is told not to use them.
NO_APICV = "kvm_intel.enable_apicv=0"


@dataclass
class Client:
    """One L1 hypervisor with its guest."""

    name: str
    what: str
    files: Callable[[], list[str]]
    words: str
    expect: Callable[[], list[str]]
    cpus: int = 1
    memory: int = 768
    timeout: float = 75.0
    quick: bool = False
    boot: dict = field(default_factory=dict)

    def config(self, native: bool, xmhf: Path = XMHF) -> BootConfig:
        """The boot, natively or on the hypervisor."""
        config = BootConfig(cpus=self.cpus, memory=self.memory, timeout=self.timeout, echo=False,
                            expect=self.expect(), l1_add=self.files(), **self.boot)
        config.l1_cmdline = self.words
        if native:
            config.native = True
            config.l1_cmdline += f" {NO_APICV}"
        else:
            config.xmhf = xmhf
            config.cmdline = HIDE_POSTED
        config.out = BUILD / "clients" / "runs" / f"{self.name}-{'native' if native else 'xmhf'}"
        return config


def innermost(cpus: int) -> list[str]:
    """What L2's Linux must print: who it is, on how many CPUs, and the right sum."""
    return [r"^L2\| L2 Linux \S+ \d", rf"^L2\| L2 cpus {cpus} hypervisor flag yes",
            rf"^L2\| {re.escape(build.expected_checksum())}$"]


def vmm(name: str, what: str, words: str = "", vcpus: int = 1, **settings) -> Client:
    """Debian's KVM in L1 and our small VMM with Debian's kernel as L2."""
    words = f"rdinit=/init-vmm clients.cpus={vcpus} {words}".strip()
    return Client(name, what, build.vmm_files, words, lambda: innermost(vcpus), **settings)


def qemu(name: str, what: str, words: str = "", vcpus: int = 1, **settings) -> Client:
    """Debian's KVM in L1 and Debian's QEMU with Debian's kernel as L2."""
    words = f"rdinit=/init-vmm clients.vmm=qemu clients.cpus={vcpus} {words}".strip()
    return Client(name, what, build.qemu_files, words, lambda: innermost(vcpus), **settings)


CLIENTS = [
    vmm("kvm-linux", "KVM, small VMM, Linux with 1 CPU", quick=True),
    vmm("kvm-linux-2", "KVM, small VMM, Linux with 2 CPUs on 1", vcpus=2),
    vmm("kvm-smp", "KVM on 2 CPUs, small VMM, Linux with 2 CPUs", vcpus=2, cpus=2),
    qemu("kvm-qemu", "KVM, Debian's QEMU (microvm), Linux with 1 CPU"),
    qemu("kvm-qemu-2", "KVM, Debian's QEMU (microvm), Linux with 2 CPUs on 1", vcpus=2),
    vmm("kvm-no-ept", "KVM with ept=0", "kvm_intel.ept=0"),
    vmm("kvm-no-unrestricted", "KVM with unrestricted_guest=0", "kvm_intel.unrestricted_guest=0"),
    vmm("kvm-no-shadow-vmcs", "KVM with enable_shadow_vmcs=0", "kvm_intel.enable_shadow_vmcs=0"),
    vmm("kvm-no-vpid", "KVM with vpid=0", "kvm_intel.vpid=0"),
    vmm("kvm-no-eptad", "KVM with eptad=0", "kvm_intel.eptad=0"),
    vmm("kvm-no-preemption-timer", "KVM with preemption_timer=0", "kvm_intel.preemption_timer=0"),
    vmm("kvm-no-flexpriority", "KVM with flexpriority=0", "kvm_intel.flexpriority=0"),
]


def by_name(name: str) -> Client | None:
    """The client of this name."""
    return next((client for client in CLIENTS if client.name == name), None)
