# SPDX-License-Identifier: BSD-2-Clause
"""The bash completion of scripts/vmcs, and the man page, against the tool's own help."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import vmcs_samples as samples
from vmcslib import main, tables

SCRIPT = samples.SCRIPTS / "completion" / "vmcs.bash"
MAN = samples.SCRIPTS.parent / "docs" / "man" / "vmcs.1"
# What readline does with the line: split it at COMP_WORDBREAKS, keeping the breaks as words.
TRY = r"""
. "$1"; COMP_LINE=$2; COMP_POINT=${#2}; COMP_WORDBREAKS=$3
shift 3; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_vmcs 2>/dev/null; printf '%s\n' "${COMPREPLY[@]}"
"""


@unittest.skipUnless(shutil.which("bash"), "no bash")
class Completion(unittest.TestCase):
    """With @ as a word break, as bash has it, and without."""

    def complete(self, line: str, breaks: str) -> list:
        """What the Tab key offers at the end of the line."""
        words = [word for word in re.split(r"(@)|\s+" if "@" in breaks else r"\s+", line) if word]
        if line.endswith(" "):
            words.append("")
        run = subprocess.run(["bash", "-c", TRY, "bash", str(SCRIPT), line, breaks, *words], text=True,
                             capture_output=True, check=True)
        return run.stdout.split()

    def test_lines(self):
        tool = samples.SCRIPTS / "vmcs"
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "vb.log"
            log.write_text(samples.before_and_after())
            for line, some in ((f"{tool} sh", "show"), (f"{tool} ", "bisect-vmxcap"), (f"{tool} diff --ig", "--ignore"),
                               (f"{tool} diff -i ho", "host"), (f"{tool} show {folder}/v", str(log)),
                               (f"{tool} diff {log}@before1", "before12"), (f"{tool} diff {log}@before12 @aft", "after12")):
                for breaks in (" \t\n\"'><=;|&(:", " \t\n\"'@><=;|&(:"):
                    offered = self.complete(line, breaks)
                    self.assertTrue(any(word.endswith(some) for word in offered), f"{line}: {offered}")

    def test_whole_words_where_at_is_no_break(self):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "vb.log"
            log.write_text(samples.before_and_after())
            offered = self.complete(f"{samples.SCRIPTS}/vmcs show {log}@after1", " \t\n\"'><=;|&(:")
            self.assertEqual([f"{log}@after12"], offered)


class Manual(unittest.TestCase):
    """The man page knows what the tool can."""

    def test_every_verb_and_option_is_in_the_man_page(self):
        page = MAN.read_text().replace("\\-", "-")
        for verb in main.RUN:
            self.assertRegex(page, rf"(?m)^\.(SS|B|BI|BR) \"?(vmcs )?{verb}\b", verb)
            run = subprocess.run([str(samples.SCRIPTS / "vmcs"), verb, "--help"], capture_output=True, text=True, check=True)
            for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", run.stdout)):
                self.assertIn(option, page, f"{verb} {option}")

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_man_reads_it_without_complaint(self):
        run = subprocess.run(["man", "--warnings", "-l", str(MAN)], capture_output=True, text=True, check=False,
                             env={"LC_ALL": "C.UTF-8", "MANWIDTH": "100", "PATH": "/usr/bin:/bin", "MANROFFSEQ": ""})
        self.assertEqual((0, ""), (run.returncode, run.stderr))
        self.assertIn("bisect-vmxcap", run.stdout)

    def test_help_teaches(self):
        run = subprocess.run([str(samples.SCRIPTS / "vmcs"), "--help"], capture_output=True, text=True, check=True)
        for verb in main.RUN:
            self.assertIn(verb, run.stdout)
        self.assertIn("examples:", run.stdout)

    def test_the_tables_are_those_of_the_project(self):
        self.assertEqual(samples.SCRIPTS.parent / "xmhf" / "x86", tables.X86)


if __name__ == "__main__":
    unittest.main()
