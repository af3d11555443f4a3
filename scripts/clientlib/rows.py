# SPDX-License-Identifier: BSD-2-Clause
"""The clients: which L1 hypervisor, with which guest, and what the innermost guest must say."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lablib import images
from lablib.boot import BootConfig
from lablib.paths import BUILD

from . import build, xen

XMHF = BUILD / "trace" / "xmhf.elf"
# Bochs wants posted-interrupt descriptors 4 KiB aligned, KVM's are 64 bytes: L0 hides them ...
HIDE_POSTED = "vmxcap.PIN_PROCESS_POSTED_INTERRUPTS=0"
# ... and natively KVM is told not to use them.
NO_APICV = "kvm_intel.enable_apicv=0"
# Where KVM cannot enter a guest it says what was in the VMCS.
DUMP = "kvm_intel.dump_invalid_vmcs=1"


@dataclass
class Client:
    """One L1 hypervisor with its guest."""

    name: str
    what: str
    expect: Callable[[], list[str]]
    files: Callable[[], list[str]] = list
    words: str = ""
    kvm: bool = True  # L1 is Linux with KVM
    ourselves: bool = False  # L1 is this hypervisor, with `boot` as its guest
    outermost: str = ""  # more words for the hypervisor under it
    cpus: int = 1
    memory: int = 768
    timeout: float = 600.0
    quick: bool = False
    as_natively: bool = False  # the innermost has many verdicts: those of the native run are right
    boot: dict = field(default_factory=dict)
    disk: Callable[[], Path] | None = None  # what L1 boots from, when it is not Linux

    def config(self, native: bool, xmhf: Path = XMHF) -> BootConfig:
        """The boot, natively or on the hypervisor."""
        config = BootConfig(cpus=self.cpus, memory=self.memory, timeout=self.timeout, echo=False,
                            expect=self.expect(), l1_add=self.files(), l1_cmdline=self.words, **self.boot)
        if self.disk is not None:
            config.l1 = f"raw:{self.disk()}"
        config.out = BUILD / "clients" / "runs" / f"{self.name}-{'native' if native else 'xmhf'}"
        if self.kvm:
            config.l1_cmdline += f" {DUMP}"
        if self.ourselves:
            self.put_ourselves(config, native, xmhf)
        elif native:
            config.native = True
            config.l1_cmdline += f" {NO_APICV}" if self.kvm else ""
        else:
            config.xmhf = xmhf
            config.cmdline = HIDE_POSTED
        return config

    def put_ourselves(self, config: BootConfig, native: bool, xmhf: Path) -> None:
        """The hypervisor as L1, from a disk of its own: each level boots the drive after its own."""
        config.xmhf = xmhf
        config.cmdline = HIDE_POSTED
        if not native:
            config.first_disk = images.multiboot_disk(xmhf, config.protocol, f"{HIDE_POSTED} {self.outermost}".strip())
        if config.l1 == "linux":
            config.l1_cmdline += f" probe.depth={1 if native else 2}"


def innermost(cpus: int) -> list[str]:
    """What L2's Linux must print: who it is, on how many CPUs, and the right sum."""
    return [r"^L2\| L2 Linux \S+ \d", rf"^L2\| L2 cpus {cpus} hypervisor flag yes",
            rf"^L2\| {re.escape(build.expected_checksum())}$"]


def vmm(name: str, what: str, words: str = "", vcpus: int = 1, **settings) -> Client:
    """Debian's KVM in L1 and our small VMM with Debian's kernel as L2."""
    words = f"rdinit=/init-vmm clients.cpus={vcpus} {words}".strip()
    return Client(name, what, lambda: innermost(vcpus), build.vmm_files, words, **settings)


def qemu(name: str, what: str, words: str = "", vcpus: int = 1, **settings) -> Client:
    """Debian's KVM in L1 and Debian's QEMU with Debian's kernel as L2."""
    words = f"rdinit=/init-vmm clients.vmm=microvm clients.cpus={vcpus} {words}".strip()
    return Client(name, what, lambda: innermost(vcpus), build.qemu_files, words, **settings)


def seabios(name: str, what: str, vcpus: int = 1, **settings) -> Client:
    """As above, on QEMU's PC with SeaBIOS."""
    words = f"rdinit=/init-vmm clients.vmm=seabios clients.cpus={vcpus}"
    return Client(name, what, lambda: [r"^L2\| .*SeaBIOS \(version ", *innermost(vcpus)], build.qemu_files, words,
                  **settings)


def lhv(name: str, what: str, cases: str, **settings) -> Client:
    """Debian's KVM in L1, with lhv as its guest, which has guests of its own."""
    words = f"rdinit=/init-vmm clients.vmm=lhv clients.lhv=cases={cases} kvm_intel.nested=1"
    return Client(name, what, lambda: [r"^L2\| # cases \d+"], build.lhv_files, words, as_natively=True, **settings)


