# SPDX-License-Identifier: BSD-2-Clause
"""Where things are: the clone, its build products, and what scripts/setup put into the cache."""

import os
import shutil
import subprocess
from pathlib import Path

from .errors import LabError

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
L1LINUX = ROOT / "scripts" / "l1linux"
GRUB_DIR = Path("/usr/lib/grub/i386-pc")


def cache() -> Path:
    """The directory of downloads, outside the clone."""
    chosen = os.environ.get("XMHF_NEST_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "xmhf-nest"


def cached(name: str, what: str) -> Path:
    """A file of the cache; a LabError that names scripts/setup when it is missing."""
    path = cache() / name
    if not path.exists():
        raise LabError(f"{what} is missing ({path}): run scripts/setup")
    return path


def tool(command: str) -> str:
    """The path of a host command; a LabError that names scripts/setup when it is missing."""
    path = shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise LabError(f"{command} is missing: run scripts/setup")
    return path


def find_bochs() -> tuple[str, Path]:
    """The Bochs (3.0 or later) to run, and the directory of its BIOS images."""
    wrapper = cache() / "bochs" / "bochs"
    if (cache() / "bochs" / "complete").exists():
        return str(wrapper), cache() / "bochs" / "root" / "usr" / "share" / "bochs"
    installed = shutil.which("bochs")
    if installed is None:
        raise LabError("Bochs is missing: run scripts/setup")
    version = bochs_version(installed)
    if version < (3, 0):
        raise LabError(f"{installed} is version {version[0]}.{version[1]}, the lab needs 3.0: run scripts/setup")
    return installed, Path(os.environ.get("BXSHARE", "/usr/share/bochs"))


def bochs_help(program: str, topic: str = "") -> str:
    """What `bochs --help [topic]` prints."""
    words = [program, "--help"] + ([topic] if topic else [])
    run = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def parse_bochs_version(text: str) -> tuple[int, int]:
    """(major, minor) from Bochs' banner; (0, 0) when there is none."""
    for line in text.splitlines():
        words = line.split()
        if words[:3] == ["Bochs", "x86", "Emulator"] and len(words) > 3:
            major, _, minor = words[3].partition(".")
            if major.isdigit():
                digits = minor.split(".")[0]
                return int(major), int(digits) if digits.isdigit() else 0
    return 0, 0


def bochs_version(program: str) -> tuple[int, int]:
    """The version of a Bochs program."""
    return parse_bochs_version(bochs_help(program))


def parse_models(text: str) -> list[str]:
    """CPU model names from the text of `bochs --help cpu`."""
    names = []
    inside = False
    for line in text.splitlines():
        if line.startswith("Supported CPU models"):
            inside = True
        elif inside and line.strip() and " " not in line.strip():
            names.append(line.strip())
        elif inside and names and line.strip():
            break
    return names


def bochs_models(program: str) -> list[str]:
    """The CPU models this Bochs knows."""
    return parse_models(bochs_help(program, "cpu"))
