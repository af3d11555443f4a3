# SPDX-License-Identifier: BSD-2-Clause
"""scripts/vmcs: reading every format, noise, cut lines, picking dumps."""

import gzip
import io
import random
import re
import tempfile
import unittest
from pathlib import Path

import vmcs_samples as samples
from test_vmcs_show import FIVE
from test_vmcs_show import XMHF64 as XMHF64_LOG
from vmcslib import reader, text
from vmcslib.dump import Exits
from vmcslib.errors import VmcsError
from vmcslib.names import XMHF64, field_of_name, reason_of_name
from vmcslib.reader import Selector
from vmcslib.tables import ROOT, tables


def parsed(words, source="log"):
    """A log of a text, bytes or a list of lines."""
    if isinstance(words, list):
        words = "\n".join(words) + "\n"
    data = words.encode() if isinstance(words, str) else words
    return reader.parse(text.lines_of(io.BufferedReader(io.BytesIO(data))), source)


def bare(line: str) -> str:
    """Without printk's time."""
    return re.sub(r"^\[ *[0-9.]+\] ", "", line)


class Tables(unittest.TestCase):
    """The project's tables, not a second list."""

    def test_every_row_is_read(self):
        rows = (ROOT / "xmhf/x86/vmcs_fields.def").read_text().count("\nVMCS_FIELD(")
        self.assertEqual(rows, len(tables().fields))
        rows = (ROOT / "xmhf/x86/vmx_controls.def").read_text().count("\nVMX_CONTROL(")
        self.assertEqual(rows, len(tables().controls))

    def test_xmhf64_map_names_fields_that_exist(self):
        self.assertEqual([], [name for name in XMHF64.values() if name not in tables().by_name])

    def test_names_of_others(self):
        for theirs, mine in (
                ("control_VMX_cpu_based", "processor_based_controls"), ("guest_CR0", "guest_cr0"),
                ("info_IDT_vectoring_information", "idt_vectoring_information"),
                ("control_VM_exit_MSR_store_address", "exit_msr_store_address"),
                ("control_VM_entry_exception_errorcode", "entry_exception_error_code"),
                ("control_EPT_pointer_full", "eptp"), ("guest_SYSENTER_CS", "guest_ia32_sysenter_cs"),
                ("control_EOI_exit_bitmap_0", "eoi_exit_bitmap0"), ("control_vpid", "vpid"),
                ("control_Task_PRivilege_Threshold", "tpr_threshold"), ("nonsense", None)):
            self.assertEqual(mine, field_of_name(theirs), theirs)

    def test_reasons_of_others(self):
        for theirs, number in (("EPT_MISCONFIG", 49), ("MSR_READ", 31), ("IO_INSTRUCTION", 30), ("cpuid", 10),
                               ("MWAIT_INSTRUCTION", 36), ("INVALID_STATE", 33), ("nonsense", None),
                               ("reason-99", 99), ("05", 5), ("0x05", 5)):
            self.assertEqual(number, reason_of_name(theirs), theirs)


