# SPDX-License-Identifier: BSD-2-Clause
"""scripts/clients without an emulator: views, counts, tables, and what the runs consist of."""

import contextlib
import dataclasses
import io
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clientlib import build, counts, failure, main, rows, runs, soak, table, view  # noqa: E402
from lablib.boot import BootConfig, BootResult  # noqa: E402
from lablib.paths import L1LINUX, ROOT  # noqa: E402

SERIAL = """\
PROBE kvm-loaded tsc=1000
L2| L2 Linux (none) 6.1.0
KVM-STATS exits                                 12
KVM-STATS io_exits                               4
KVM-EXITS io                                4
KVM-EXITS cpuid                             8
PROBE l2-1-done tsc=5000
PROBE exits   cpu knd reason                        count        ticks  average
PROBE exits total 101 vmresume                         12        24000     2000
PROBE exits total 201 io                                4         2400      600
PROBE exits total 201 cpuid                             8         4800      600
PROBE exits total 202 ept-violation                     3         2100      700
LAB-RESULT pass 2/2
"""


def result(serial: str, complaints: list[str] = ()) -> BootResult:
    """A run that failed with this output."""
    return BootResult(False, "no LAB-RESULT line", "the guest", 1.0, 1, 1, Path("out"), serial, "", list(complaints))


class LevelsTest(unittest.TestCase):
    """The serial port that three levels share."""

    def levels(self, *pieces: str) -> list[tuple[str, str]]:
        """What comes of the pieces, one after the other."""
        levels = view.Levels()
        return [item for piece in pieces for item in levels.feed(piece)]

    def test_each_level(self):
        self.assertEqual(self.levels("CPU(0x00): a\nPROBE userspace\nL2| hello\nPROBE exits total\n"),
                         [("L0", "CPU(0x00): a"), ("L1", "PROBE userspace"), ("L2", "hello"), ("L0", "exits total")])

    def test_dom0_through_its_kernels_log(self):
        self.assertEqual(self.levels("[   15.845128] L2| L2 Linux\n[    0.1] L2 |\n"),
                         [("L2", "L2 Linux"), ("L1", "[    0.1] L2 |")])

    def test_l0_within_a_line(self):
        self.assertEqual(self.levels("L2| comp CPU(0x01): warning\nuted\n"),
                         [("L0", "CPU(0x01): warning"), ("L2", "comp uted")])

    def test_l0_twice_within_a_line(self):
        self.assertEqual(self.levels("L2| aCPU(0x01): x\nCPU(0x00): y\nb\n"),
                         [("L0", "CPU(0x01): x"), ("L0", "CPU(0x00): y"), ("L2", "ab")])

    def test_pieces(self):
        self.assertEqual(self.levels("L2| he", "l", "lo\r\nL"), [("L2", "hello")])

    def test_terminal_control(self):
        self.assertEqual(self.levels("\033[H\033[J\033[1;1HCPU(0x00): a\r\n\r\n"), [("L0", "CPU(0x00): a")])

    def test_view_shows_what_came_until_the_end(self):
        with tempfile.TemporaryDirectory() as name:
            path, output = Path(name) / "serial.txt", io.StringIO()
            with view.View(path, output):
                path.write_text("L2| one\n")
            self.assertEqual(output.getvalue(), "L2 | one\n")

    def test_view_ignores_the_run_before(self):
        with tempfile.TemporaryDirectory() as name:
            path, output = Path(name) / "serial.txt", io.StringIO()
            path.write_text("L2| old\n")
            with view.View(path, output):
                pass
            self.assertEqual(output.getvalue(), "")


