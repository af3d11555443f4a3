# SPDX-License-Identifier: BSD-2-Clause
"""Xen as L1, with Debian's cloud kernel as its PVH dom0: a disk that GRUB boots by Multiboot 2."""

import gzip
from pathlib import Path

from lablib import cpio, images, initramfs
from lablib.paths import L1LINUX, cached

from . import build

XEN_WORDS = ("dom0=pvh,verbose dom0-iommu=none dom0_mem=300M com1=115200 console=com1 "
             "apicv=0 noreboot")
DOM0_WORDS = ("console=hvc0 earlyprintk=xen,keep tsc=reliable "
              f"initcall_blacklist={','.join(initramfs.NOT_NEEDED)} "
              + initramfs.BASE_WORDS.removeprefix("console=ttyS0,115200 "))
# Xen clears the screen through a BIOS extension that Bochs' default lacks.
BOCHS_OPTIONS = ["vga: extension=none"]


def initrd() -> bytes:
    """Dom0's initramfs."""
    entries = [cpio.directory(name) for name in ("bin", "dev", "proc", "sys")]
    entries.append(cpio.character_device("dev/console", 5, 1))
    entries.append(cpio.regular("bin/busybox", cached("busybox/busybox", "busybox").read_bytes(), True))
    entries += [cpio.symlink(f"bin/{name}", "busybox") for name in (*build.L2_APPLETS, "cat")]
    entries.append(cpio.regular("init", (L1LINUX / "xen" / "init").read_bytes(), True))
    entries.append(cpio.regular("bin/l2probe", build.l2probe().read_bytes(), True))
    entries.append(cpio.regular("bin/l1probe", initramfs.build_probe().read_bytes(), True))
    return initramfs.compress(cpio.archive(entries))


def disk() -> Path:
    """The disk; cached by its contents."""
    xen = gzip.decompress(cached("xen/xen.gz", "Debian's Xen (scripts/setup test)").read_bytes())
    config = (f"{images.TERMINAL}multiboot2 /xen {images.grub_words(XEN_WORDS)}\n"
              f"module2 /vmlinuz {images.grub_words(DOM0_WORDS)}\nmodule2 /initrd\nboot\n")
    return images.store(config, {"xen": xen, "vmlinuz": initramfs.kernel(), "initrd": initrd()})
