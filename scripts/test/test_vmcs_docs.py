# SPDX-License-Identifier: BSD-2-Clause
"""Every example of docs/vmcs-tool.md and of `vmcs --help` runs as it is written."""

import fnmatch
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import vmcs_samples as samples
from test_vmcs_show import CC, Tool
from vmcslib import main as tool
from vmcslib.tables import ROOT

DOC = ROOT / "docs" / "vmcs-tool.md"
# These boot machines for minutes: only their words are checked.
BOOTS = ("bisect-vmxcap",)


def of_the_doc() -> list:
    """The indented lines that begin with scripts/vmcs, continued lines joined."""
    text = DOC.read_text().replace("\\\n", " ")
    return [line.split("  #")[0].strip() for line in text.splitlines() if line.startswith("    scripts/vmcs ")]


def of_the_help() -> list:
    """The lines under "examples:", without what they explain."""
    text = tool.LEARN.split("examples:\n")[1].split("\n\n")[0]
    return [re.split(r"\s{3,}", line.strip())[0] for line in text.splitlines()]


@unittest.skipUnless(CC and shutil.which("bash"), "no C compiler or no bash")
class Examples(Tool):
    """In a folder that has the logs they name."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = Path(tempfile.mkdtemp(prefix="vmcs-docs-"))
        three = "\n".join(samples.ours("failure01") + samples.ours("failure12", **samples.AFTER)
                          + samples.ours("failure02", **samples.FAILED)) + "\n"
        (cls.place / "vb.log").write_text(samples.before_and_after() + three)
        (cls.place / "serial.log").write_text(samples.trace(200))
        (cls.place / "dmesg").write_text("#!/bin/sh\ncat " + shlex.quote(str(
            ROOT / "logs" / "2026-11-21-bochs-linux-kvm-invalid-guest-state.log")) + "\n")
        (cls.place / "dmesg").chmod(0o755)
        for name in ("logs", "scripts"):
            (cls.place / name).symlink_to(ROOT / name)
        run = cls.place / "build" / "clients" / "runs" / "kvm-linux-xmhf"
        run.mkdir(parents=True)
        (run / "e9.txt").write_text(samples.trace(50, False))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)
        super().tearDownClass()

    def run_line(self, line: str):
        if any(word in line for word in BOOTS):
            words = shlex.split(line)
            self.assertIn("--works", tool.parser().parse_args(words[words.index("bisect-vmxcap"):]).__dict__ and words)
            return
        line = re.sub(r"(^|\| )vmcs ", r"\1scripts/vmcs ", line)
        run = subprocess.run(["bash", "-c", line], cwd=self.place, text=True, capture_output=True, check=False,
                             env={"PATH": f"{self.place}:/usr/bin:/bin", "HOME": str(self.place)})
        # 1: diff found differences, check found a broken rule.
        self.assertIn(run.returncode, (0, 1), f"{line}: {run.stderr}")
        self.assertNotIn("Traceback", run.stderr, line)
        self.assertTrue(run.stdout or " -o " in line or " > " in line, f"{line}: printed nothing")

    def test_every_example_of_the_doc(self):
        lines = of_the_doc()
        self.assertGreater(len(lines), 4)
        for line in lines:
            self.run_line(line)

    def test_every_example_of_the_help(self):
        lines = of_the_help()
        self.assertGreater(len(lines), 6)
        for line in lines:
            self.run_line(line)


def header_problems(name: str, text: str) -> list:
    """What a file of logs/ lacks of docs/logs.md, "Files in logs/"."""
    found = [] if re.fullmatch(r"\d{4}-\d\d-\d\d-[a-z0-9]+(-[a-z0-9]+)+\.log", name) else ["its name"]
    head = re.match(r"(#.*\n)*", text)[0]
    for key in ("commit", "command", "machine"):
        if not re.search(rf"(?m)^# {key}: \S", head):
            found.append(key)
    if not re.search(r"(?m)^# (machine: .*)?L1: \S", head):
        found.append("L1")
    # scripts/hostile knows its verdict only at the end.
    if not re.search(r"(?m)^# verdict: \S", head) and not re.search(r"\n# hostile: \d+ passed, \d+ failed \(.*\)\n$", text):
        found.append("verdict")
    return found


class ReferenceLogs(unittest.TestCase):
    """The files of logs/."""

    LOGS = sorted((ROOT / "logs").iterdir())

    def test_every_one_is_used(self):
        """By a test or a doc, under its name, its end, or as logs/*end."""
        texts = "".join(path.read_text() for path in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "scripts" / "test").glob("*.py")])
        patterns = {word for word in re.findall(r"[\w*-]*\*[\w*-]*\.log", texts) if len(re.sub(r"[^a-z]", "", word)) > 8}
        for path in self.LOGS:
            self.assertTrue(path.name in texts or re.sub(r"^[\d-]+-bochs-", "", path.name) in texts
                            or any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), path.name)

    def test_every_one_has_its_header(self):
        self.assertGreater(len(self.LOGS), 9)
        for path in self.LOGS:
            self.assertEqual([], header_problems(path.name, path.read_text()), path.name)

    def test_a_hostile_summary_has_one_and_others_are_found_wanting(self):
        name = "2026-11-21-bochs-lhv-hostile.log"
        self.assertEqual([], header_problems(name, samples.HOSTILE))
        self.assertEqual(["its name"], header_problems("hostile.log", samples.HOSTILE))
        self.assertEqual(["verdict"], header_problems(name, samples.HOSTILE.rpartition("# hostile")[0]))
        self.assertEqual(["commit", "command", "machine", "L1", "verdict"], header_problems(name, "\n".join(samples.ours("x02"))))


if __name__ == "__main__":
    unittest.main()
