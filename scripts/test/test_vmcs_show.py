# SPDX-License-Identifier: BSD-2-Clause
"""scripts/vmcs: show, diff, exits, gdt, as-c, check, html and bisect-vmxcap, by their output."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import vmcs_samples as samples
from vmcslib import bisect, decode, gdt
from vmcslib.dump import Dump
from vmcslib.main import main
from vmcslib.tables import ROOT, tables

REAL = ROOT / "logs" / "2026-11-21-bochs-linux-kvm-invalid-guest-state.log"
ON_XMHF = ROOT / "logs" / "2026-11-21-bochs-linux-kvm-on-xmhf-invalid-guest-state.log"
LHV = ROOT / "logs" / "2026-11-21-bochs-lhv-cr0-write.log"
LHV_ON_XMHF = ROOT / "logs" / "2026-11-21-bochs-lhv-on-xmhf-cr0-write.log"
L0_DUMPS = ROOT / "logs" / "2026-11-21-bochs-lhv-on-xmhf-vmcs12-02.log"
L2_BOOT = ROOT / "logs" / "2026-11-21-bochs-linux-kvm-linux-on-xmhf-exits.log"
FIVE = ROOT / "logs" / "2026-11-21-bochs-linux-kvm-five-bad-states.log"
XEN = ROOT / "logs" / "2026-11-21-bochs-xen-vmcs-areas.log"
XMHF64 = Path(__file__).resolve().parent / "samples" / "xmhf64.txt"
GOLDEN = Path(__file__).resolve().parent / "golden"
CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


class Tool(unittest.TestCase):
    """Runs the verbs in this process."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="vmcs-test-"))
        cls.log = str(cls.write("vb.log", samples.before_and_after()))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def write(cls, name, text):
        path = cls.folder / name
        path.write_text(text)
        return path

    def run_tool(self, *arguments):
        """(exit status, output, errors)"""
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                status = main(list(arguments))
            except SystemExit as end:
                status = end.code
        return status, out.getvalue(), errors.getvalue()