class CountsTest(unittest.TestCase):
    """Exits as L0 and KVM counted them."""

    def test_totals(self):
        found = counts.parse(SERIAL)
        self.assertEqual(found.total("201"), (12, 7200))
        self.assertEqual(found.total("102"), (0, 0))
        self.assertEqual(found.kvm, {"exits": 12, "io_exits": 4})
        self.assertEqual(found.ticks_between("kvm-loaded", "l2-1-done"), 4000)
        self.assertIsNone(found.ticks_between("kvm-loaded", "l2-2-done"))

    def test_all_there(self):
        self.assertEqual(counts.missing(counts.parse(SERIAL)), [])

    def test_kvm_and_l0_disagree(self):
        problems = counts.missing(counts.parse(SERIAL.replace("cpuid                             8 ", "cpuid  9 ")))
        self.assertEqual(problems, ["L0 reflected 13 exits of L2, KVM counted 12",
                                    "cpuid: L0 reflected 9, KVM counted 8"])

    def test_each_level_is_needed(self):
        for pattern, problem in ((" 202 ", "202"), (" 201 ", "201"), ("KVM-STATS", "L1 printed no count"), ("KVM-EXITS", "by reason")):
            serial = "".join(line for line in SERIAL.splitlines(keepends=True) if pattern not in line)
            self.assertTrue(any(problem in text for text in counts.missing(counts.parse(serial))), pattern)

    def test_runs_add_up(self):
        self.assertEqual(counts.parse(SERIAL + SERIAL).kvm["exits"], 24)

    def test_lhv_as_l2(self):
        serial = "L2| ok 1 - a/b 3\nL2| not ok 2 - a/c 1\nL2| ok 3 - d # SKIP no\nok 4 - e\n"
        self.assertEqual(counts.verdicts_of_lhv(serial), {"a/b": "ok", "a/c": "not ok", "d": "SKIP"})

    def test_lhv_may_be_better_than_natively_and_not_worse(self):
        self.assertEqual(runs.worse({"a": "ok", "b": "not ok", "c": "SKIP"}, {"a": "ok", "b": "ok", "c": "SKIP"}), [])
        self.assertEqual(runs.worse({"a": "ok"}, {"a": "not ok"}), ["a: not ok, natively ok"])
        self.assertEqual(runs.worse({"a": "ok", "b": "SKIP"}, {"a": "SKIP"}),
                         ["a: SKIP, natively ok", "b: no word, natively SKIP"])

    def test_churn(self):
        self.assertEqual(counts.parse("PROBE churn rounds=2 pages=5 ticks=123\n").churn, 12)
        self.assertIsNone(counts.parse(SERIAL).churn)

    def test_per_level(self):
        text = "\n".join(counts.per_level(counts.parse(SERIAL)))
        self.assertRegex(text, r"201  L2 -> L0 -> L1 +12 +7200 +600")
        self.assertIn("KVM  counted 12 exits of L2", text)


SOAK = "".join(f"""\
PROBE l2-{run}-start tsc={run}000
L2| L2 Linux, {run} {1 + (run + 1) % 2} CPUs
ok {run} - L2 boots, run {run}
PROBE l2-{run}-done tsc={run}500
PROBE resources l2-{run}-done cpu=0 free_pages=10 ept02s={run % 2}
""" for run in (1, 2, 3, 4)) + "PROBE exits\nanything\n"


class SoakTest(unittest.TestCase):
    """Many boots in one L1."""

    def test_clean(self):
        report, problems = soak.judge(SOAK, 4)
        self.assertEqual(problems, [])
        self.assertEqual(report[2], "run 3: 1 CPUs, 500 ticks, free_pages of CPU 0 10, ept02s of CPU 0 1")

    def test_something_piles_up(self):
        serial = SOAK.replace("l2-4-done cpu=0 free_pages=10", "l2-4-done cpu=0 free_pages=9")
        self.assertEqual(soak.judge(serial, 4)[1], ["run 4: free_pages of CPU 0 is 9, was 10"])

    def test_ept02s_may_fill_their_places(self):
        serial = SOAK.replace("ept02s=0", "ept02s=1")
        for run, ept02s, tables in ((1, 1, 5), (2, 2, 10), (3, 3, 15), (4, 16, 80)):
            serial = re.sub(rf"(l2-{run}-done cpu=0 free_pages=10) ept02s=\d", rf"\1 ept02s={ept02s} ept02_tables={tables}", serial)
        self.assertEqual(soak.judge(serial, 4)[1], [])
        self.assertEqual(soak.judge(serial.replace("ept02_tables=80", "ept02_tables=81"), 4)[1],
                         ["run 4: 81 tables of 16 EPT02s on CPU 0, 5 each after the first"])
        self.assertEqual(soak.judge(serial.replace("ept02s=16", "ept02s=17"), 4)[1], ["run 4: 17 EPT02s on CPU 0"])

    def test_something_new_is_printed(self):
        serial = SOAK.replace("L2| L2 Linux, 3", "L2| rcu: stall\nL2| L2 Linux, 3")
        self.assertEqual(soak.judge(serial, 4)[1], ["run 3 prints: L2| rcu: stall"])

    def test_a_run_that_did_not_come(self):
        self.assertEqual(soak.judge(SOAK, 5)[1], ["L0 said what it holds after 4 of 5 runs"])


