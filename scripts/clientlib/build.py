# SPDX-License-Identifier: BSD-2-Clause
"""What the clients consist of: the VMM, the innermost Linux' initramfs, KVM's modules."""

import os
import re
import subprocess
from pathlib import Path

from lablib import cpio, initramfs
from lablib.errors import LabError
from lablib.paths import BUILD, L1LINUX, cached, tool

OUT = BUILD / "clients"
CFLAGS = ["-std=gnu11", "-O2", "-static", "-Wall", "-Wextra", "-Wshadow", "-Werror"]
QEMU_SHARE = Path("/usr/share/qemu")
SEABIOS = Path("/usr/share/seabios/bios-256k.bin")
QEMU_FIRMWARE = ("qboot.rom", "bios-microvm.bin", "linuxboot_dma.bin", "multiboot_dma.bin", "kvmvapic.bin")
L2_DIRECTORIES = ("bin", "dev", "proc")
L2_APPLETS = ("sh", "mount", "echo", "grep")
# The innermost kernel's words: those of L1's, less what only the lab's machine needs.
L2_WORDS = (f"{initramfs.BASE_WORDS} {initramfs.BOCHS_WORDS} "
            f"initcall_blacklist={','.join(initramfs.NOT_NEEDED)}")


def keep(name: str, data: bytes, mode: int = 0o644) -> Path:
    """A file with these contents, named after them."""
    target = OUT / f"{name}-{initramfs.digest(data)}"
    if not target.exists():
        OUT.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}.new")
        partial.write_bytes(data)
        partial.chmod(mode)
        partial.rename(target)
    return target


def program(name: str, folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """A static program of all C and assembly files of @folder; cached by their contents."""
    sources = sorted(folder.glob("*.[cS]"))
    inputs = [path.read_bytes() for path in sources + sorted(folder.glob("*.h"))]
    flags = (*CFLAGS, *flags)
    target = OUT / f"{name}-{initramfs.digest(*inputs, ' '.join(flags).encode())}"
    if target.exists():
        return target
    OUT.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.new")
    words = [tool("gcc"), *flags, "-o", str(partial), *map(str, sources)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise LabError(f"{name} does not compile:\n{run.stderr}")
    subprocess.run([tool("strip"), str(partial)], check=True)
    partial.rename(target)
    return target


def l2probe() -> Path:
    """The program the innermost Linux runs; the host runs it, too, to know the answer."""
    return program("l2probe", L1LINUX / "l2linux")


def expected_checksum() -> str:
    """The line with the checksum as this machine computes it."""
    run = subprocess.run([str(l2probe()), "checksum"], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def l2_initrd() -> Path:
    """The innermost Linux' initramfs."""
    entries = [cpio.directory(name) for name in L2_DIRECTORIES]
    entries.append(cpio.character_device("dev/console", 5, 1))
    entries.append(cpio.regular("bin/busybox", cached("busybox/busybox", "busybox").read_bytes(), True))
    entries += [cpio.symlink(f"bin/{name}", "busybox") for name in L2_APPLETS]
    entries.append(cpio.regular("init", (L1LINUX / "l2linux" / "init").read_bytes(), True))
    entries.append(cpio.regular("bin/l2probe", l2probe().read_bytes(), True))
    return keep("l2-initrd", initramfs.compress(cpio.archive(entries)))


def modules() -> list[str]:
    """KVM's modules, as words for --l1-add."""
    return [f"lib/modules/{name}.ko={keep(name, initramfs.module(name))}"
            for name in initramfs.KVM_MODULES]


def shared_libraries(path: str) -> list[str]:
    """The libraries a program needs and its loader, as words for --l1-add."""
    run = subprocess.run([tool("ldd"), path], capture_output=True, text=True, check=True)
    found = re.findall(r"(?:=> |^\s*)(/\S+) \(", run.stdout, re.MULTILINE)
    return [f"{name.lstrip('/')}={Path(name).resolve()}" for name in found]


def qemu() -> list[str]:
    """Debian's small QEMU, which has microvm and q35, with its firmware."""
    program_path = tool("qemu-system-x86_64-microvm")
    firmware = [f"share/{name}={QEMU_SHARE / name}" for name in QEMU_FIRMWARE]
    return [f"bin/qemu={program_path}", *shared_libraries(program_path), *firmware, f"share/{SEABIOS.name}={SEABIOS}"]


def kvm() -> list[str]:
    """KVM, and what loads it."""
    return [*modules(), f"init-vmm={L1LINUX / 'init-vmm'}"]


def linux() -> list[str]:
    """The innermost Linux."""
    kernel = cached("kernel/vmlinuz", "Debian's kernel")
    return [f"l2/vmlinuz={kernel}",
            f"l2/initrd={l2_initrd()}",
            f"l2/words={keep('l2-words', (L2_WORDS + chr(10)).encode())}"]


def qemu_files() -> list[str]:
    """What L1's Linux needs to boot a Linux under QEMU, as words for --l1-add."""
    return [*kvm(), *linux(), *qemu()]


def lhv_files() -> list[str]:
    """What L1's Linux needs to boot lhv, our own hypervisor, under QEMU."""
    return [*kvm(), *qemu(), f"l2/lhv={BUILD / 'lhv' / 'lhv64.elf'}"]


def vmm_files() -> list[str]:
    """What L1's Linux needs to boot a Linux under our VMM."""
    return [*kvm(), *linux(), f"bin/vmm={program('vmm', L1LINUX / 'vmm')}"]