class Decoding(unittest.TestCase):
    """Values in the SDM's words."""

    def test_meanings(self):
        for name, value, meaning in (
                ("entry_controls", 0x8211, "IA-32e mode guest, load IA32_EFER, reserved 1 3 5-8 12 of default1 not set"),
                ("entry_interruption_information", 0x80000B0D,
                 "VECTOR 13 #GP, interruption type hardware exception, error code valid, valid"),
                ("guest_cs_access_rights", 0xA09B, "code execute/read, accessed (type 11), S, DPL 0, P, L, G"),
                ("guest_ldtr_access_rights", 0x10000, "unusable"), ("guest_activity_state", 3, "wait for SIPI"),
                ("eptp", 0x12345005E, "memory type WB, page-walk length 4, accessed and dirty flags, address 0x123450000"),
                ("exit_reason", 0x80000021, "33 entry-failure-guest, VM-entry failure"),
                ("guest_ia32_efer", 0xD01, "SCE, LME, LMA, NXE"), ("exception_bitmap", 0x22002, "#DB, #GP, #AC"),
                ("vmcs_link_pointer", (1 << 64) - 1, "none"), ("guest_cr0", 0x80000031 | 1 << 6, "PE, ET, NE, PG, bits 6"),
                ("vm_instruction_error", 7, "VM entry with invalid control field(s)")):
            self.assertEqual(meaning.lower(), decode.describe(name, value).lower(), name)

    def test_qualifications(self):
        for reason, value, meaning in (
                (28, 0x300, "control register CR0, access MOV to CR, register RBX"),
                (30, 0x3F80008, "size 1 byte, IN, port 0x3f8"), (33, 4, "link pointer"),
                (48, 0x181, "read, permissions of the entries ---, linear address valid, access to the page itself"),
                (12, 0, "")):
            dump = Dump("", "ours", 1, values={"exit_reason": reason, "exit_qualification": value})
            self.assertEqual(meaning, decode.describe("exit_qualification", value, dump), reason)

    def test_instruction_information(self):
        """Each kind of instruction; the words as the SDM's tables give them, put together by hand."""
        no_index, no_base, register = 1 << 22, 1 << 27, 1 << 10
        long_ds = 2 << 7 | 3 << 15
        for reason, value, qualification, meaning in (
                ("VMREAD", register | 1 << 3 | 2 << 28, 0, "RCX, RDX"),
                ("VMWRITE", long_ds | no_index | 3 << 23 | 8 << 28, 0x10, "[DS:RBX + 0x10], R8, 64-bit address"),
                ("VMXON", 1 << 7 | 2 << 15 | 2 | 9 << 18 | 5 << 23, (1 << 64) - 8, "[SS:RBP + 4*R9 - 0x8], 32-bit address"),
                ("VMPTRLD", long_ds | no_index | no_base, 0x1234, "[DS:0x1234], 64-bit address"),
                ("INVEPT", long_ds | no_index | 6 << 28, 0, "[DS:RAX], RSI, 64-bit address"),
                ("INVPCID", long_ds | no_index | no_base | 7 << 28, 0, "[DS:0x0], RDI, 64-bit address"),
                ("GDTR_IDTR_ACCESS", 3 << 15 | 1 << 7 | 1 << 11 | no_index | 3 << 28, 0x40,
                 "LIDT [DS:RAX + 0x40], 32-bit address, 32-bit operand"),
                ("LDTR_TR_ACCESS", register | 3 << 3 | 3 << 28, 0, "LTR RBX"),
                ("LDTR_TR_ACCESS", long_ds | no_index | 1 << 28, 2, "STR [DS:RAX + 0x2], 64-bit address"),
                ("RDRAND", 12 << 3 | 2 << 11, 0, "register R12, operand size 64-bit"),
                ("TPAUSE", 1 << 3 | 1 << 11, 0, "register RCX, operand size 32-bit"),
                ("LOADIWKEY", 1 << 3 | 2 << 28, 0, "first operand XMM1, second operand XMM2"),
                ("IO_INSTRUCTION", 1 << 7 | 4 << 15, 1 << 4, "address size 32-bit, segment FS"),
                ("IO_INSTRUCTION", 1 << 7 | 4 << 15, 1 << 4 | 1 << 3, "address size 32-bit"),
                ("IO_INSTRUCTION", 0xFFFFFFFF, 1 << 3, ""), ("CPUID", 0xFFFFFFFF, 0, "")):
            dump = Dump("", "ours", 1, values={"exit_reason": tables().exit_enumerators[reason], "exit_qualification": qualification})
            self.assertEqual(meaning, decode.describe("exit_instruction_information", value, dump), reason)
        dump = Dump("", "ours", 1, values={"exit_reason": tables().exit_enumerators["VMXON"]})
        self.assertEqual("displacement -0x8", decode.describe("exit_qualification", (1 << 64) - 8, dump))

    def test_every_control_bit_has_a_name_of_its_own(self):
        for name, word in decode.CONTROL_WORDS.items():
            labels = [row[0] for row in decode.layout(name)]
            self.assertEqual(len(set(labels)), len(labels), word)

    def test_every_field_describes_any_value(self):
        for field in tables().fields:
            for value in (0, field.mask, 0x5555555555555555 & field.mask):
                for reason in (None, *tables().exit_reasons):
                    dump = Dump("", "ours", 1, values={"exit_reason": reason or 0})
                    self.assertIsInstance(decode.describe(field.name, value, dump), str)


class Show(Tool):
    def test_show_names_the_failure(self):
        status, out, errors = self.run_tool("show", self.log)
        self.assertEqual(0, status)
        self.assertIn("34 entry-failure-msr, VM-entry failure", out)
        self.assertIn("entry number 1 of the VM-entry MSR-load area: IA32_EFER = 0x0000000000000d01", out)
        self.assertIn("the last of 4 dumps", errors)
        self.assertNotIn("\x1b", out)

    def test_all_shows_every_field(self):
        out = self.run_tool("show", "--all", self.log)[1]
        self.assertEqual([], [field.name for field in tables().fields if f" {field.name} " not in out])

    def test_log_form_is_read_back(self):
        out = self.run_tool("show", "--every", "--log", self.log)[1]
        self.assertEqual(sorted(samples.before_and_after().split()), sorted(
            out.replace("@entry_msr_load[", "@vmcs02_entry_msr_load[").split()))

    def test_list(self):
        out = self.run_tool("list", self.log)[1]
        self.assertEqual(5, len(out.splitlines()))

    def test_trouble_is_status_2_and_no_traceback(self):
        for arguments in (("show", "/nonexistent"), ("show", self.log + "@nothing"), ("diff", "@x"), ("frobnicate",),
                          ("exits", self.log), ("gdt", "zz"), ("exits", "--by", "x", self.log), ("show", "@1"),
                          ("diff", self.log, "--ignore", "x", "@1"), ("diff", self.log + "@1")):
            status, _, errors = self.run_tool(*arguments)
            self.assertEqual(2, status, arguments)
            self.assertTrue(errors.strip(), arguments)