def ourselves(name: str, what: str, expect: list[str], **settings) -> Client:
    """This hypervisor as L1; natively there is one of it, else one on another."""
    return Client(name, what, lambda: expect, kvm=False, ourselves=True, **settings)


def in_dom0() -> list[str]:
    """What Linux as Xen's dom0 must print, behind the kernel's time stamps."""
    stamp = r"^\[ *\d+\.\d+\] L2\| "
    return [stamp + r"L2 Linux \S+ \d", stamp + "L2 under xen, guest type PVH", stamp + "L2 cpus 1 hypervisor flag yes",
            rf"{stamp}{re.escape(build.expected_checksum())}$"]


def in_domu() -> list[str]:
    """What Linux in a domain beside dom0 must print on its console, which dom0 repeats."""
    stamp = r"^\[ *\d+\.\d+\] L2\| "
    return [*in_dom0(), stamp + r"domU\| L2 Linux \S+ \d", stamp + r"domU\| L2 cpus 1 hypervisor flag yes",
            rf"{stamp}domU\| {re.escape(build.expected_checksum())}$", stamp + r"domU\| L2-RESULT pass"]


SMALL_GUESTS = "clients.guests=1"
LHV = BUILD / "lhv" / "lhv64.elf"

CLIENTS = [
    vmm("kvm-linux", "KVM, small VMM, Linux with 1 CPU; small guests", SMALL_GUESTS, quick=True),
    vmm("kvm-linux-2", "KVM, small VMM, Linux with 2 CPUs on 1", vcpus=2),
    vmm("kvm-smp", "KVM on 2 CPUs, small VMM, Linux with 2 CPUs; small guests", SMALL_GUESTS, 2, cpus=2),
    qemu("kvm-qemu", "KVM, Debian's QEMU (microvm), Linux with 1 CPU"),
    qemu("kvm-qemu-2", "KVM, Debian's QEMU (microvm), Linux with 2 CPUs on 1", vcpus=2),
    seabios("kvm-seabios", "KVM, Debian's QEMU (q35, SeaBIOS), Linux with 1 CPU"),
    seabios("kvm-seabios-2", "KVM, Debian's QEMU (q35, SeaBIOS), Linux with 2 CPUs on 1", 2),
    seabios("kvm-seabios-smp", "KVM on 2 CPUs, Debian's QEMU (q35, SeaBIOS), Linux with 2 CPUs", 2, cpus=2),
    vmm("kvm-no-ept", "KVM with ept=0", "kvm_intel.ept=0 " + SMALL_GUESTS),
    vmm("kvm-no-unrestricted", "KVM with unrestricted_guest=0", "kvm_intel.unrestricted_guest=0 " + SMALL_GUESTS),
    vmm("kvm-no-shadow-vmcs", "KVM with enable_shadow_vmcs=0", "kvm_intel.enable_shadow_vmcs=0 " + SMALL_GUESTS),
    vmm("kvm-no-vpid", "KVM with vpid=0", "kvm_intel.vpid=0 " + SMALL_GUESTS),
    vmm("kvm-no-eptad", "KVM with eptad=0", "kvm_intel.eptad=0 " + SMALL_GUESTS),
    vmm("kvm-no-preemption-timer", "KVM with preemption_timer=0", "kvm_intel.preemption_timer=0 " + SMALL_GUESTS),
    vmm("kvm-no-flexpriority", "KVM with flexpriority=0", "kvm_intel.flexpriority=0 " + SMALL_GUESTS),
    lhv("kvm-lhv", "KVM with nested=1, Debian's QEMU, lhv with its own guests", "basics/*,exits/*"),
    Client("xen-pvh", "Xen with Linux as PVH dom0", in_dom0, kvm=False, disk=xen.disk,
           boot={"bochs_options": xen.BOCHS_OPTIONS}),
    Client("xen-domu", "Xen with Linux as PVH dom0 and as PVH domU", in_domu, kvm=False,
           disk=lambda: xen.disk(domu=True), boot={"bochs_options": xen.BOCHS_OPTIONS}),
    ourselves("xmhf-linux", "xmhf-nest, Linux", [r"^ok .* - nesting depth is"]),
    ourselves("xmhf-lhv", "xmhf-nest, lhv and its guests: exits and exceptions", [r"^# cases "],
              boot={"l1": f"multiboot2:{LHV},cases=ex*"}),
    ourselves("xmhf-no-vpid", "xmhf-nest on a processor without VPID, lhv and its guests",
              [r"^# cases "], outermost="vmxcap.PROC2_ENABLE_VPID=0",
              boot={"l1": f"multiboot2:{LHV},cases=ex*"}),
    Client("xmhf-kvm-linux", "xmhf-nest, KVM in Linux, small VMM, Linux with 1 CPU", lambda: innermost(1),
           build.vmm_files, "rdinit=/init-vmm clients.cpus=1", ourselves=True),
]


def by_name(name: str) -> Client | None:
    """The client of this name."""
    return next((client for client in CLIENTS if client.name == name), None)