class FailureFolderTest(unittest.TestCase):
    """What is kept of a run that failed."""

    SERIAL = """\
CPU(0x00): L0 speaks
kvm_intel: VMCS 00000000a, last attempted VM-entry on CPU 0
*** Guest State ***
CR0: actual=0x0000000080050033, shadow=0x1, gh_mask=2
L2| L2 Linux
CPU(0x00): @panic-02@guest_rip = 0x1
vmm: CPU 0: KVM exit 9 at rip 0x7
"""

    def test_all_of_it(self):
        with tempfile.TemporaryDirectory() as name:
            out = Path(name)
            (out / "log.txt").write_text("00000000012e[CPU0  ] VMENTER FAIL: VMCS guest bad\n00000000013i[CPU0  ] x\n")
            failed = dataclasses.replace(result(self.SERIAL), out=out, ticks=77)
            with mock.patch.object(failure, "traced", return_value=["one exit"]):
                folder = failure.keep(failed, BootConfig(), "vmm: CPU 0", True)
            texts = {path.name: path.read_text() for path in folder.iterdir()}
        self.assertEqual(texts["L0.txt"].splitlines()[0], "CPU(0x00): L0 speaks")
        self.assertEqual(texts["L2.txt"], "L2 Linux\n")
        self.assertIn("KVM exit 9", texts["L1.txt"])
        self.assertEqual(len(texts["vmcs.txt"].splitlines()), 4)
        self.assertNotIn("KVM exit 9", texts["vmcs.txt"])
        self.assertEqual(texts["emulator.txt"], "00000000012e[CPU0  ] VMENTER FAIL: VMCS guest bad\n")
        self.assertEqual(texts["exits.txt"], "one exit\n")
        self.assertIn("tick 77\nvmm: CPU 0\n", texts["summary.txt"])


class FailureTest(unittest.TestCase):
    """The first line that looks like a cause."""

    def test_the_cause_before_its_consequences(self):
        serial = "ok 1 - x\r\nvmm: CPU 1: KVM exit 9 at rip 0x7\r\nnot ok 2 - L2 boots\r\n"
        self.assertEqual(runs.first_interesting(result(serial)), "vmm: CPU 1: KVM exit 9 at rip 0x7")

    def test_usual_noise(self):
        serial = "[ 2.7] Failed to access perfctr msr (MSR c4 is 0)\nPROBE userspace\n"
        self.assertEqual(runs.first_interesting(result(serial)), "PROBE userspace")

    def test_bochs_reasons(self):
        self.assertEqual(runs.first_interesting(result("a\n", ["VMENTER FAIL: x"])), "VMENTER FAIL: x")

    def test_nothing(self):
        self.assertEqual(runs.first_interesting(result("")), "nothing on the serial port")