class Diff(Tool):
    BEFORE_AFTER = """\
Guest register state
  6800 guest_cr0                              0x0000000000000035  0x0000000080010035
         + WP  (bit 16)
         + PG  (bit 31)
VM-execution controls
  4002 processor_based_controls               0xb5a0fdfa  0xb5a07dfe
         + interrupt-window exiting  (bit 2)
         - CR3-load exiting  (bit 15)
  6004 cr0_read_shadow                        0x0000000000000015  0x0000000080010015
         + WP  (bit 16)
         + PG  (bit 31)
"""

    def test_before_and_after_the_cr0_write(self):
        status, out, _ = self.run_tool("diff", self.log + "@before12", "@after12")
        self.assertEqual(1, status)
        self.assertEqual(self.BEFORE_AFTER, out.split("\n\n", 1)[1])

    def test_vmcs12_against_vmcs02_by_itself(self):
        status, out, _ = self.run_tool("diff", self.log)
        self.assertEqual(1, status)
        self.assertIn("~ basic reason: 28 cr-access -> 34 entry-failure-msr", out)
        self.assertRegex(out, r"entry_msr_load IA32_EFER +not in area +0x0000000000000d01")

    def changed(self, *arguments):
        """Names of the fields that a diff shows."""
        status, out, _ = self.run_tool("diff", *arguments)
        self.assertEqual(1, status)
        return re.findall(r"^  [0-9a-f]{4} (\w+)", out, re.MULTILINE)

    def test_what_l0_dumped_before_and_after_the_cr0_write(self):
        changed = self.changed("-i", "read-only,registers,tsc", f"{L0_DUMPS}@1-12", f"{L0_DUMPS}@2-12")
        self.assertEqual({"guest_cr0", "cr0_read_shadow", "processor_based_controls"},
                         set(changed) & {"guest_cr0", "cr0_read_shadow", "processor_based_controls"})

    def test_what_l0_makes_of_vmcs12(self):
        changed = self.changed("-i", "host,unknown,read-only", f"{L0_DUMPS}@2-12", f"{L0_DUMPS}@2-02")
        self.assertEqual({"vpid", "msr_bitmap_address", "eptp", "secondary_processor_based_controls"},
                         set(changed) - {"guest_ia32_perf_global_ctrl"})

    def test_same_is_0_and_ignored_is_0(self):
        self.assertEqual(0, self.run_tool("diff", self.log + "@before12", "@before02")[0])
        self.assertEqual(0, self.run_tool("diff", "-i", "control,guest", self.log + "@before12", "@after12")[0])
        self.assertEqual(1, self.run_tool("diff", "-i", "control", self.log + "@before12", "@after12")[0])
        self.assertEqual(0, self.run_tool("diff", "-i", "/cr0|processor/", self.log + "@before12", "@after12")[0])

    def test_three_columns(self):
        log = self.write("three.log", "\n".join(samples.ours("x01", guest_cr4=0x20) + samples.ours("x12")
                                                + samples.ours("x02", guest_cr4=0x2000)))
        out = self.run_tool("diff", str(log))[1]
        self.assertRegex(out, r"guest_cr4 +0x0000000000000020  0x0000000000000000  0x0000000000002000")
        self.assertIn("~ VMXE: A=0  B=0  C=1  (bit 13)", out)

    def test_many_bits_that_differ_alike_share_a_row(self):
        log = self.write("many.log", "\n".join(samples.ours("x01", exception_bitmap=0) + samples.ours("x12", exception_bitmap=0xFFFFFFFF)
                                               + samples.ours("x02", exception_bitmap=0xFFFFFFFF, vmcs_link_pointer=0x1000)))
        three = self.run_tool("diff", str(log))[1]
        self.assertRegex(three, r"~ A=0  B=1  C=1: #DE, #DB, NMI, (.*\n? +)+\(bits 0-31\)\n")
        self.assertNotIn("bit 31:", three)
        self.assertIn("~ A=none  B=none  C=0x0000000000001000", three)
        two = self.run_tool("diff", f"{log}@x01", "@x12")[1]
        self.assertRegex(two, r"\+ #DE, #DB, NMI, (.*\n? +)+\(bits 0-31\)\n?")
        self.assertNotIn("(bit ", two)

    def test_unknown_is_not_zero(self):
        xen = self.write("xen.log", samples.XEN)
        out = self.run_tool("diff", str(xen), self.log)[1]
        self.assertNotIn("msr_bitmap_address", out)
        self.assertIn("known to only some of these dumps", out)
        self.assertIn("guest_cs_selector", out)


