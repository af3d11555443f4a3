# SPDX-License-Identifier: BSD-2-Clause
"""Builds scripts/vmcs-check.c with the hypervisor's entry checks and talks to it."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from .errors import VmcsError
from .tables import ROOT

OVERRIDE = ROOT / "scripts" / "vmcslib" / "every_rule"
# What no check calls is left out, whatever it would need.
FLAGS = ["-std=gnu11", "-O1", "-w", "-ffunction-sections", "-Wl,--gc-sections", f"-I{OVERRIDE}", f"-I{ROOT}"]


def sources() -> list:
    """The program, and of nested/entry the files of the checks: those that share entry_view.h."""
    entry = sorted(path for path in (ROOT / "nested" / "entry").glob("*.c")
                   if not path.name.endswith("_hw.c") and (
                       path.name == "entry_msr_load.c" or '"nested/entry/entry_view.h"' in path.read_text()))
    if not entry:
        raise VmcsError("nested/entry has no checks")
    return [ROOT / "scripts" / "vmcs-check.c", *entry, ROOT / "nested" / "vmcs12" / "vmcs12.c",
            ROOT / "xmhf" / "x86" / "vmcs.c", ROOT / "xmhf" / "memory" / "mtrr.c"]


def fingerprint() -> str:
    """Of everything that goes into the program."""
    state = hashlib.sha256(" ".join(FLAGS).encode())
    files = sources()
    for folder in ("nested/entry", "nested/vmcs12", "xmhf/x86", "xmhf/lib", "xmhf/memory", "xmhf/vmx"):
        files += sorted((ROOT / folder).glob("*.h")) + sorted((ROOT / folder).glob("*.def"))
    files += OVERRIDE.rglob("*.h")
    for path in files:
        state.update(path.name.encode() + path.read_bytes())
    return state.hexdigest()[:16]


def folder() -> Path:
    """Where the program is kept: build/, or the cache when the tree cannot be written."""
    build = ROOT / "build"
    if os.access(build if build.exists() else ROOT, os.W_OK):
        return build / "vmcs-check"
    chosen = os.environ.get("XMHF_NEST_CACHE")
    return (Path(chosen) if chosen else Path.home() / ".cache" / "xmhf-nest") / "vmcs-check"


def compiler() -> str:
    """The host's C compiler."""
    for name in (os.environ.get("HOSTCC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise VmcsError("check needs a C compiler (cc, gcc or clang, or HOSTCC=...): run scripts/setup")


def program() -> Path:
    """The program, built when its sources have changed."""
    target = folder() / f"check-{fingerprint()}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.new")
    command = [compiler(), *FLAGS, "-o", str(partial), *map(str, sources())]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise VmcsError(f"the entry checks do not compile here:\n{run.stderr.strip()[:4000]}")
    partial.rename(target)
    return target


class Rules:
    """What the program answered: rules by number; of each run the failures, and what it cannot tell."""

    def __init__(self) -> None:
        self.rules = {}
        self.runs = []
        self.unknown = []

    def take(self, line: str) -> None:
        """One line of its output."""
        word, _, rest = line.partition(" ")
        if word == "failed" or line == "failed":
            words = rest.split()
            self.runs.append([int(word) for word in words if not word.endswith("?")])
            self.unknown.append({int(word[:-1]) for word in words if word.endswith("?")})
        elif word == "rule":
            number, path, row, function, text = rest.split(" ", 4)
            self.rules[int(number)] = (path, int(row), function, text)
        else:
            raise VmcsError(f"vmcs-check: {line}")


def evaluate(commands: list) -> Rules:
    """Runs the program on these commands."""
    run = subprocess.run([str(program())], input="\n".join(commands) + "\n", capture_output=True,
                         text=True, check=False)
    if run.returncode:
        raise VmcsError(f"vmcs-check failed ({run.returncode}): {run.stderr.strip()[:1000]}")
    found = Rules()
    for line in run.stdout.splitlines():
        found.take(line)
    return found
