# SPDX-License-Identifier: BSD-2-Clause
"""Xen as L1, with Debian's cloud kernel as its PVH dom0: a disk that GRUB boots by Multiboot 2.

Dom0 can boot the same kernel once more, as a PVH domain beside it, with a toolstack of our own.
"""

import gzip
import struct
import subprocess
from pathlib import Path

from lablib import cpio, images, initramfs
from lablib.errors import LabError
from lablib.paths import L1LINUX, cached, tool

from . import build

XEN_WORDS = ("dom0=pvh,verbose dom0-iommu=none dom0_mem=300M com1=115200 console=com1 "
             "apicv=0 noreboot")
GUEST_WORDS = (f"tsc=reliable initcall_blacklist={','.join(initramfs.NOT_NEEDED)} "
               + initramfs.BASE_WORDS.removeprefix("console=ttyS0,115200 "))
DOM0_WORDS = f"console=hvc0 earlyprintk=xen,keep printk.devkmsg=on {GUEST_WORDS}"
DOMU_WORDS = f"console=hvc0 {GUEST_WORDS} acpi=off pci=off reboot=t"
# Xen clears the screen through a BIOS extension that Bochs' default lacks.
BOCHS_OPTIONS = ["vga: extension=none"]
LZ4_MAGIC = b"\x02\x21\x4c\x18"


def elf_kernel() -> bytes:
    """The ELF file within Debian's kernel (bzImage): what a PVH domain is loaded from."""
    image = initramfs.kernel()
    setup = ((image[0x1f1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[setup + offset:setup + offset + length]
    if payload[:4] != LZ4_MAGIC:
        raise LabError("Debian's kernel is not packed by LZ4: no PVH domain can be made of it")
    # The last four bytes are the unpacked size.
    run = subprocess.run([tool("lz4"), "-d", "-c"], input=payload[:-4], capture_output=True, check=False)
    if run.returncode != 0:
        raise LabError(f"lz4 failed: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def domu_entries() -> list[cpio.Entry]:
    """What dom0 needs to boot a domain beside it."""
    headers = cached("xen-headers/xen/domctl.h", "Xen's headers (scripts/setup test)").parents[1]
    xentool = build.program("xentool", L1LINUX / "xen" / "tool", ("-isystem", str(headers)))
    return [cpio.directory("domu"), cpio.directory("lib"), cpio.directory("lib/modules"),
            cpio.regular("lib/modules/xen-privcmd.ko", initramfs.module("xen-privcmd")),
            cpio.regular("bin/xentool", xentool.read_bytes(), True),
            cpio.regular("domu/vmlinux", elf_kernel()),
            cpio.regular("domu/initrd", build.l2_initrd().read_bytes()),
            cpio.regular("domu/words", (DOMU_WORDS + "\n").encode())]


def initrd(domu: bool) -> bytes:
    """Dom0's initramfs."""
    entries = [cpio.directory(name) for name in ("bin", "dev", "proc", "sys")]
    entries.append(cpio.character_device("dev/console", 5, 1))
    entries.append(cpio.regular("bin/busybox", cached("busybox/busybox", "busybox").read_bytes(), True))
    entries += [cpio.symlink(f"bin/{name}", "busybox") for name in (*build.L2_APPLETS, "cat", "insmod", "sleep")]
    entries.append(cpio.regular("init", (L1LINUX / "xen" / "init").read_bytes(), True))
    entries.append(cpio.regular("bin/l2probe", build.l2probe().read_bytes(), True))
    entries.append(cpio.regular("bin/l1probe", initramfs.build_probe().read_bytes(), True))
    return initramfs.compress(cpio.archive(entries + (domu_entries() if domu else [])))


def disk(domu: bool = False, words: str = "") -> Path:
    """The disk; cached by its contents.  @words are more words for dom0's kernel."""
    xen = gzip.decompress(cached("xen/xen.gz", "Debian's Xen (scripts/setup test)").read_bytes())
    config = (f"{images.TERMINAL}multiboot2 /xen {images.grub_words(XEN_WORDS)}\n"
              f"module2 /vmlinuz {images.grub_words(f'{DOM0_WORDS} {words}')}\nmodule2 /initrd\nboot\n")
    return images.store(config, {"xen": xen, "vmlinuz": initramfs.kernel(), "initrd": initrd(domu)})
