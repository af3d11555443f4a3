# SPDX-License-Identifier: BSD-2-Clause
"""scripts/vmcs as a sceptic uses it: wrong words, odd files, closed streams; never a traceback, always the right status."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import vmcs_samples as samples
from test_vmcs_show import Tool
from vmcslib.tables import ROOT

TOOL = str(samples.SCRIPTS / "vmcs")


def shell(line: str, **environment):
    """A line of bash, with the tool as $V; (status, output, errors)."""
    run = subprocess.run(["bash", "-c", line], capture_output=True, check=False,
                         env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "V": TOOL, **environment})
    return run.returncode, run.stdout.decode(errors="replace"), run.stderr.decode(errors="replace")


class Streams(unittest.TestCase):
    """Streams that are closed, full, or of another encoding."""

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.log = Path(cls.place.name) / "vb.log"
        cls.log.write_text(samples.before_and_after())

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def expect(self, status: int, errors: str, line: str, **environment):
        found = shell(line, LOG=str(self.log), **environment)
        self.assertNotIn("Traceback", found[2], line)
        self.assertEqual(status, found[0], line)
        self.assertIn(errors, found[2], line)
        return found[1]

    def test_closed(self):
        self.expect(2, "standard input is closed", "$V show - <&-")
        self.expect(2, "standard input is closed", "$V gdt - <&-")
        self.expect(1, "", "$V diff -q $LOG@1 @3 >&-")
        self.expect(2, "", "$V show /nonexistent 2>&-")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_full(self):
        self.expect(2, "No space left", "$V show $LOG@1 >/dev/full")
        self.expect(2, "No space left", "$V html $LOG >/dev/full")
        self.expect(2, "", "$V show /nonexistent 2>/dev/full")

    def test_a_reader_that_goes_away_while_it_complains(self):
        """diff's status 1 means a difference, so trouble must stay 2 whoever reads."""
        reader, writer = os.pipe()
        os.close(reader)
        run = subprocess.run([TOOL, "show", "/etc/hostname"], stdout=writer, stderr=writer, check=False)
        os.close(writer)
        self.assertEqual(2, run.returncode)

    def test_output_that_cannot_be_written(self):
        self.expect(2, "No such file", "$V html -o /nonexistent/page.html $LOG")
        self.expect(2, "Is a directory", f"$V html -o {self.place.name} $LOG")

    def test_names_and_locales_that_are_not_ascii(self):
        self.expect(0, "", f"cp $LOG '{self.place.name}/é.log'; cp $LOG {self.place.name}/$'bad\\xff.log'")
        for locale in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "C.UTF-8"}):
            self.expect(0, "", f"$V show '{self.place.name}/é.log@1'", **locale)
            self.expect(0, "", f"$V show {self.place.name}/$'bad\\xff.log@1'", **locale)
            page = self.expect(0, "", f"$V html {self.place.name}/$'bad\\xff.log' '{self.place.name}/é.log'", **locale)
            self.assertIn("</html>", page)

    @unittest.skipUnless(os.geteuid() == 0, "root reads every file; a drop of rights needs root")
    def test_a_file_that_may_not_be_read(self):
        self.log.with_name("secret").write_text("x")
        self.log.with_name("secret").chmod(0)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                sink = os.open(os.devnull, os.O_WRONLY)
                os.chmod(self.place.name, 0o755)
                os.setuid(65534)
                from vmcslib.main import main
                sys.stderr = os.fdopen(sink, "w")
                status = 0 if main(["show", str(self.log.with_name("secret"))]) == 2 else 1
            finally:
                os._exit(status)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


