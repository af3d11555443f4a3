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
                ("entry_controls", 0x8211, "IA-32e mode guest, load IA32_EFER, reserved 0 4"),
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
        for path, lines in ((REAL, 2 * 44), (ON_XMHF, 2 * 44), (LHV, 2 * 181), (LHV_ON_XMHF, 2 * 181)):
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

    def test_exits(self):
        log = self.write("trace.log", samples.trace(300, False))
        out = self.run_tool("exits", "--by", "kind,reason", "--sort", "time", str(log))[1]
        counts = [int(row.split()[2]) for row in out.splitlines()[1:-1]]
        self.assertEqual(300, sum(counts))
        self.assertIn("Total: 300 exits", out)
        again = self.write("again.log", self.run_tool("exits", "--trace", str(log))[1])
        self.assertEqual(self.run_tool("exits", str(log))[1], self.run_tool("exits", str(again))[1])

    def test_exits_arithmetic(self):
        log = self.write("three.trace", "".join(
            f"CPU(0x00): 201 0x1 {name} qual=0x0 ticks={ticks}\n" for name, ticks in (("hlt", 1), ("hlt", 5), ("io", 4))))
        rows = [row.split() for row in self.run_tool("exits", str(log))[1].splitlines()]
        self.assertEqual(["hlt", "2", "66.67%", "60.00%", "1", "5", "3.0"], rows[1])

    @unittest.skipUnless(CC, "no C compiler")
    def test_as_c_compiles_against_lhv(self):
        out = self.run_tool("as-c", self.log + "@after02")[1]
        self.assertIn("check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_MSR, 1", out)
        case = self.write("case.c", out)
        run = subprocess.run([CC, "-std=gnu11", "-ffreestanding", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                              f"-I{ROOT}", str(case)], capture_output=True, text=True, check=False)
        self.assertEqual("", run.stderr)


@unittest.skipUnless(CC, "no C compiler")
class Check(Tool):
    """The hypervisor's entry checks on dumps."""

    def rules(self, *arguments):
        out = self.run_tool("check", "--json", *arguments)
        return out[0], json.loads(out[1])["rules"]

    def test_the_real_dumps_break_the_rule_they_were_made_to_break(self):
        for number, field, text in (("1", "guest_tr_access_rights", "TSS"), ("2", "guest_cs_limit", "limit")):
            status, rules = self.rules(f"{REAL}@{number}")
            broken = [rule for rule in rules if rule["outcome"] == "broken"]
            self.assertEqual((1, 1), (status, len(broken)), broken)
            self.assertIn(text, broken[0]["rule"])
            self.assertIn("Checks on Guest Segment Registers", broken[0]["section"])
            self.assertIn(field, self.run_tool("check", f"{REAL}@{number}")[1])

    def test_a_real_run_that_entered_breaks_no_rule(self):
        for path, tag in ((LHV, "before12"), (LHV, "after12"), (LHV_ON_XMHF, "after12")):
            status, rules = self.rules(f"{path}@{tag}")
            self.assertEqual((0, []), (status, [rule["rule"] for rule in rules if rule["outcome"] == "broken"]))
            self.assertGreater(sum(rule["outcome"] == "holds" for rule in rules), 190)

    def test_one_wrong_bit_in_a_real_dump_breaks_its_rule(self):
        for field, value, rule in (("guest_rflags", f"{0:016x}", "FIXED_1"), ("host_tr_selector", "0000", "host_tr_selector"),
                                   ("vmcs_link_pointer", f"{1:016x}", "link"), ("guest_activity_state", f"{7:08x}", "activity")):
            log, count = re.subn(rf"(@after12@{field} = 0x)\w*$", rf"\g<1>{value}", LHV.read_text(), flags=re.MULTILINE)
            self.assertEqual(1, count, field)
            broken = [one["rule"] for one in self.rules(str(self.write("bit.log", log)) + "@after12")[1]
                      if one["outcome"] == "broken"]
            self.assertTrue(any(rule in one for one in broken), f"{field}: {broken}")

    def test_an_interrupt_injected_while_they_are_masked(self):
        """A known failure of KVM with OVMF: IF is 0 and the entry injects an external interrupt."""
        text = REAL.read_text().replace("intr_info=00000000", "intr_info=800000d1", 1).replace("attr=0x00089", "attr=0x0008b", 1)
        status, rules = self.rules(str(self.write("ovmf.log", text)) + "@1")
        broken = [rule for rule in rules if rule["outcome"] == "broken"]
        self.assertEqual((1, 1), (status, len(broken)), broken)
        self.assertIn("RFLAGS_IF", broken[0]["rule"])
        self.assertIn("Checks on Guest RIP", broken[0]["section"])

    def test_unknown_makes_it_not_checkable(self):
        lines = [line for line in samples.ours("x12", guest_rflags=0) if "guest_rflags" not in line]
        status, rules = self.rules(str(self.write("nof.log", "\n".join(lines))))
        outcome = {rule["rule"]: rule for rule in rules}
        about = [rule for text, rule in outcome.items() if "FIXED_1" in text and "rflags" in text]
        self.assertTrue(about)
        self.assertEqual({"not checkable"}, {rule["outcome"] for rule in about})
        self.assertIn("guest_rflags", about[0]["depends"])

    def test_every_rule_has_a_section(self):
        rules = self.rules(self.log + "@before12")[1]
        self.assertGreater(len(rules), 100)
        self.assertEqual([], [rule["rule"] for rule in rules if not rule["section"]])


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
