# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots without an emulator: words, the disk of a run, and what the key depends on."""

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lablib import boot, bochs, snapshot  # noqa: E402
from lablib.errors import UsageError  # noqa: E402


class WordsTest(unittest.TestCase):
    """L1's command line, of which a restored kernel reads nothing."""

    def test_programs_words(self):
        self.assertEqual(snapshot.split_words("rdinit=/init-vmm clients.cpus=2 kvm_intel.ept=0"),
                         ("/init-vmm", "clients.cpus=2 kvm_intel.ept=0"))

    def test_default_program(self):
        self.assertEqual(snapshot.split_words(""), ("/init", ""))

    def test_kernel_words_are_refused(self):
        with self.assertRaisesRegex(UsageError, "nosmp"):
            snapshot.split_words("clients.cpus=1 nosmp")

    def test_only_linux_in_bochs(self):
        for words in ({"l1": "none"}, {"emulator": "qemu"}, {"memory": 3072}, {"l1_cmdline": "nosmp"}):
            with self.subTest(words), self.assertRaises(UsageError):
                boot.validate(boot.BootConfig(xmhf=Path("x"), snapshot=True, **words))


class PayloadTest(unittest.TestCase):
    """The disk of a run."""

    def test_head_says_the_size(self):
        data = snapshot.payload("/init", "probe.cpus=1", [], False)
        self.assertEqual(data[:8], b"LABPAYLD")
        self.assertEqual(int.from_bytes(data[8:16], "little"), len(data) - 512)
        self.assertEqual(data[512:518], b"070701")
        self.assertIn(b"probe.cpus=1\n", data)

    def test_one_size(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "payload.img"
            for data in (b"", b"x" * 1000):
                snapshot.write_payload(path, data)
                self.assertEqual(path.stat().st_size, snapshot.PAYLOAD_BYTES)
                self.assertEqual(path.read_bytes()[:len(data)], data)

    def test_too_large(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "large"
            path.write_bytes(b"")
            with mock.patch.object(snapshot, "PAYLOAD_BYTES", 600), self.assertRaisesRegex(UsageError, "at most"):
                snapshot.payload("/init", "", [("large", path)], False)


class OrderTest(unittest.TestCase):
    """Timers are saved by number: devices must start in the order in which they did."""

    LOG = ("00000000000i[PLUGIN] init_dev of 'cmos' plugin device by virtual method\n"
           "00000000000i[PLUGIN] init_dev of 'serial' plugin device by virtual method\n"
           "00000000000i[PLUGIN] init_dev of 'unmapped' plugin device by virtual method\n"
           "00000000000i[PLUGIN] init_dev of 'usb_uhci' plugin device by virtual method\n"
           "00000000000i[PLUGIN] register state of 'serial' plugin device by virtual method\n")

    def test_started_last_is_named_last(self):
        order = snapshot.devices(self.LOG)
        self.assertEqual(order, ["cmos", "serial", "unmapped", "usb_uhci"])
        saved = "# x\nplugin_ctrl: voodoo=false, usb_uhci=true, iodebug=false, unmapped=true, serial=true\ncom2: enabled=0\n"
        self.assertEqual(snapshot.in_order(saved, order),
                         "# x\nplugin_ctrl: voodoo=false, iodebug=false, serial=true, unmapped=true, usb_uhci=true\n"
                         "com2: enabled=0\n")

    def test_other_order_is_seen(self):
        with tempfile.TemporaryDirectory() as name:
            out = Path(name)
            (out / snapshot.ORDER).write_text("\n".join(snapshot.devices(self.LOG)))
            lines = self.LOG.splitlines(keepends=True)
            self.assertFalse(snapshot.wrong_timers(out, self.LOG))
            self.assertTrue(snapshot.wrong_timers(out, "".join(lines[3:4] + lines[:3])))


class KeyTest(unittest.TestCase):
    """Whatever changes in a snapshot changes its name."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        share = self.folder / "usr" / "share" / "bochs"
        share.mkdir(parents=True)
        for name in ("bochs", "disk", "usr/share/bochs/BIOS-bochs-latest", "usr/share/bochs/VGABIOS-lgpl-latest"):
            (self.folder / name).write_text(name)
        patch = mock.patch.object(snapshot, "find_bochs", lambda: (str(self.folder / "bochs"), share))
        patch.start()
        self.addCleanup(patch.stop)

    def key(self, **words) -> str:
        """The key of this machine with the one disk."""
        machine = bochs.Machine(**({"model": "m", "cpus": 1, "memory": 512, "disks": [Path("disk0")],
                                    "debugger": False} | words))
        return snapshot.key(machine, [self.folder / "disk"])

    def test_same_again(self):
        self.assertEqual(self.key(), self.key())

    def test_machine(self):
        keys = [self.key(), self.key(model="n"), self.key(cpus=2), self.key(memory=768), self.key(debugger=True),
                self.key(vmx_log=True), self.key(options=["vga: extension=none"])]
        self.assertEqual(len(set(keys)), len(keys))

    def test_files(self):
        for name in ("disk", "bochs", "usr/share/bochs/BIOS-bochs-latest"):
            before = self.key()
            (self.folder / name).write_text("changed")
            with self.subTest(name):
                self.assertNotEqual(self.key(), before)


if __name__ == "__main__":
    unittest.main()