class Golden(Tool):
    """Real logs against what the tool printed when a person last read it; VMCS_GOLDEN=write renews."""

    CASES = (("kvm-show.txt", "show", f"{REAL}@1"), ("kvm-diff.txt", "diff", f"{REAL}@1", "@2"),
             ("kvm-list.txt", "list", str(REAL)), ("lhv-diff.txt", "diff", f"{LHV}@before12", "@after12"),
             ("lhv-show.txt", "show", f"{LHV}@after12"), ("lhv-exits.txt", "exits", str(LHV)),
             ("xmhf64-list.txt", "list", str(XMHF64)), ("xmhf64-show.txt", "show", "--every", str(XMHF64)),
             ("xmhf64-exits.txt", "exits", "--by", "kind,reason", str(XMHF64)),
             ("xmhf64-before-after.txt", "diff", f"{XMHF64}@before12", "@after12"),
             ("xmhf64-failure.txt", "diff", f"{XMHF64}@failure12", "@failure02"),
             ("xen-list.txt", "list", str(XEN)), ("xen-show.txt", "show", str(XEN)),
             ("xen-kvm-diff.txt", "diff", "-i", "host,address", str(XEN), f"{REAL}@1"),
             ("kvm-linux-exits.txt", "exits", str(L2_BOOT)),
             ("kvm-linux-timeline.txt", "exits", "--kind", "201", "--by", "reason", "--timeline", "8", str(L2_BOOT)),
             ("kvm-native-on-xmhf-diff.txt", "diff", "-i", "host,address,tsc", f"{REAL}@1", f"{ON_XMHF}@1"),
             ("lhv-native-on-xmhf-diff.txt", "diff", f"{LHV}@after12", f"{LHV_ON_XMHF}@after12"),
             ("lhv-kvm-diff.txt", "diff", "-i", "host,address", f"{LHV}@after12", f"{REAL}@1"))

    def test_real_logs(self):
        for name, *arguments in self.CASES:
            out = self.run_tool(*arguments)[1].replace(f"{ROOT}/", "")
            if os.environ.get("VMCS_GOLDEN") == "write":
                GOLDEN.mkdir(exist_ok=True)
                (GOLDEN / name).write_text(out)
            self.assertEqual((GOLDEN / name).read_text(), out, name)

    def test_every_line_of_the_real_dumps_is_understood(self):
        for path, lines in ((REAL, 2 * 44), (ON_XMHF, 2 * 44), (LHV, 2 * 181), (LHV_ON_XMHF, 2 * 181), (XMHF64, 37),
                            (FIVE, 5 * 44), (XEN, 40)):
            errors = self.run_tool("list", "-v", str(path))[2]
            self.assertIn(" 0 lines not understood", errors)
            total, others = (int(re.search(pattern, errors)[1]) for pattern in (r": (\d+) lines,", r"(\d+) others"))
            self.assertGreaterEqual(total - others, lines)

    def test_the_lab_note_s_own_recipe_works_on_our_log(self):
        recipe = f"diff <(grep @before12@ {LHV} | cut -d @ -f 1,3) <(grep @after12@ {LHV} | cut -d @ -f 1,3)"
        run = subprocess.run(["bash", "-c", recipe], capture_output=True, text=True, check=False)
        theirs = set(re.findall(r"@(\w+) =", run.stdout))
        out = self.run_tool("diff", f"{LHV}@before12", "@after12")[1]
        self.assertEqual(theirs, set(re.findall(r"^  [0-9a-f]{4} (\w+)", out, re.MULTILINE)))