class Words(Tool):
    """Wrong arguments, and what the messages say."""

    def refused(self, wanted: str, *arguments):
        status, out, errors = self.run_tool(*arguments)
        self.assertEqual((2, ""), (status, out), arguments)
        self.assertNotIn("lambda", errors)
        self.assertIn(wanted, errors, arguments)

    def test_without_a_verb_it_teaches(self):
        self.refused("examples:")

    def test_an_unknown_option_shows_the_options_of_its_verb(self):
        self.refused("usage: vmcs show", "show", "--frob", self.log)

    def test_picking(self):
        self.refused("the first is 1", "show", self.log + "@0")
        self.refused("the first is 1", "show", "-n", "0", self.log)
        self.refused("of CPU 0x05; the first begins in line 1", "show", "-c", "7", self.log)
        for word in ("5", "05", "0x5", "0x05"):
            self.assertEqual(0, self.run_tool("show", "-c", word, "-n", "1", self.log)[0], word)

    def test_list_lists_what_is_picked(self):
        out = self.run_tool("list", self.log + "@after")[1]
        self.assertEqual(["after12", "after02"], [row.split()[3] for row in out.splitlines()[1:]])
        out = self.run_tool("list", self.log + "@1", "@4")[1]
        self.assertEqual(2, out.count("== "))

    def test_numbers(self):
        for arguments in (("gdt", "-s", "x", "1"), ("gdt", "-s", "-1", "1"), ("exits", "-c", "x", self.log),
                          ("exits", "--top", "-3", self.log), ("exits", "--timeline", "-3", self.log)):
            self.refused("invalid number value", *arguments)
        self.refused("16 bits", "gdt", "-s", "0x10000", "1")

    def test_as_c(self):
        self.refused("no name of a case", "as-c", "--name", 'a"b', self.log + "@1")
        self.refused("one dump", "as-c", self.log + "@1", "@2")
        self.assertNotIn(str(self.folder), self.run_tool("as-c", "--name", "cr/one-bit", self.log + "@1")[1])

    def test_what_there_is_instead(self):
        for name, text, wanted in (("empty", "", "no VMCS dump: it is empty"), ("one", "hello\n", "in 1 line\n"),
                                   ("hostile", samples.HOSTILE, "it is the summary of a hostile run"),
                                   ("search", "trial  1:   0 hidden, works, 3.9 s, matched --works\n", "1 trial, 1 of them worked"),
                                   ("trace", samples.trace(3, False), "exit trace of 3 exits")):
            self.refused(wanted, "show", str(self.write(name, text)))
        path = self.folder / "binary"
        path.write_bytes(bytes(range(256)) * 50)
        self.refused("does not look like text", "show", str(path))


class Hostile(Tool):
    """The summary of a hostile run."""

    def test_sums(self):
        log = self.write("hostile.log", samples.HOSTILE)
        errors = self.run_tool("show", str(log))[2]
        self.assertIn("2 of 2 boots passed, 4,017 operations, 0 violations, L0's code and constants unchanged", errors)
        status, out, _ = self.run_tool("exits", str(log))
        self.assertEqual(0, status)
        self.assertIn("487 ran L2, 287 failed", out)
        self.assertRegex(out, r"exception-nmi +146 +90\.68%\n +ept-violation +15 +9\.32%\nTotal: 161 exits of L2")

    def test_what_went_wrong_is_said(self):
        text = samples.HOSTILE.replace("ticks, passed", "ticks, failed", 1).replace("violations 0", "violations 3", 1)
        text = text.replace("after 0x3986f0bba46daa9d", "after 0x3986f0bba46daa9e", 1)
        errors = self.run_tool("show", str(self.write("bad.log", text)))[2]
        self.assertIn("1 of 2 boots passed, 4,017 operations, 3 violations, L0's code and constants CHANGED in 1 boot", errors)

    def test_those_of_the_project(self):
        for path in sorted((ROOT / "logs").glob("*hostile*.log")):
            self.assertIn("it is the summary of a hostile run", self.run_tool("show", str(path))[2], path.name)
            self.assertIn("exits of L2", self.run_tool("exits", str(path))[1], path.name)


if __name__ == "__main__":
    unittest.main()