class Formats(unittest.TestCase):
    """One dump of each."""

    def test_ours(self):
        log = parsed(samples.before_and_after())
        self.assertEqual(["before12", "before02", "after12", "after02"], [dump.tag for dump in log.dumps])
        last = log.dumps[-1]
        self.assertEqual(0x80000022, last.get("exit_reason"))
        self.assertEqual({"vmread_bitmap_address", "vmwrite_bitmap_address"}, last.absent)
        self.assertEqual({0: (0xC0000080, 0xD01)}, last.msr_areas["entry_msr_load"])
        self.assertEqual(("after", "02", 5), (last.moment, last.vmcs, last.cpu))
        self.assertEqual(0, log.unparsed_count + log.noise)

    def test_xmhf64_both_shapes(self):
        for encodings, mark, tag in ((True, ":", "VMCS02"), (False, "@", "vmentry-failure12")):
            log = parsed(samples.xmhf64(tag, encodings, mark))
            self.assertEqual(1, len(log.dumps))
            self.assertEqual(0, log.unparsed_count, log.unparsed[:3])
            self.assertEqual(tables().by_name.keys(), log.dumps[0].values.keys())
            self.assertEqual(0xB5A0FDFA, log.dumps[0].get("processor_based_controls"))

    def test_xmhf64_msr_list_finds_its_dump(self):
        lines = samples.xmhf64() + ["CPU(0x05): :MSR:vmcs02_vmentry_msr_load_area[1] = 0x00000277 -> 0x0007040600070406"]
        self.assertEqual({1: (0x277, 0x7040600070406)}, parsed(lines).dumps[0].msr_areas["entry_msr_load"])

    def test_xen(self):
        dump = parsed(samples.XEN).dumps[0]
        self.assertEqual(("xen", "d1v2"), (dump.format, dump.cpu))
        for name, value in (("guest_cr4", 0x426B0), ("cr4_read_shadow", 0x406B0), ("guest_rip", 0xFFFFFFFF81A01007),
                            ("guest_cs_access_rights", 0xA09B), ("guest_gdtr_limit", 0x7F), ("host_cs_selector", 0xE008),
                            ("guest_ia32_efer", 0xD01), ("host_ia32_pat", 0x50100070406), ("exit_reason", 12),
                            ("host_rip", 0xFFFF82D040208E60), ("host_rsp", 0xFFFF83007CE27F70), ("vpid", 1),
                            ("entry_interruption_information", 0x800000D1), ("tpr_threshold", 0), ("ple_window", 0x1000),
                            ("host_ia32_sysenter_cs", 0xE008), ("guest_smbase", 0), ("host_cr3", 0x7C9D4000)):
            self.assertEqual(value, dump.get(name), name)
        self.assertEqual(0xFFFFFFFF81A01009, dump.effective["guest_rip"])
        self.assertIsNone(dump.get("msr_bitmap_address"))
        self.assertNotIn("msr_bitmap_address", dump.absent)

    def test_xen_s_dump_of_a_failed_entry(self):
        """As printed by itself: another heading, all controls on one line, no VCPU line."""
        text = samples.XEN.split("\n", 4)[4].replace("SecondaryExec=000014eb TertiaryExec=00000000", "")
        text = text.replace("CPUBased=b6a065fa", "CPUBased=b6a065fa SecondaryExec=000054eb")
        head = "(XEN) d12v0 vmentry failure (reason 0x80000021): Invalid guest state (0)\n(XEN) ************* VMCS Area **************\n"
        dump = parsed(head + text).dumps[0]
        self.assertEqual(("xen", "d12v0", 0x54EB), (dump.format, dump.cpu, dump.get("secondary_processor_based_controls")))

    def test_linux_with_the_module_s_name_and_syslog_s(self):
        plain = [line.removeprefix("(XEN) ") for line in samples.XEN.split("\n")[4:]]
        for prefix in ("[  673.850218] kvm_intel: ", "Sep  6 21:56:48 xubuntu2004 kernel: [ 1524.416884] ", "<3>[    1.0][    C1] kvm: "):
            dump = parsed("\n".join(prefix + line for line in plain)).dumps[0]
            self.assertEqual(("kvm", 12, 0x10), (dump.format, dump.get("exit_reason"), dump.get("guest_cs_selector")))

    def test_new_kernels_with_apicv_and_cet(self):
        """The guest's interrupt status is printed twice, in two forms: that is no missing heading."""
        log = parsed(samples.KVM_NEW)
        self.assertEqual((1, 0, 0), (len(log.dumps), log.unparsed_count, log.noise), log.unparsed[:3])
        dump = log.dumps[0]
        for name, value in (("guest_interrupt_status", 0xEC), ("eptp", 0x12345605E), ("vpid", 1), ("apic_access_address", 0x12345000),
                            ("virtual_apic_address", 0x12346000), ("posted_interrupt_notification_vector", 0xF2), ("ple_window", 0x1000),
                            ("tertiary_processor_based_controls", 0x10), ("guest_ia32_s_cet", 1), ("guest_ssp", 2), ("host_ssp", 0),
                            ("guest_ia32_interrupt_ssp_table_addr", 3), ("guest_pdpte3", 4), ("guest_ia32_efer", 0)):
            self.assertEqual(value, dump.get(name), name)
        self.assertEqual({"guest_ia32_efer": 0xD01}, dump.effective)
        self.assertEqual({0: (0x600, 0)}, dump.msr_areas["entry_msr_load"])

    def test_kvm_trace(self):
        log = parsed(samples.KVM_TRACE)
        self.assertEqual([10, 48], list(log.exits.reason))
        self.assertEqual([2000, 3000], list(log.exits.ticks))
        self.assertEqual(["exit", "201"], [Exits.KINDS[kind] for kind in log.exits.kind])
        self.assertEqual(0x184, log.exits.qualification[1])
        self.assertIn("nested_cpu_has_nmi_exiting", log.header["failures"][0][1])

    def test_bochs(self):
        log = parsed(samples.BOCHS)
        self.assertEqual([18, 48], list(log.exits.reason))
        self.assertEqual([50, -1], list(log.exits.ticks))
        self.assertEqual(1, len(log.header["failures"]))

    def test_our_trace_and_xmhf64s(self):
        log = parsed("CPU(0x04): 201 0x00007f88f438297c cpuid qual=0x0 ticks=812\n"
                     "CPU(0x00): trace: exit of CPU 0x05: 101 0x0000000000001000 hlt qual=0x0 ticks=7\n"
                     "CPU(0x04): nested vmexit  0xffffffffb0e01007 0: 0x80000b0d\n"
                     "CPU(0x04): nested vmentry 0xffffffffb0e01007 intr_inj=0x80000b0d\n")
        self.assertEqual([10, 12, 0, 24], list(log.exits.reason))
        self.assertEqual([4, 5, 4, 4], list(log.exits.cpu))
        self.assertEqual([812, 7, -1, -1], list(log.exits.ticks))
        self.assertEqual(0x80000B0D, log.exits.inject[3])

    def test_capabilities(self):
        log = parsed(samples.VIRTUALBOX_CAPS)
        self.assertEqual(0x3F00000016, log.capabilities["IA32_VMX_PINBASED_CTLS"])


