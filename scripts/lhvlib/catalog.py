# SPDX-License-Identifier: BSD-2-Clause
"""What lhv has cases for: the list in docs/lhv-cases.md, and every basic exit reason."""

import re
from itertools import groupby

from lablib.paths import ROOT

from .boots import run

DOCUMENT = ROOT / "docs" / "lhv-cases.md"
CASE = re.compile(r"^case (\S+)$", re.MULTILINE)
REASON = re.compile(r"^EXIT_REASON\(\s*(\d+), (\w+),", re.MULTILINE)
EXPLAINED = re.compile(r"^\| (\d+(?:, \d+)*) \| ", re.MULTILINE)
HEAD = """# The cases of lhv

Written by `scripts/lhv-cases`; a case that a processor, a build or a machine with one CPU cannot
run is skipped there with the reason.  {count} cases.
"""


def family(path: str) -> str:
    """A case without its last part, under which rows are listed together."""
    return path.rsplit("/", 1)[0]


def document(paths: list[str]) -> str:
    """The text of the list."""
    lines = [HEAD.format(count=len(paths))]
    for topic, members in groupby(paths, key=lambda path: path.split("/")[0]):
        lines.append(f"## {topic}\n")
        for name, rows in groupby(members, key=family):
            last = ", ".join(f"`{row[len(name) + 1:]}`" for row in rows)
            lines.append(f"- `{name}/`: {last}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def present_document() -> str:
    """The list as lhv itself gives it; a LabError if it cannot be booted."""
    return document(CASE.findall(run("list", "mode=list cases=*", timeout=60).e9))


def reason_complaints() -> list[str]:
    """Exit reasons that have neither a case nor a line in docs/lhv.md that says why, or both."""
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "lhv" / "cases").glob("*.c")))
    text = (ROOT / "docs" / "lhv.md").read_text()
    explained = {int(number) for row in EXPLAINED.findall(text) for number in row.split(", ")}
    complaints = []
    for number, name in REASON.findall((ROOT / "xmhf" / "x86" / "exit_reasons.def").read_text()):
        has_case = re.search(rf"\bEXIT_REASON_{name}\b", sources) is not None
        if has_case == (int(number) in explained):
            complaints.append(f"exit reason {number} {name} has " + ("a case, and docs/lhv.md says there is none" if has_case else "no case, and docs/lhv.md does not say why"))
    return complaints
