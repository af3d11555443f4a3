# SPDX-License-Identifier: BSD-2-Clause
"""Raw disk images that GRUB2 boots: boot.img in the MBR, core.img behind it, a tar partition.

The configuration is part of core.img and the files lie in one piece, so GRUB reads nothing
twice.  Nothing depends on the time or on the machine: same input, same bytes, and with that
the same tick counts in Bochs.
"""

import subprocess
import tempfile
from pathlib import Path

from .errors import LabError
from .paths import GRUB_DIR, tool

SECTOR = 512
CYLINDER = 16 * 63 * SECTOR
PARTITION_SECTOR = 2048
PARTITION_TYPE = 0x83
MBR_TABLE = 446
MODULES = ("biosdisk", "part_msdos", "tar", "boot", "serial", "terminal", "echo",
           "multiboot", "multiboot2", "linux", "chain", "halt")


def _tar_header(name: str, size: int) -> bytes:
    header = bytearray(SECTOR)
    header[0:len(name)] = name.encode()
    header[100:108] = b"0000644\0"
    header[108:116] = b"0000000\0"
    header[116:124] = b"0000000\0"
    header[124:136] = b"%011o\0" % size
    header[136:148] = b"00000000000\0"
    header[148:156] = b" " * 8
    header[156:157] = b"0"
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def tar(files: dict[str, bytes]) -> bytes:
    """A ustar archive of the files (names without a leading slash)."""
    out = bytearray()
    for name, data in files.items():
        if len(name) > 99:
            raise LabError(f"file name too long for the disk image: {name}")
        out += _tar_header(name, len(data)) + data + b"\0" * (-len(data) % SECTOR)
    return bytes(out) + b"\0" * (2 * SECTOR)


def master_boot_record(boot: bytes, sectors: int) -> bytes:
    """GRUB's boot.img with a partition table of one active partition."""
    entry = bytearray(16)
    entry[0] = 0x80
    entry[1:4] = b"\xfe\xff\xff"
    entry[4] = PARTITION_TYPE
    entry[5:8] = b"\xfe\xff\xff"
    entry[8:12] = PARTITION_SECTOR.to_bytes(4, "little")
    entry[12:16] = sectors.to_bytes(4, "little")
    out = bytearray(boot[:SECTOR])
    out[MBR_TABLE:MBR_TABLE + 64] = bytes(entry) + b"\0" * 48
    out[510:512] = b"\x55\xaa"
    return bytes(out)


def layout(boot: bytes, core: bytes, files: dict[str, bytes]) -> bytes:
    """The whole disk, padded to whole cylinders as BIOSes and Bochs want it."""
    if SECTOR + len(core) > PARTITION_SECTOR * SECTOR:
        raise LabError("GRUB's core image does not fit before the partition")
    partition = tar(files)
    out = bytearray(master_boot_record(boot, len(partition) // SECTOR))
    out += core
    out += b"\0" * (PARTITION_SECTOR * SECTOR - len(out))
    out += partition
    return bytes(out) + b"\0" * (-len(out) % CYLINDER)


def grub_core(config: str) -> bytes:
    """GRUB's core image with this configuration built in."""
    if not (GRUB_DIR / "boot.img").exists():
        raise LabError(f"GRUB's files are missing ({GRUB_DIR}): run scripts/setup")
    with tempfile.TemporaryDirectory(prefix="lab-grub-") as name:
        script = Path(name) / "grub.cfg"
        output = Path(name) / "core.img"
        script.write_text(config)
        words = [tool("grub-mkimage"), "-O", "i386-pc", "-d", str(GRUB_DIR), "-p", "(,msdos1)/",
                 "-c", str(script), "-o", str(output), *MODULES]
        run = subprocess.run(words, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise LabError(f"grub-mkimage failed: {run.stderr.strip()}")
        return output.read_bytes()


def grub_disk(config: str, files: dict[str, bytes]) -> bytes:
    """A disk whose GRUB runs @config; the files are at the root of its first partition."""
    return layout((GRUB_DIR / "boot.img").read_bytes(), grub_core(config), files)
