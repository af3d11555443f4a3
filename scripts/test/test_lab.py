# SPDX-License-Identifier: BSD-2-Clause
"""The lab's pure parts: arguments, verdicts, Bochs' configuration and output.  No emulator."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lablib import bochs, boot, images, initramfs, main, paths, qemu, verdict  # noqa: E402
from lablib.errors import LabError, UsageError  # noqa: E402


class Verdicts(unittest.TestCase):
    def test_pass(self):
        judged = verdict.judge("noise\r\nLAB-RESULT pass 3/3\r\n", [])
        self.assertTrue(judged.passed)
        self.assertIn("3/3", judged.reason)

    def test_result_after_a_terminal_escape(self):
        self.assertTrue(verdict.judge("\x1b[H\x1b[JLAB-RESULT pass 1/1\n", []).passed)

    def test_fail_line_wins(self):
        self.assertFalse(verdict.judge("LAB-RESULT pass 3/3\nLAB-RESULT fail 1/2\n", []).passed)
        self.assertFalse(verdict.judge("LAB-RESULT fail 1/2\nLAB-RESULT pass 3/3\n", []).passed)

    def test_counts_must_agree(self):
        self.assertFalse(verdict.judge("LAB-RESULT pass 2/3\n", []).passed)
        self.assertFalse(verdict.judge("LAB-RESULT pass 0/0\n", []).passed)

    def test_no_result(self):
        self.assertIn("no LAB-RESULT", verdict.judge("hello\n", []).reason)
        self.assertFalse(verdict.judge("", []).passed)

    def test_incomplete_line_does_not_count(self):
        self.assertEqual(verdict.results("LAB-RESULT pass 1/1"), [])
        self.assertEqual(verdict.results("LAB-RESULT pass 1/1\n"), [("pass", 1, 1)])

    def test_other_words_are_no_result(self):
        self.assertEqual(verdict.results("LAB-RESULT passed 1/1\nLAB-RESULT pass 1/1 not\n"), [])

    def test_hypervisor_line_within_a_line(self):
        text = "ok 1\r\nLAB-RECPU(0x00): L1 touches\r\nSULT pass 1/1\r\nCPU(0x01): x\r\n"
        self.assertTrue(verdict.judge(text, ["^CPU.0x01", "L1 touches", "^LAB-RESULT pass"]).passed)
        text = "okCPU(0x00): LAB-RESULT fail 0/1\n 1\nLAB-RESULT pass 1/1\n"
        self.assertFalse(verdict.judge(text, []).passed)

    def test_expectations(self):
        text = "first\r\nsecond\r\nLAB-RESULT pass 1/1\r\n"
        self.assertTrue(verdict.judge(text, ["^first$", "sec.nd"]).passed)
        judged = verdict.judge(text, ["first", "third"])
        self.assertFalse(judged.passed)
        self.assertIn("third", judged.reason)


class Kinds(unittest.TestCase):
    def test_known(self):
        self.assertEqual(images.parse_l1("linux").kind, "linux")
        self.assertEqual(images.parse_l1("none").kind, "none")
        parsed = images.parse_l1("multiboot:a/b.elf,x=1 y", "z")
        self.assertEqual((parsed.kind, parsed.path, parsed.cmdline),
                         ("multiboot", Path("a/b.elf"), "x=1 y z"))
        self.assertEqual(images.parse_l1("raw:disk.img").path, Path("disk.img"))

    def test_refused(self):
        for text in ("", "windows", "linux:vmlinuz", "none:x", "multiboot", "multiboot2:,x",
                     "raw:", "raw:disk.img,x"):
            with self.subTest(text), self.assertRaises(UsageError):
                images.parse_l1(text)


class GrubWords(unittest.TestCase):
    def test_words_are_quoted(self):
        self.assertEqual(images.grub_words("a=1 $b ;c"), "'a=1' '$b' ';c'")
        self.assertEqual(images.grub_words('a="x y"'), "'a=x y'")
        self.assertEqual(images.grub_words(r"a\b #c"), r"'a\b' '#c'")
        self.assertEqual(images.grub_words(""), "")

    def test_refused(self):
        for text in ("it's", "two\nlines", 'an open "quote'):
            with self.subTest(text), self.assertRaises(UsageError):
                images.grub_words(text)


class Configurations(unittest.TestCase):
    def refuse(self, **words):
        with self.assertRaises(UsageError):
            boot.validate(boot.BootConfig(**words))

    def test_accepted(self):
        boot.validate(boot.BootConfig(native=True))
        boot.validate(boot.BootConfig(xmhf=Path("x"), l1="none", cpus=8))

    def test_refused(self):
        self.refuse()
        self.refuse(native=True, xmhf=Path("x"))
        self.refuse(native=True, l1="none")
        self.refuse(native=True, emulator="vmware")
        self.refuse(native=True, debugger="maybe")
        self.refuse(native=True, cpus=0)
        self.refuse(native=True, cpus=9)
        self.refuse(native=True, memory=1)
        self.refuse(native=True, timeout=0)
        self.refuse(native=True, expect=["("])

    def test_linux_words_follow_the_machine(self):
        words = boot.linux_words(boot.BootConfig(xmhf=Path("x"), cpus=2)).split()
        self.assertIn("probe.cpus=2", words)
        self.assertIn("probe.native=0", words)
        self.assertIn("tsc_early_khz=50000", words)
        words = boot.linux_words(boot.BootConfig(xmhf=Path("x"), emulator="qemu")).split()
        self.assertIn("probe.native=1", words)
        self.assertNotIn("tsc_early_khz=50000", words)


class Bochs(unittest.TestCase):
    def machine(self, **words):
        return bochs.Machine(**({"model": "corei7_skylake_x", "cpus": 2, "memory": 512,
                                 "disks": [Path("/d/a"), Path("/d/b")], "debugger": True} | words))

    def lines(self, **words):
        text = bochs.bochsrc(self.machine(**words), Path("/share"), Path("/out"))
        return text.splitlines()

    def test_disks_in_order(self):
        disks = [line for line in self.lines() if line.startswith("ata")]
        self.assertEqual(len(disks), 2)
        self.assertTrue(disks[0].startswith("ata0-master:") and '"/d/a"' in disks[0])
        self.assertTrue(disks[1].startswith("ata0-slave:") and '"/d/b"' in disks[1])

    def test_memory_of_the_host_is_limited(self):
        self.assertIn("memory: guest=4096, host=2048", self.lines(memory=4096))
        self.assertIn("memory: guest=512, host=512", self.lines())

    def test_processor(self):
        line = next(line for line in self.lines() if line.startswith("cpu:"))
        self.assertIn("count=2", line)
        self.assertIn("ips=50000000", line)
        self.assertIn("ignore_bad_msrs=1", line)
        line = next(x for x in self.lines(ignore_bad_msrs=False) if x.startswith("cpu:"))
        self.assertIn("ignore_bad_msrs=0", line)

    def test_vmx_log_names_every_cpu(self):
        self.assertIn("debug: action=ignore", self.lines())
        self.assertIn("debug: action=ignore, cpu0=report, cpu1=report", self.lines(vmx_log=True))

    def test_own_options_come_last(self):
        self.assertEqual(self.lines(options=["vga: extension=none"])[-1], "vga: extension=none")

    def test_too_many_disks(self):
        with self.assertRaises(UsageError):
            self.lines(disks=[Path("x")] * 5)

    def test_last_tick(self):
        log = "00000000000i[CPU0  ] a\n00818333970e[SIM   ] b\nno tick\n"
        self.assertEqual(bochs.last_tick(log), 818333970)
        self.assertIsNone(bochs.last_tick("nothing\n"))

    def test_fatal_reason(self):
        log = "00000000007p[UNMAP ] >>PANIC<< Shutdown port: shutdown requested\n"
        self.assertIn("shutdown requested", bochs.fatal_reason(log))
        self.assertIsNone(bochs.fatal_reason("00000000007i[CPU0  ] fine\n"))

    def test_vmx_complaints(self):
        log = ("00000000001e[CPU0  ] VMFAIL: VMCS host state invalid CR0\n00000000002i[CPU0  ] x\n"
               "00000000003e[CPU1  ] VMENTER FAIL: VMCS guest invalid CR0\n")
        self.assertEqual(len(bochs.vmx_complaints(log)), 2)
        self.assertIn("guest invalid", bochs.vmx_complaints(log, 1)[0])

    def test_e9_text_is_what_the_guest_wrote(self):
        out = ("=====\n                        Bochs x86 Emulator 3.0\n=====\n"
               "magic breakpoint mask: 0x0 \nNext at t=0\n"
               "(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmpf 0xf000:e05b ; ea5be000f0\n"
               "CPU(0x00): 101 cpuid\nLAB-RESULT pass 1/1\n"
               "Bochs is exiting with the following message:\n[UNMAP ] Shutdown port\n"
               "(0).[766240290] [0x0000038ea5da] 0033:00000000004015da (unk. ctxt): add\n")
        self.assertEqual(bochs.e9_text(out), "CPU(0x00): 101 cpuid\nLAB-RESULT pass 1/1\n")

    def test_help_texts(self):
        text = "Supported CPU models:\n\ni386\ncorei7_skylake_x\n\n00000000000i[SIM   ] quit\n"
        self.assertEqual(paths.parse_models(text), ["i386", "corei7_skylake_x"])
        self.assertEqual(paths.parse_bochs_version("   Bochs x86 Emulator 3.0\n"), (3, 0))
        self.assertEqual(paths.parse_bochs_version("   Bochs x86 Emulator 2.7.1\n"), (2, 7))
        self.assertEqual(paths.parse_bochs_version("no banner"), (0, 0))


class Qemu(unittest.TestCase):
    def test_disks_are_ide_in_order(self):
        words = qemu.command("qemu", 4, 256, [Path("/a"), Path("/b")], Path("/out"))
        drives = [words[i + 1] for i, word in enumerate(words) if word == "-drive"]
        self.assertEqual(len(drives), 2)
        self.assertIn("file=/a", drives[0])
        self.assertIn("index=0", drives[0])
        self.assertIn("index=1", drives[1])
        self.assertEqual(words[words.index("-smp") + 1], "4")


class Extras(unittest.TestCase):
    def test_names(self):
        with tempfile.NamedTemporaryFile() as file:
            name = Path(file.name).name
            self.assertEqual(initramfs.parse_extra([file.name]), [(f"bin/{name}", Path(file.name))])
            self.assertEqual(initramfs.parse_extra([f"/lib/a/b={file.name}"]),
                             [("lib/a/b", Path(file.name))])

    def test_missing(self):
        with self.assertRaises(LabError):
            initramfs.parse_extra(["/no/such/file"])


class CommandLine(unittest.TestCase):
    def run_lab(self, *words):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                status = main.main(list(words))
            except SystemExit as leaving:
                status = leaving.code
        return status, errors.getvalue()

    def test_bad_usage_is_2(self):
        for words in ((), ("fly",), ("boot",), ("boot", "--native", "--xmhf", "x"),
                      ("boot", "--native", "--cpus", "many"), ("boot", "--native", "--expect", "("),
                      ("boot", "--native", "--l1", "windows"), ("boot", "--native", "--cpus", "0")):
            with self.subTest(words):
                status, errors = self.run_lab(*words)
                self.assertEqual(status, 2)
                self.assertTrue(errors)

    def test_missing_files_are_1_and_named(self):
        for words in (("boot", "--xmhf", "/no/such.elf"),
                      ("boot", "--native", "--l1", "raw:/no/such.img"),
                      ("image", "--native", "--l1", "multiboot:/no/such.elf")):
            with self.subTest(words):
                status, errors = self.run_lab(*words)
                self.assertEqual(status, 1)
                self.assertIn("/no/such", errors)


if __name__ == "__main__":
    unittest.main()