class Small(Tool):
    def test_gdt_of_the_lab_note(self):
        out = self.run_tool("gdt", "0x00af9b000000ffff")[1]
        self.assertIn("Segment Limit 0xfffff\tBase Address 0x0\tType=0xb S=1 DPL=0 P=1 AVL=0 L=1 DB=0 G=1", out)

    def test_gdt_selector_of_the_lab_note(self):
        out = self.run_tool("gdt", "-s", "0x13", "0x0", "0x00cf9b000000ffff", "0x00af9b000000ffff")[1]
        self.assertIn("gives #GP(0x10)", out)

    def test_gdt_bytes(self):
        self.assertEqual([0x00AF9B000000FFFF], gdt.words_of("ff ff 00 00 00 9b af 00"))

    def test_gdt_as_other_tools_print_it(self):
        table = [0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF, 0xFFFFFE0000001000]
        texts = {"xxd": "00000000: 0000 0000 0000 0000 ffff 0000 009b af00  ................\n"
                        "00000010: ffff 0000 0093 cf00 0010 0000 00fe ffff  ................\n",
                 "hexdump -C": "00000000  00 00 00 00 00 00 00 00  ff ff 00 00 00 9b af 00  |....|....... |..|\n"
                               "00000010  ff ff 00 00 00 93 cf 00  00 10 00 00 00 fe ff ff  |................|\n00000020\n",
                 "od": "0000000 0000000000000000 00af9b000000ffff\n0000020 00cf93000000ffff fffffe0000001000\n0000040\n",
                 "x/4gx": "0xfffffe0000001000:\t0x0000000000000000\t0x00af9b000000ffff\n"
                          "0xfffffe0000001010 <gdt_page+16>:\t0x00cf93000000ffff\t0xfffffe0000001000\n",
                 "x/8wx": "0x1000:\t0x00000000\t0x00000000\t0x0000ffff\t0x00af9b00\n0x1010:\t0x0000ffff\t0x00cf9300\t0x00001000\t0xfffffe00\n",
                 "names": "gdt[0] = 0x0000000000000000, 0x00af9b000000ffff, 0x00cf93000000ffff, 0xfffffe0000001000"}
        for name, text in texts.items():
            self.assertEqual(table, gdt.words_of(text), name)

    def test_gdt_words_of_the_command_line(self):
        """Every word keeps its place in the table, with 0x or without."""
        out = self.run_tool("gdt", "-s", "0x13", "0", "0", "00af9b000000ffff")[1]
        self.assertIn("gives #GP(0x10)", out)
        self.assertEqual([0x00AF9B000000FFFF], gdt.words_of_arguments("ff ff 00 00 00 9b af 00".split()))

    def test_a_part_of_a_tag_is_enough(self):
        self.assertIn("@vmentry-failure02", self.run_tool("show", f"{XMHF64}@failure02")[1])
        self.assertIn("is a part of several tags: after12, before12", self.run_tool("show", f"{XMHF64}@e")[2]
                      .replace("VMCS02, ", "").replace(", vmentry-failure02, vmentry-failure12", ""))

    @unittest.skipUnless(CC, "no C compiler")
    def test_as_c_compiles_against_lhv(self):
        for dump, wanted in ((self.log + "@after02", "check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_MSR, 1"),
                             (str(XEN), "enters with these fields"), (f"{FIVE}@5", "EXIT_REASON_ENTRY_FAILURE_GUEST, 0")):
            out = self.run_tool("as-c", dump)[1]
            self.assertIn(wanted, out)
            case = self.write("case.c", out)
            run = subprocess.run([CC, "-std=gnu11", "-ffreestanding", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                                  f"-I{ROOT}", str(case)], capture_output=True, text=True, check=False)
            self.assertEqual("", run.stderr)

    @unittest.skipUnless(CC, "no C compiler")
    def test_as_c_carries_over_what_is_wrong(self):
        """The fifth dump is refused for GDTR's base, an address, which otherwise stays lhv's."""
        self.assertIn("set_if_there(VMCS_guest_gdtr_base, 0x8000000000000000ULL);", self.run_tool("as-c", f"{FIVE}@5")[1])
        self.assertNotIn("set_if_there(VMCS_guest_gdtr_base", self.run_tool("as-c", f"{FIVE}@1")[1])

    def test_as_c_of_a_guest_that_ran_lets_no_exception_loose(self):
        """Xen's guest has SMEP, and lhv's pages are the user's: L2 would run lhv's handlers, and on its stack."""
        out = self.run_tool("as-c", str(XEN))[1]
        last = out[out.index("handlers here"):]
        self.assertIn("set_if_there(VMCS_exception_bitmap, 0xffffffff);", last)
        self.assertIn("set_word(VMX_WORD_PIN, VMCS_pin_based_controls, 0x0000003f);", last)
        self.assertNotIn("handlers here", self.run_tool("as-c", f"{FIVE}@1")[1])