class Trouble(unittest.TestCase):
    """What serial logs are really like."""

    def test_noise_prefixes_and_line_ends(self):
        plain = parsed(samples.XEN).dumps[0].values
        for change in (lambda line: f"[Sat Nov 21 02:03:59 2026] {line}\r", lambda line: f"\x1b[1;31m{line}\x1b[0m",
                       lambda line: f"Nov 21 02:03:59 host xen: {line}", lambda line: f"{line}\nnoise, noise"):
            changed = "\n".join(change(line) for line in samples.XEN.split("\n"))
            self.assertEqual(plain, parsed(changed).dumps[0].values)

    MESSES = {
        "CRLF": lambda lines: "\r\n".join(lines), "LF CR": lambda lines: "\n\r".join(lines), "CR": lambda lines: "\r".join(lines),
        "dmesg -T": lambda lines: "\n".join(f"[Sat Nov 21 02:03:{n % 60:02} 2026] {bare(line)}" for n, line in enumerate(lines)),
        "dmesg -T --time-format iso": lambda lines: "\n".join(f"2026-11-21T02:03:{n % 60:02},000{n % 1000:03}+00:00 {bare(line)}"
                                                              for n, line in enumerate(lines)),
        "journalctl": lambda lines: "\n".join(f"Nov 21 02:03:04 host kernel: {bare(line)}" for line in lines),
        "levels": lambda lines: "\n".join(f"<6>{line}" for line in lines),
        "(XEN)": lambda lines: "\n".join(f"(XEN) {line}" for line in lines),
        "(XEN) with times": lambda lines: "\n".join(f"(XEN) [2026-11-21 02:03:04.123] {line.removeprefix('(XEN) ')}" for line in lines),
        "ANSI": lambda lines: "\n".join(f"\x1b[32m{line}\x1b[0m" for line in lines),
        "ANSI inside": lambda lines: "\n".join(line.replace("0x", "0x\x1b[1m") for line in lines),
        "noise": lambda lines: "\n".join(f"{line}\nusb 1-1: new device = 0x12" for line in lines),
        "mail": lambda lines: "\n".join(f"> {line}   " for line in lines), "NUL": lambda lines: "\n".join(f"\0{line}" for line in lines),
        "grep -n": lambda lines: "\n".join(f"serial.txt:{n}:{line}" for n, line in enumerate(lines, 1)),
        "upper case": lambda lines: "\n".join(re.sub(r"\b0x[0-9a-f]+", lambda m: "0x" + m[0][2:].upper(), line) for line in lines),
        "UTF-16": lambda lines: "\n".join(lines).encode("utf-16"), "BOM": lambda lines: ("\ufeff" + "\n".join(lines)).encode(),
    }

    def test_real_logs_in_every_mess(self):
        """Of each real log the same fields with the same values, however it was copied."""
        logs = [path for path in sorted((ROOT / "logs").iterdir()) if parsed(path.read_text()).dumps] + [XMHF64_LOG]
        self.assertGreater(len(logs), 7)
        for path in logs:
            lines = path.read_text().split("\n")
            true = [(dump.values, dump.absent, dump.msr_areas) for dump in parsed("\n".join(lines)).dumps]
            for name, mess in self.MESSES.items():
                found = parsed(mess(lines)).dumps
                self.assertEqual(true, [(dump.values, dump.absent, dump.msr_areas) for dump in found], f"{path.name}, {name}")

    def test_interleaved_cpus(self):
        one, two = samples.ours("failure02", 4, guest_rip=1), samples.ours("failure02", 5, guest_rip=2)
        mixed = [line for pair in zip(one, two) for line in pair]
        self.assertEqual([(4, 1), (5, 2)], [(dump.cpu, dump.get("guest_rip")) for dump in parsed(mixed).dumps])

    def test_interleaved_threads_of_linux(self):
        def thread(caller, rip):
            return [f"[    1.0][ {caller}] {line}" for line in (
                "*** Guest State ***", f"RSP = 0x0000000000000001  RIP = 0x{rip:016x}", "*** Host State ***",
                "*** Control State ***", "PinBased=0000003f CPUBased=b6a065fa")]
        mixed = [line for pair in zip(thread("T10", 1), thread("T11", 2)) for line in pair]
        self.assertEqual([1, 2], [dump.get("guest_rip") for dump in parsed(mixed).dumps])

    def test_two_cpus_that_print_at_once_without_a_caller(self):
        """No value of one dump gets into the other; the lines are counted, each once."""
        lines = [line for line in FIVE.read_text().splitlines() if not line.startswith("#")]
        starts = [number for number, line in enumerate(lines) if "last attempted" in line]
        one, two = lines[starts[0]:starts[1]], lines[starts[1]:starts[2]]
        for late in (0, 1, 2, 7, 20, 30):
            mixed = one[:late] + [line for pair in zip(one[late:], two) for line in pair] + two[len(one) - late:]
            log = parsed(mixed)
            true = parsed(one).dumps[0].values
            # One line of the first may follow before its second "Guest State" is seen; then nobody knows.
            self.assertLessEqual(set(log.dumps[0].values.items()) if log.dumps else set(), set(true.items()), late)
            self.assertEqual(0, sum(len(dump.values) for dump in log.dumps[1:]), late)
            self.assertLessEqual(log.unparsed_count + log.noise, log.lines)
            self.assertGreater(log.unparsed_count, 40)
            self.assertGreaterEqual(log.noise, 0)

    def test_any_lines_lost_never_give_a_wrong_value(self):
        """Headings too: what cannot be told from the guest's is unknown."""
        dice = random.Random(5)
        texts = [samples.KVM_NEW, samples.XEN, "\n".join(line for line in FIVE.read_text().splitlines()[28:76])]
        for text in texts:
            lines = text.split("\n")
            true = parsed(text).dumps[0].values
            headings = [number for number, line in enumerate(lines) if "State ***" in line]
            for round_ in range(150):
                lost = set(dice.sample(headings[1:], dice.randrange(3))) | set(dice.sample(range(len(lines)), dice.randrange(7)))
                for dump in parsed("\n".join(line for number, line in enumerate(lines) if number not in lost)).dumps:
                    wrong = {name for name, value in dump.values.items() if true.get(name) != value}
                    self.assertEqual(set(), wrong, f"round {round_}")

    def test_the_next_dump_after_one_that_was_cut(self):
        lines = [line for line in FIVE.read_text().splitlines() if not line.startswith("#")]
        starts = [number for number, line in enumerate(lines) if "last attempted" in line]
        cut = lines[starts[0]:starts[0] + 20] + ["noise"] * 5 + lines[starts[1]:starts[2]]
        self.assertEqual(parsed(lines[starts[1]:starts[2]]).dumps[0].values, parsed(cut).dumps[1].values)

    def test_same_tag_again_is_another_dump(self):
        self.assertEqual(2, len(parsed(samples.ours("x02") + samples.ours("x02")).dumps))

    def test_cut_value_is_unknown_and_counted(self):
        for number, line in enumerate(samples.ours("x02")):
            if "exit_reason" in line:
                lines = samples.ours("x02")
                lines[number] = line[:-2]
                break
        log = parsed(lines)
        self.assertIsNone(log.dumps[0].get("exit_reason"))
        self.assertNotIn("exit_reason", log.dumps[0].absent)
        self.assertEqual((1, number + 1), (log.unparsed_count, log.unparsed[0][0]))

    def test_every_cut_of_every_line_never_gives_a_wrong_value(self):
        true = parsed(samples.XEN).dumps[0].values
        lines = samples.XEN.split("\n")
        for number, line in enumerate(lines):
            for length in range(len(line)):
                log = parsed("\n".join(lines[:number] + [line[:length]] + lines[number + 1:number + 2]))
                for dump in log.dumps:
                    for name, value in dump.values.items():
                        self.assertEqual(true.get(name), value, f"{name} from {line[:length]!r}")

    def test_lines_that_end_in_carriage_returns_alone(self):
        for text in (samples.before_and_after(), samples.XEN):
            plain, other = parsed(text), parsed(text.replace("\n", "\r"))
            self.assertEqual([dump.values for dump in plain.dumps], [dump.values for dump in other.dumps])
            self.assertEqual([dump.line for dump in plain.dumps], [dump.line for dump in other.dumps])

    def test_compressed_and_utf16(self):
        plain = samples.before_and_after()
        for data in (gzip.compress(plain.encode()), plain.encode("utf-16")):
            self.assertEqual(4, len(parsed(data).dumps))

    def test_no_dump_is_an_error_that_says_what_was_looked_for(self):
        log = parsed("hello\n" * 3)
        with self.assertRaises(VmcsError) as caught:
            Selector("").pick(log)
        self.assertIn("3 lines", str(caught.exception))
        self.assertIn("*** Guest State ***", str(caught.exception))

    def test_oops_after_a_dump_is_not_part_of_it(self):
        noise = "".join(f"line {n}\n" for n in range(60))
        log = parsed(samples.XEN + noise + "CR3 = 0x0000000000000bad\n")
        self.assertEqual(0x59D6000, log.dumps[0].get("guest_cr3"))


