# SPDX-License-Identifier: BSD-2-Clause
"""scripts/vmcs exits: the tables of each level and the timeline."""

import re
import unittest

import vmcs_samples as samples
from test_vmcs_show import L2_BOOT, XMHF64, Tool


class Exits(Tool):
    def test_groups(self):
        log = self.write("trace.log", samples.trace(300, False))
        out = self.run_tool("exits", "--by", "kind,reason", "--sort", "time", str(log))[1]
        counts = [int(row.split()[2]) for row in out.splitlines()[1:-1]]
        self.assertEqual(300, sum(counts))
        self.assertIn("Total: 300 exits", out)
        again = self.write("again.log", self.run_tool("exits", "--trace", str(log))[1])
        self.assertEqual(self.run_tool("exits", "--timeline", "0", str(log))[1],
                         self.run_tool("exits", "--timeline", "0", str(again))[1])

    def test_arithmetic(self):
        log = self.write("three.trace", "".join(
            f"CPU(0x00): 201 0x1 {name} qual=0x0 ticks={ticks}\n" for name, ticks in (("hlt", 1), ("hlt", 5), ("io", 4))))
        rows = [row.split() for row in self.run_tool("exits", str(log))[1].splitlines()]
        self.assertEqual(["hlt", "2", "66.67%", "60.00%", "1", "5", "3.0"], rows[1])

    def test_vectors(self):
        """Events of exits, and what entries inject, in each format that has them."""
        ours = self.write("events.trace", "".join(f"CPU(0x00): {line}\n" for line in (
            "201 0x1 exception-nmi qual=0x0 intr=0x80000b0e ticks=2", "201 0x1 exception-nmi qual=0x0 intr=0x80000b0e ticks=4",
            "201 0x1 exception-nmi qual=0x0 intr=0x80000202 ticks=6", "201 0x1 external-interrupt qual=0x0 intr=0x800000ec ticks=1",
            "101 0x1 vmresume qual=0x0 inject=0x800000ec ticks=9", "101 0x1 vmresume qual=0x0 ticks=9")))
        out = self.run_tool("exits", "--by", "reason,vector", str(ours))[1]
        for row in (r"exception-nmi #PF +2 .* 3\.0", r"exception-nmi NMI +1 ", r"external-interrupt interrupt 0xec +1 ",
                    r"vmresume injects interrupt 0xec +1 ", r" vmresume +1 "):
            self.assertRegex(out, row)
        self.assertIn("Total: 6 exits", out)
        self.assertRegex(self.run_tool("exits", "--by", "vector", str(ours))[1], r"no event +1 ")
        kvm = self.write("events.kvm", samples.KVM_TRACE.replace("reason CPUID", "reason EXCEPTION_NMI")
                         .replace("intr_info 0x00000000", "intr_info 0x80000b0d"))
        self.assertRegex(self.run_tool("exits", "--by", "reason,vector", str(kvm))[1], r"exception-nmi #GP +1 ")
        xmhf64 = self.run_tool("exits", "--by", "kind,reason,vector", str(XMHF64))[1]
        self.assertRegex(xmhf64, r"201 exception-nmi #GP +1 ")
        self.assertRegex(xmhf64, r"102 vmresume injects #GP +1 ")

    def test_the_trace_is_read_back(self):
        """All of it: kinds, events, times."""
        for name, text in (("ours", samples.trace(200, False)), ("kvm", samples.KVM_TRACE), ("bochs", samples.BOCHS)):
            log = self.write(f"{name}.trace", text)
            again = self.write(f"{name}.again", self.run_tool("exits", "--trace", str(log))[1])
            options = ("exits", "--by", "kind,reason,vector,cpu,rip,qualification", "--timeline", "5" if name == "ours" else "0")
            first, second = (self.run_tool(*options, str(path))[1].partition("\nFailed")[0] for path in (log, again))
            self.assertEqual(re.sub(r" ns\b", " ticks", first).split(), second.split(), name)

    def test_a_filter_that_lets_nothing_through_says_so(self):
        log = self.write("two.trace", "CPU(0x05): 201 0x1 hlt qual=0x0\nCPU(0x04): 101 0x1 io qual=0x0\n")
        for options in (("-c", "9"), ("--reason", "cpuid"), ("--kind", "202"), ("--trace", "-c", "9")):
            status, _, errors = self.run_tool("exits", *options, str(log))
            self.assertEqual(2, status)
            self.assertIn("none of its 2 exits fits", errors)
            self.assertIn("kinds 101, 201, of CPU 0x04, 0x05", errors)

    def test_a_table_for_each_level(self):
        log = self.write("levels.trace", "".join(f"CPU(0x00): {kind} 0x1 {name} qual=0x0 ticks=2\n" for kind, name in (
            ("101", "vmresume"), ("201", "cpuid"), ("101", "vmresume"), ("202", "ept-violation"))))
        out = self.run_tool("exits", str(log))[1]
        self.assertRegex(out, r"101: from L1, handled by L0, 50\.00% of all exits\n.*\n +vmresume +2 +100\.00%")
        self.assertRegex(out, r"201: from L2, reflected to L1, 25\.00% of all exits\n.*\n +cpuid +1 +100\.00%")
        self.assertRegex(out, r"202: from L2, handled by L0, 25\.00% of all exits\n.*\n +ept-violation +1 +100\.00%")
        self.assertIn("All levels: 4 exits", out)
        self.assertNotIn("Timeline", out)

    def test_timeline(self):
        """Ten rows of 100 ticks; the last instant belongs to the last row."""
        times = [(0, "201", "cpuid"), (50, "201", "cpuid"), (99, "101", "vmread"), (100, "101", "io"), (950, "201", "hlt"),
                 (1000, "201", "hlt")]
        log = self.write("when.trace", "".join(
            f"CPU(0x00): {kind} 0x1 {name} qual=0x0 ticks=2 tsc={7000 + when}\n" for when, kind, name in times))
        out = self.run_tool("exits", "--timeline", "10", str(log))[1]
        rows = [row.split() for row in out.split("most frequent\n")[1].splitlines()]
        self.assertEqual(["7000", "1", "2", "201", "cpuid", "#" * 30], rows[0])
        self.assertEqual(["7100", "1", "0", "101", "io", "#" * 10], rows[1])
        self.assertEqual([["7200", "0", "0"]], rows[2:3])
        self.assertEqual(["7900", "0", "2", "201", "hlt", "#" * 20], rows[9])
        self.assertEqual(10, len(rows))

    def test_a_log_without_times_has_no_timeline(self):
        log = self.write("xmhf64.trace", "CPU(0x05): nested vmexit  0x0010cd17 28\n" * 30)
        self.assertIn("no timeline", self.run_tool("exits", str(log))[1])

    def test_seconds(self):
        log = self.write("kvm.trace", samples.KVM_TRACE)
        out = self.run_tool("exits", "--timeline", "2", str(log))[1]
        self.assertIn("Timeline: 0.000010 s, 0.000005 a row", out)
        self.assertIn("Avg ns", out)

    def test_the_whole_boot_of_l2_in_the_header_of_its_log(self):
        """KVM counted as many exits of its guest as L0 reflected to it; the windows are a part of that."""
        header = "\n".join(line for line in L2_BOOT.read_text().splitlines() if line.startswith("#"))
        reflected = int(re.search(r"201: .*?Total: (\d+) exits", header, re.DOTALL)[1])
        self.assertEqual(reflected, int(re.search(r"KVM-STATS exits +(\d+)", header)[1]))
        out = self.run_tool("exits", "--kind", "201", str(L2_BOOT))[1]
        part = int(re.search(r"Total: (\d+) exits", out)[1])
        self.assertTrue(0 < part < reflected)
        left_out = sum(map(int, re.findall(r"# (\d+) lines left out", header)))
        whole = int(re.search(r"All levels: (\d+) exits", header)[1])
        self.assertEqual(whole, left_out + sum(not line.startswith("#") for line in L2_BOOT.read_text().splitlines()))

    def test_a_log_of_the_other_kind_says_so(self):
        errors = self.run_tool("list", str(L2_BOOT))[2]
        self.assertIn("`vmcs exits` and `vmcs html` read that", errors)
        log = self.write("dumps.log", samples.before_and_after())
        self.assertIn("it has 4 VMCS dumps: `vmcs list` shows them", self.run_tool("exits", str(log))[2])


if __name__ == "__main__":
    unittest.main()