class Page(Tool):
    def test_page_is_one_file_that_asks_for_nothing(self):
        log = self.write("page.log", samples.trace(500))
        page = self.folder / "page.html"
        self.assertEqual(0, self.run_tool("html", "-o", str(page), str(log))[0])
        text = page.read_text()
        self.assertNotRegex(text, r"(src|href)=[\"'](?!#)|@import|url\(|fetch\(|XMLHttpRequest|https?:")
        data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
        self.assertEqual((3, 500, [0, 1, 2]), (len(data["dumps"]), data["exits"]["count"], data["picks"]))

    def test_text_of_a_log_cannot_leave_its_place(self):
        log = self.write("evil.log", "\n".join(samples.ours("</script><script>alert(1)</script>12")))
        page = self.folder / "evil.html"
        self.run_tool("html", "--title", "</title><script>alert(2)</script>", "-o", str(page), str(log))
        self.assertNotIn("alert(1)</script>", page.read_text())
        self.assertNotIn("<script>alert(2)", page.read_text())


FAKE_L1 = """#!/bin/sh
for bit in EXIT_LOAD_IA32_EFER ENTRY_LOAD_IA32_EFER EPT_2M; do
	case " $1 " in *" vmxcap.$bit=0 "*) echo "this host lacks $bit"; exit 1 ;; esac
done
case " $VMXCAP " in *" vmxcap.EPT_INVEPT_ALL=0 "*)
	case " $VMXCAP " in *" vmxcap.EPT_INVEPT_SINGLE=0 "*) exit 1 ;; esac ;;
esac
echo LAB-RESULT pass 1/1
exec sleep 60
"""


