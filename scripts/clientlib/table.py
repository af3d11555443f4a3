# SPDX-License-Identifier: BSD-2-Clause
"""The table of docs/clients.md, from the results of the last runs."""

import json
import sys

from lablib.paths import ROOT

from . import rows
from .runs import RESULTS

PAGE = ROOT / "docs" / "clients.md"
BEGIN = "<!-- written by scripts/clients table -->"
END = "<!-- end of the table -->"


def read(name: str, side: str) -> dict | None:
    """One kept result."""
    path = RESULTS / f"{name}-{side}.json"
    return json.loads(path.read_text()) if path.exists() else None


def millions(ticks: int | None) -> str:
    """Ticks for readers."""
    return f"{ticks / 1e6:,.0f} M" if ticks else "-"


def cells(result: dict | None) -> list[str]:
    """Verdict, wall clock, ticks of the whole run and of L2's part."""
    if result is None:
        return ["not run", "", "", ""]
    word = "pass" if result["passed"] else "FAIL: `" + result["first_line"][:80].replace("|", "\\|") + "`"
    return [word, f"{result['seconds']:.0f} s", millions(result["ticks"]), millions(result["l2_ticks"])]


def exits(result: dict | None) -> str:
    """The counts of the kinds of exits."""
    if result is None or not result["exits"]:
        return ""
    return " / ".join(str(result["exits"].get(kind, [0])[0]) for kind in ("101", "201", "202"))


def table() -> str:
    """The whole table."""
    lines = ["| client | natively | wall | ticks | of L2 | on xmhf-nest | wall | ticks | of L2 | exits 101 / 201 / 202 |",
             "|---|---|--:|--:|--:|---|--:|--:|--:|--:|"]
    for client in rows.CLIENTS:
        native, ours = read(client.name, "native"), read(client.name, "xmhf")
        if native is None and ours is None:
            continue
        row = [f"`{client.name}`: {client.what}", *cells(native), *cells(ours), exits(ours)]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def write(check: bool) -> int:
    """Puts the table into the page, or says whether it is there."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if check:
        print("clients: the table is up to date" if new == text else "clients: the table is not what the runs gave",
              file=sys.stderr)
        return int(new != text)
    PAGE.write_text(new)
    print(table())
    return 0