class RowsTest(unittest.TestCase):
    """The clients."""

    def test_names_differ(self):
        names = [client.name for client in rows.CLIENTS]
        self.assertEqual(len(names), len(set(names)))
        self.assertTrue(any(client.quick for client in rows.CLIENTS))

    def test_natively_without_posted_interrupts(self):
        client = rows.Client("x", "x", list, words="w")
        self.assertIn(rows.NO_APICV, client.config(True).l1_cmdline)
        config = client.config(False)
        self.assertNotIn(rows.NO_APICV, config.l1_cmdline)
        self.assertEqual(config.cmdline, rows.HIDE_POSTED)

    def test_a_run_is_judged_by_the_innermost(self):
        with mock.patch.object(build, "expected_checksum", return_value="L2 checksum over 64 MiB: 12ab"):
            patterns = rows.innermost(2)
        good = "L2| L2 Linux (none) 6.1\nL2| L2 cpus 2 hypervisor flag yes\nL2| L2 checksum over 64 MiB: 12ab\n"
        self.assertTrue(all(re.search(pattern, good, re.MULTILINE) for pattern in patterns))
        for wrong in ("cpus 1 hypervisor", "flag no", "MiB: 12ac", "L1| L2 Linux"):
            right = {"cpus 1 hypervisor": "cpus 2 hypervisor", "flag no": "flag yes", "MiB: 12ac": "MiB: 12ab",
                     "L1| L2 Linux": "L2| L2 Linux"}[wrong]
            bad = good.replace(right, wrong)
            self.assertFalse(all(re.search(pattern, bad, re.MULTILINE) for pattern in patterns), wrong)

    def test_ourselves_twice(self):
        with mock.patch.object(rows.images, "multiboot_disk", return_value=Path("first")):
            client = rows.ourselves("x", "x", ["y"])
            once, twice = client.config(True), client.config(False)
        self.assertEqual((once.first_disk, twice.first_disk), (None, Path("first")))
        self.assertIn("probe.depth=1", once.l1_cmdline)
        self.assertIn("probe.depth=2", twice.l1_cmdline)
        self.assertEqual(once.xmhf, twice.xmhf)

    def test_unknown_client(self):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(main.main(["run", "nobody"]), 2)
        self.assertIn("no such client: nobody", errors.getvalue())

    def test_list(self):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            self.assertEqual(main.main(["list"]), 0)
        self.assertEqual(len(output.getvalue().splitlines()), len(rows.CLIENTS))


class TableTest(unittest.TestCase):
    """The table of docs/clients.md."""

    def test_rows(self):
        run = {"passed": True, "first_line": "", "ticks": 1_600_000_000, "userspace": 200_000_000, "l2": 300_000_000, "churn": 3000,
               "exits": {"101": [5, 9], "201": [7, 9]}, "commit": "abc"}
        client = rows.Client("x", "an x", list)
        self.assertEqual(table.row(client, run, {**run, "userspace": 250_000_000}),
                         "| `x`: an x | pass | 1,600 M | 200 M | 300 M | pass | 1,600 M | 250 M | 300 M | 1.25 | 1.00 | 5 / 7 / 0 |")
        self.assertEqual(table.row(client, None, run).split(" | ")[1:5], ["not run", "-", "-", "-"])
        self.assertEqual(table.churn_row(client, run, {**run, "churn": 6000}), "| `x` | 3,000 | 6,000 | 2.00 |")
        self.assertEqual(table.verdict({**run, "passed": False, "first_line": "vmm: x"}), "FAIL: `vmm: x`")
        self.assertEqual(table.verdict({**run, "lhv": {"ok": 7, "not ok": 1}}), "pass (7 ok, 1 not ok)")

    def test_the_page_has_the_place(self):
        text = (ROOT / "docs" / "clients.md").read_text()
        self.assertLess(text.index(table.BEGIN), text.index(table.END))


class ProgramsTest(unittest.TestCase):
    """The C programs that run in L1 and in L2."""

    def test_vmm_refuses_nonsense(self):
        program = build.program("vmm", L1LINUX / "vmm")
        for words in ([], ["1", "192"], ["0", "192", "k", "i"], ["5", "192", "k", "i"], ["1", "8", "k", "i"]):
            run = subprocess.run([str(program), *words], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 2, words)
            self.assertIn("usage: vmm", run.stderr)

    def test_the_sum_is_the_same_each_time(self):
        first = build.expected_checksum()
        self.assertRegex(first, r"^L2 checksum over 64 MiB: [0-9a-f]{16}$")
        self.assertEqual(first, build.expected_checksum())

    def test_shell_scripts_parse(self):
        for script in ("init-vmm", "l2linux/init", "xen/init"):
            subprocess.run(["sh", "-n", str(L1LINUX / script)], check=True)


if __name__ == "__main__":
    unittest.main()
