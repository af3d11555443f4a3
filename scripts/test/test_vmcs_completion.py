# SPDX-License-Identifier: BSD-2-Clause
"""The bash completion of scripts/vmcs, and the man page, against the tool's own help."""

import argparse
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import vmcs_samples as samples
from vmcslib import diff, exits, main, tables

SCRIPT = samples.SCRIPTS / "completion" / "vmcs.bash"
DOC = samples.SCRIPTS.parent / "docs" / "vmcs-tool.md"
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


    def test_the_options_of_each_verb(self):
        """What Tab offers after - is what the parser takes."""
        for verb, options in Manual.options().items():
            self.assertEqual(options, set(self.complete(f"{samples.SCRIPTS}/vmcs {verb} -", " \t\n\"'><=;|&(:")), verb)

    def test_values_of_options(self):
        """Every list of values in the completion is the one of the tool."""
        tool = samples.SCRIPTS / "vmcs"
        breaks = " \t\n\"'@><=;|&(:"
        for line, values in (("exits --by ", exits.KEYS), ("diff -i ", diff.IGNORE),
                             ("exits --reason ", tables.tables().exit_reasons.values())):
            self.assertEqual(sorted(values), sorted(self.complete(f"{tool} {line}", breaks)), line)
        for line, some in (("exits --timeline ", "20"), ("exits --top ", "10"), ("exits --reason ept-v", "ept-violation"),
                           ("exits --by kind,re", "kind,reason"), ("diff -i host,ts", "host,tsc"), ("show --number ", "-1")):
            self.assertIn(some, self.complete(f"{tool} {line}", breaks), line)

    def test_every_option_with_choices_has_its_values(self):
        """An option that is given choices one day gets them here too."""
        action = next(one for one in main.parser()._actions if isinstance(one, argparse._SubParsersAction))
        tried = set()
        for verb, parser in action.choices.items():
            for option in parser._actions:
                if option.choices and option.option_strings and option.option_strings[-1] not in tried:
                    tried.add(option.option_strings[-1])
                    offered = self.complete(f"{samples.SCRIPTS}/vmcs {verb} {option.option_strings[-1]} ", " \t\n\"'><=;|&(:")
                    self.assertEqual(sorted(option.choices), sorted(offered), f"{verb} {option.option_strings}")

    def test_values_after_an_equals_sign(self):
        """readline splits --by=re at the sign."""
        line = f"{samples.SCRIPTS}/vmcs exits --by=re"
        words = [str(samples.SCRIPTS / "vmcs"), "exits", "--by", "=", "re"]
        run = subprocess.run(["bash", "-c", TRY, "bash", str(SCRIPT), line, " \t\n\"'@><=;|&(:", *words], text=True,
                             capture_output=True, check=True)
        self.assertEqual(["reason"], run.stdout.split())

    def test_tags_and_cpus_of_the_file_on_the_line(self):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "vb.log"
            log.write_text(samples.before_and_after())
            for line, expected in ((f"show {log} --tag aft", {"after02", "after12"}), (f"show {log} --cpu ", {"0x05"})):
                offered = self.complete(f"{samples.SCRIPTS}/vmcs {line}", " \t\n\"'@><=;|&(:")
                self.assertEqual(expected, set(offered), line)


class Manual(unittest.TestCase):
    """The man page knows what the tool can."""

    def test_every_verb_and_option_is_in_the_man_page(self):
        page = MAN.read_text().replace("\\-", "-")
        for verb in main.RUN:
            self.assertRegex(page, rf"(?m)^\.(SS|B|BI|BR) \"?(vmcs )?{verb}\b", verb)
            run = subprocess.run([str(samples.SCRIPTS / "vmcs"), verb, "--help"], capture_output=True, text=True, check=True)
            for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", run.stdout)):
                self.assertIn(option, page, f"{verb} {option}")

    @staticmethod
    def options() -> dict:
        """{verb: its options, as the parser has them}."""
        action = next(one for one in main.parser()._actions if isinstance(one, argparse._SubParsersAction))
        return {verb: {word for one in parser._actions for word in one.option_strings} for verb, parser in action.choices.items()}

    WORD = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
    COMMON = {"-v", "--verbose", "--color", "-h", "--help"}
    PICK = {"-t", "--tag", "-c", "--cpu", "-n", "--number", "--vmcs", "--before"}

    def test_the_man_page_has_the_options_of_each_verb_and_no_others(self):
        page = re.sub(r"\\f[A-Z]", "", MAN.read_text().replace("\\-", "-"))
        sections = dict(re.findall(r"(?ms)^\.SS vmcs (\S+)(.*?)(?=^\.S[SH] )", page))
        picks = set(self.WORD.findall(page[page.index("\nThe options\n"):page.index(".SH VERBS")]))
        self.assertEqual(self.PICK, picks)
        for verb, options in self.options().items():
            # An option stands in the line after .TP.
            found = {word for tag in re.findall(r"(?m)^\.TP\n(.*)$", sections[verb]) for word in self.WORD.findall(tag.replace('"', " "))}
            expected = options - self.COMMON - (self.PICK if "--vmcs" in options else set())
            self.assertEqual(expected, found, verb)

    def test_the_doc_has_the_options_of_each_verb_and_no_others(self):
        text = DOC.read_text()
        line = next(row for row in text.splitlines() if row.startswith("which (dump): "))
        self.assertEqual(self.PICK | self.COMMON, set(self.WORD.findall(line)))
        for verb, options in self.options().items():
            cell = re.search(rf"(?m)^\| `{verb}` \|.*\|(.*)\|$", text)[1]
            expected = options - self.COMMON - (self.PICK if "which" in cell else set())
            self.assertEqual(expected, set(self.WORD.findall(cell)), verb)

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
