# SPDX-License-Identifier: BSD-2-Clause
"""L1's Linux: Debian's cloud kernel with an initramfs of busybox and scripts/l1linux."""

import hashlib
import lzma
import os
import subprocess
import threading
from pathlib import Path

from . import cpio
from .errors import LabError
from .paths import BUILD, L1LINUX, ROOT, cache, cached, tool

# tsc_early_khz: CPUID claims another TSC rate than Bochs' ips (bochs.IPS / 1000).
BASE_WORDS = ("console=ttyS0,115200 no_timer_check mitigations=off nokaslr nopti "
              "random.trust_cpu=on cryptomgr.notests rcupdate.rcu_expedited=1 quiet")
TRACE_FILES = "tracer_init_tracefs"
# Tracing's and BPF's start-up, self-tests and sysfs files: a third of the kernel's boot.
NOT_NEEDED = (
    "ftrace_check_for_weak_functions", "trace_eval_init", "init_kprobe_trace",
    TRACE_FILES, "cubictcp_register", "bpf_tcp_ca_kfunc_init",
    "bpf_prog_test_run_init", "kfunc_init", "bpf_rstat_kfunc_init", "bpf_key_sig_kfuncs_init",
    "crypto_kdf108_init", "blake2s_mod_init", "load_system_certificate_list")
BOCHS_WORDS = "tsc_early_khz=50000 tsc=reliable"
# Bochs 3.0 refuses VM entries with the posted-interrupt descriptors that KVM uses.
KVM_WORDS = "probe.kvm=1 kvm_intel.enable_apicv=0"
KVM_MODULES = ("irqbypass", "kvm", "kvm-intel")
STRIP_MODULE = ("-R", ".BTF", "-R", ".BTF.ext", "--strip-unneeded")
XZ_MAGIC = b"\xfd7zXZ\0"
CFLAGS = ["-std=gnu11", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector"]
DIRECTORIES = ("bin", "dev", "proc", "sys", "tmp", "lib")
APPLETS = ("sh", "mount", "cat", "echo", "dmesg", "insmod", "ls", "grep", "sleep")


def digest(*parts: bytes) -> str:
    """A short name for these bytes."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()[:16]


def build_probe() -> Path:
    """Compiles l1probe; the result is cached by the contents of its sources."""
    sources = sorted(L1LINUX.glob("*.[cS]"))
    headers = sorted(L1LINUX.glob("*.h")) + [ROOT / "xmhf" / "x86" / "exit_reasons.def"]
    inputs = [path.read_bytes() for path in sources + headers if path.exists()]
    target = BUILD / "l1linux" / f"l1probe-{digest(*inputs, ' '.join(CFLAGS).encode())}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.new")
    words = [tool("gcc"), *CFLAGS, f"-I{ROOT}", "-o", str(partial), *map(str, sources)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise LabError(f"l1probe does not compile:\n{run.stderr}")
    subprocess.run([tool("strip"), str(partial)], check=True)
    partial.rename(target)
    return target


def parse_extra(words: list[str]) -> list[tuple[str, Path]]:
    """(name in the initramfs, file) for each FILE or NAME=FILE."""
    extra = []
    for word in words:
        name, equals, file = word.partition("=")
        path = Path(file if equals else word)
        name = name.strip("/") if equals else f"bin/{path.name}"
        if not path.is_file():
            raise LabError(f"no such file to add to L1's initramfs: {path}")
        extra.append((name, path))
    return extra


def find_module(name: str) -> Path:
    """A module of Debian's kernel, as it comes or packed by xz."""
    for path in (cache() / "kernel" / "modules").rglob(f"{name}.ko*"):
        return path
    raise LabError(f"Debian's kernel has no module {name}: run scripts/setup")


def module(name: str) -> bytes:
    """The module without type information and without symbols that its relocation does not need.

    The kernel checks the first, and walks the second once for every function it may trace.
    """
    source = find_module(name).read_bytes()
    target = BUILD / "l1linux" / f"{name}-{digest(source, ' '.join(STRIP_MODULE).encode())}.ko"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.new")
        partial.write_bytes(lzma.decompress(source) if source[:6] == XZ_MAGIC else source)
        subprocess.run([tool("objcopy"), *STRIP_MODULE, str(partial)], check=True)
        partial.rename(target)
    return target.read_bytes()


def module_entries() -> list[cpio.Entry]:
    """KVM's modules."""
    return [cpio.directory("lib/modules")] + [
        cpio.regular(f"lib/modules/{name}.ko", module(name)) for name in KVM_MODULES]


def entries(extra: list[tuple[str, Path]], kvm: bool) -> list[cpio.Entry]:
    """The files of the initramfs."""
    busybox = cached("busybox/busybox", "busybox").read_bytes()
    found = [cpio.directory(name) for name in DIRECTORIES]
    found.append(cpio.character_device("dev/console", 5, 1))
    found.append(cpio.regular("bin/busybox", busybox, True))
    found += [cpio.symlink(f"bin/{name}", "busybox") for name in APPLETS]
    found.append(cpio.regular("init", (L1LINUX / "init").read_bytes(), True))
    found.append(cpio.regular("bin/l1probe", build_probe().read_bytes(), True))
    return found + added(extra, kvm)


def added(extra: list[tuple[str, Path]], kvm: bool) -> list[cpio.Entry]:
    """KVM's modules and further files, with the directories they need."""
    found = []
    known = set(DIRECTORIES)
    if kvm:
        found += module_entries()
        known.add("lib/modules")
    for name, path in extra:
        parents = [parent.as_posix() for parent in reversed(Path(name).parents)]
        missing = [parent for parent in parents if parent != "." and parent not in known]
        found += [cpio.directory(parent) for parent in missing]
        known.update(missing)
        found.append(cpio.regular(name, path.read_bytes(), path.stat().st_mode & 0o100 != 0))
    return found


def compress(data: bytes) -> bytes:
    """LZ4 in the old form, the only one the kernel reads."""
    words = [tool("lz4"), "-l", "-9", "-c"]
    run = subprocess.run(words, input=data, capture_output=True, check=False)
    if run.returncode != 0:
        raise LabError(f"lz4 failed: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def initrd(extra: list[tuple[str, Path]], kvm: bool) -> bytes:
    """The compressed initramfs."""
    return compress(cpio.archive(entries(extra, kvm)))


def kernel() -> bytes:
    """Debian's kernel."""
    return cached("kernel/vmlinuz", "Debian's kernel").read_bytes()