class Picking(unittest.TestCase):
    """FILE@WHICH."""

    def setUp(self):
        self.log = parsed(samples.before_and_after())

    def picked(self, which):
        return [dump.tag for dump in Selector(which).pick(self.log)]

    def test_ways(self):
        everything = ["before12", "before02", "after12", "after02"]
        for which, tags in (("", everything), ("before12", ["before12"]), ("after", everything[2:]), ("3", ["after12"]),
                            ("-1", ["after02"]), ("vmcs=02", ["before02", "after02"]), ("cpu=5", everything),
                            ("cpu=0x05,n=1", ["before12"]), ("before=400", ["after12"]), ("before=363", ["before02"])):
            self.assertEqual(tags, self.picked(which), which)

    def test_a_tag_that_is_a_number(self):
        self.log = parsed(samples.ours("712") + samples.ours("702") + samples.ours("812"))
        for which, tags in (("7", ["712", "702"]), ("702", ["702"]), ("3", ["812"]), ("n=2", ["702"]), ("8", ["812"])):
            self.assertEqual(tags, self.picked(which), which)

    def test_none_says_what_there_is(self):
        for which in ("failure02", "cpu=7", "9", "colour=red", "n=x"):
            with self.assertRaises(VmcsError):
                self.picked(which)

    def test_reading_a_missing_file(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(VmcsError):
            reader.read_log(str(Path(folder) / "none"))


if __name__ == "__main__":
    unittest.main()