class Bisect(Tool):
    def hunt(self, *more, state="state"):
        script = self.folder / "l1"
        script.write_text(FAKE_L1)
        script.chmod(0o755)
        return self.run_tool("bisect-vmxcap", "--works", "LAB-RESULT pass", "--state", str(self.folder / state), *more,
                             "--", str(script), "{vmxcap}")

    def test_finds_exactly_what_is_needed_and_resumes(self):
        status, out, _ = self.hunt("-j", "2", "--only", "^(EXIT|ENTRY|EPT)_", state="one")
        self.assertEqual(0, status)
        names = re.findall(r"vmxcap\.(\w+)", out.split("runs,")[0])
        self.assertEqual({"EXIT_LOAD_IA32_EFER", "ENTRY_LOAD_IA32_EFER", "EPT_2M"}, set(names) - {"EPT_INVEPT_ALL", "EPT_INVEPT_SINGLE"})
        self.assertEqual(4, len(names))
        self.assertEqual(1, out.count("or another in its place"))
        self.assertIn('"load IA32_EFER" (VM-exit controls, bit 21)', out)
        self.assertIn("\n0 runs", self.hunt("-j", "2", "--only", "^(EXIT|ENTRY|EPT)_", state="one")[1])

    def test_a_search_that_was_killed_goes_on(self):
        self.hunt("--only", "^EPT_", state="two")
        path = self.folder / "two" / "trials.jsonl"
        lines = path.read_text().splitlines()
        path.write_text("\n".join(lines[:5]) + "\n" + lines[5][:20])
        out = self.hunt("--only", "^EPT_", state="two")[1]
        self.assertIn("vmxcap.EPT_2M", out)
        self.assertEqual(len(lines) - 5, int(re.search(r"(\d+) runs,", out)[1]))

    def test_suspects_of_a_dump_are_tried_alone(self):
        """The bits that a VMCS uses: one run for each, few for all the others; the answer is the same."""
        plain = self.hunt(state="plain")[1]
        hinted = self.hunt("--suspects", str(LHV), state="hinted")[1]
        needed = [set(re.findall(r"vmxcap\.(\w+)", out.split("runs,")[0])) for out in (plain, hinted)]
        self.assertLessEqual({"EXIT_LOAD_IA32_EFER", "ENTRY_LOAD_IA32_EFER", "EPT_2M"}, needed[1])
        self.assertEqual(*(len(bits) for bits in needed))
        rows = [json.loads(row) for row in (self.folder / "hinted" / "trials.jsonl").read_text().splitlines()]
        self.assertIn(["EXIT_HOST_ADDRESS_SPACE_SIZE"], [row["hidden"] for row in rows])
        self.assertIn("of the needed bits hidden", (self.folder / "hinted" / "trials.log").read_text())

    def test_trials_of_another_command_are_not_taken_for_its_own(self):
        self.hunt("--only", "^EPT_", state="mine")
        status, _, errors = self.run_tool("bisect-vmxcap", "--works", "another", "--state", str(self.folder / "mine"), "--", "true", "{vmxcap}")
        self.assertEqual(2, status)
        self.assertIn("another command", errors)

    def test_what_cannot_be_is_refused_before_any_run(self):
        nothing = self.write("nothing.log", "hello\n")
        for wanted, *options in (("invalid positive value", "--timeout", "-1"), ("invalid positive value", "-j", "0"),
                                 ("no VMCS dump", "--suspects", str(nothing)), ("cannot read", "--suspects", "/nonexistent"),
                                 ("no capability bit", "--only", "zzz"), ("not a regular expression", "--keep", "[")):
            status, _, errors = self.hunt(*options, state="never-made")
            self.assertEqual(2, status, options)
            self.assertIn(wanted, errors)
            self.assertFalse((self.folder / "never-made").exists(), options)

    def test_progress_tells_how_long_it_will_take(self):
        self.assertRegex(self.hunt("--only", "^(EXIT|ENTRY|EPT)_", state="pace")[2],
                         r"\d+ runs? \(\d+ remembered\), \d+ needed bits? found, \d+ bits? left, \d+ s, about \d+ s to go")

    def test_an_l1_that_never_works_is_trouble(self):
        status, _, errors = self.run_tool("bisect-vmxcap", "--works", "x", "--state", str(self.folder / "never"),
                                          "--", "true", "{vmxcap}")
        self.assertEqual(2, status)
        self.assertIn("nothing hidden", errors)

    def test_words_that_l0_does_not_take_end_the_search(self):
        status, _, errors = self.run_tool(
            "bisect-vmxcap", "--works", "pass", "--state", str(self.folder / "distrust"), "--", "sh", "-c",
            "echo \"CPU(0x00): warning: command line: 'vmxcap.': not of the form key=value\"; echo pass", "{vmxcap}")
        self.assertEqual(2, status)
        self.assertIn("cannot be trusted", errors)

    def test_a_run_that_hangs_is_ended(self):
        start = os.times().elapsed
        status = self.run_tool("bisect-vmxcap", "--works", "x", "--timeout", "0.3", "--state",
                               str(self.folder / "hang"), "--", "sleep", "50", "{vmxcap}")[0]
        self.assertEqual(2, status)
        self.assertLess(os.times().elapsed - start, 10)

    def test_a_run_without_a_verdict_is_no_answer_if_strict(self):
        """A crash of the lab or a timeout on a busy machine must not become a needed bit."""
        status, _, errors = self.run_tool("bisect-vmxcap", "--works", "x", "--fails", "y", "--strict", "--state",
                                          str(self.folder / "strict"), "--", "echo", "neither", "{vmxcap}")
        self.assertEqual(2, status)
        self.assertIn("neither --works nor --fails", errors)
        self.assertFalse((self.folder / "strict" / "trials.jsonl").exists())

    def test_an_l1_that_minds_what_else_it_sees(self):
        """Not monotonous: with A but without B it fails, with neither it works."""
        class Odd:
            ran = reused = 0
            spent = 0.0

            def works(self, kept):
                return "N" in kept and ("A" not in kept or "B" in kept)
        found = bisect.Search(Odd(), 1, lambda text: None).minimal(["A", "B", "C", "N"])
        self.assertEqual({"N"}, found)

    def test_names_are_those_of_the_command_line(self):
        header = (ROOT / "xmhf/vmx/vmxcap.h").read_text()
        self.assertIn("EXIT_LOAD_IA32_EFER", header)
        self.assertEqual("vmxcap.EPT_2M=0 vmxcap.PROC2_ENABLE_EPT=0", bisect.words_of({"PROC2_ENABLE_EPT", "EPT_2M"}))


if __name__ == "__main__":
    sys.exit(unittest.main())
