# SPDX-License-Identifier: BSD-2-Clause
"""Writes newc archives, the form of an initramfs.  Pure: same input, same bytes."""

import stat
from dataclasses import dataclass


@dataclass
class Entry:
    """One file of the archive."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(name: str) -> Entry:
    """A directory."""
    return Entry(name, stat.S_IFDIR | 0o755)


def regular(name: str, data: bytes, executable: bool = False) -> Entry:
    """An ordinary file."""
    return Entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)


def symlink(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def character_device(name: str, major: int, minor: int) -> Entry:
    """A character device."""
    return Entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _header(entry: Entry, inode: int) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0,
              entry.device[0], entry.device[1], len(name), 0)
    return _pad(b"070701" + b"".join(b"%08X" % field for field in fields) + name)


def archive(entries: list[Entry]) -> bytes:
    """The archive of the entries, in their order."""
    out = bytearray()
    for inode, entry in enumerate(entries, 1):
        out += _header(entry, inode)
        out += _pad(entry.data)
    out += _header(Entry("TRAILER!!!", 0), 0)
    return bytes(out) + b"\0" * (-len(out) % 512)
