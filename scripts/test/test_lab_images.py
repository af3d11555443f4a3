# SPDX-License-Identifier: BSD-2-Clause
"""The bytes of disk images and initramfs archives, read back by other programs' rules."""

import io
import struct
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lablib import cpio, direct, disk  # noqa: E402
from lablib.errors import LabError, UsageError  # noqa: E402


def newc(data):
    """(name, mode, contents) of each file of a newc archive."""
    at = 0
    while True:
        assert data[at:at + 6] == b"070701", data[at:at + 6]
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110:at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return
        yield name, mode, data[start:start + size]
        at = (start + size + 3) & ~3


class Cpio(unittest.TestCase):
    def test_read_back(self):
        entries = [cpio.directory("bin"), cpio.regular("bin/x", b"12345", True),
                   cpio.regular("y", b""), cpio.symlink("z", "bin/x")]
        found = list(newc(cpio.archive(entries)))
        self.assertEqual([name for name, _, _ in found], ["bin", "bin/x", "y", "z"])
        self.assertEqual([mode for _, mode, _ in found], [0o40755, 0o100755, 0o100644, 0o120777])
        self.assertEqual([data for _, _, data in found], [b"", b"12345", b"", b"bin/x"])

    def test_device(self):
        data = cpio.archive([cpio.character_device("dev/console", 5, 1)])
        fields = [int(data[6 + 8 * i:14 + 8 * i], 16) for i in range(13)]
        self.assertEqual(fields[1], 0o20600)
        self.assertEqual((fields[9], fields[10]), (5, 1))

    def test_repeatable(self):
        entries = [cpio.regular("a", b"b")]
        self.assertEqual(cpio.archive(entries), cpio.archive(entries))


class Disk(unittest.TestCase):
    def layout(self, core=b"\x11" * 1000, files=None):
        boot = bytes(range(256)) * 2
        return boot, disk.layout(boot, core, files or {"vmlinuz": b"k" * 700, "initrd": b"i"})

    def test_boot_sector(self):
        boot, data = self.layout()
        self.assertEqual(data[:446], boot[:446])
        self.assertEqual(data[510:512], b"\x55\xaa")

    def test_one_active_partition_within_the_disk(self):
        _, data = self.layout()
        entry = data[446:462]
        start = int.from_bytes(entry[8:12], "little")
        count = int.from_bytes(entry[12:16], "little")
        self.assertEqual(entry[0], 0x80)
        self.assertEqual(data[462:510], b"\0" * 48)
        self.assertLessEqual((start + count) * 512, len(data))

    def test_whole_cylinders(self):
        _, data = self.layout()
        self.assertEqual(len(data) % (16 * 63 * 512), 0)

    def test_core_follows_the_boot_sector(self):
        _, data = self.layout()
        self.assertEqual(data[512:1512], b"\x11" * 1000)

    def test_partition_is_a_tar_archive(self):
        _, data = self.layout()
        archive = tarfile.open(fileobj=io.BytesIO(data[2048 * 512:]))
        self.assertEqual(archive.getnames(), ["vmlinuz", "initrd"])
        self.assertEqual(archive.extractfile("vmlinuz").read(), b"k" * 700)
        self.assertEqual(archive.extractfile("initrd").read(), b"i")

    def test_refused(self):
        with self.assertRaises(LabError):
            self.layout(core=b"\0" * (2048 * 512))
        with self.assertRaises(LabError):
            disk.tar({"n" * 100: b""})


def elf32(segments, entry=0x1234):
    """An ELF file of 32 bits with these segments: (address, bytes, size in memory)."""
    header = bytearray(52)
    header[:5] = b"\x7fELF\x01"
    struct.pack_into("<II", header, 24, entry, 52)
    struct.pack_into("<HH", header, 42, 32, len(segments))
    out, offset = b"", 52 + 32 * len(segments)
    for address, data, memory in segments:
        header += struct.pack("<8I", 1, offset + len(out), address, address, len(data), memory, 7, 4096)
        out += data
    return bytes(header) + out


class Direct(unittest.TestCase):
    def setUp(self):
        self.path = Path(tempfile.mkdtemp()) / "image.elf"
        self.path.write_bytes(elf32([(0x100000, b"a" * 5000, 5000), (0x102000, b"b" * 40000, 90001)]))

    def test_layout(self):
        data = direct.direct_disk(self.path, "x=1 y")
        first, count, load, bss, words, entry = struct.unpack_from("<6I", data, 8)
        self.assertEqual((data[510:512], load, entry), (b"\x55\xaa", 0x100000, 0x1234))
        self.assertTrue(data[512:].startswith(b"/image.elf x=1 y\0"))
        self.assertEqual(count % 64, 0)
        payload = data[first * 512:(first + count) * 512]
        self.assertEqual((payload[:5000], payload[0x2000:0x2000 + 40000]), (b"a" * 5000, b"b" * 40000))
        self.assertFalse(payload[5000:0x2000].strip(b"\0") or payload[0x2000 + 40000:].strip(b"\0"))
        self.assertEqual(bss, load + len(payload))
        self.assertGreaterEqual(bss + 4 * words, 0x102000 + 90001)
        self.assertEqual(len(data) % (16 * 63 * 512), 0)

    def test_refused(self):
        with self.assertRaises(LabError):
            direct.segments(b"\x7fELF\x02" + bytes(60), "wide")
        with self.assertRaises(LabError):
            direct.segments(elf32([]), "empty")
        with self.assertRaises(UsageError):
            direct.direct_disk(self.path, "x" * 4096)


if __name__ == "__main__":
    unittest.main()
