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


def verdict(result: dict | None) -> str:
    """What came of a run."""
    if result is None:
        return "not run"
    if not result["passed"]:
        return "FAIL: `" + result["first_line"][:80].replace("|", "\\|") + "`"
    said = ", ".join(f"{count} {word}" for word, count in result.get("lhv", {}).items())
    return f"pass ({said})" if said else "pass"


def ratio(native: dict | None, ours: dict | None, key: str) -> str:
    """How many times the native number ours is."""
    if not native or not ours or not native.get(key) or not ours.get(key):
        return "-"
    return f"{ours[key] / native[key]:.2f}"


def exits(result: dict | None) -> str:
    """The counts of the kinds of exits."""
    if result is None or not result["exits"]:
        return ""
    return " / ".join(str(result["exits"].get(kind, [0])[0]) for kind in ("101", "201", "202"))


def row(client: rows.Client, native: dict | None, ours: dict | None) -> str:
    """One line of the table."""
    cells = [f"`{client.name}`: {client.what}"]
    for result in (native, ours):
        result = result or {}
        cells += [verdict(result or None), millions(result.get("ticks")), millions(result.get("userspace")),
                  millions(result.get("l2"))]
    cells += [ratio(native, ours, "userspace"), ratio(native, ours, "l2"), exits(ours)]
    return "| " + " | ".join(cells) + " |"


def churn_row(client: rows.Client, native: dict | None, ours: dict | None) -> str:
    """One line of the table of memory slots."""
    each = [f"{result['churn']:,}" if result and result.get("churn") else "-" for result in (native, ours)]
    return "| " + " | ".join([f"`{client.name}`", *each, ratio(native, ours, "churn")]) + " |"


def table() -> str:
    """The whole table, and the one of memory slots."""
    results = [(client, read(client.name, "native"), read(client.name, "xmhf")) for client in rows.CLIENTS]
    results = [item for item in results if item[1] or item[2]]
    commits = sorted({result["commit"] for item in results for result in item[1:] if result})
    lines = [f"Commit {', '.join(commits)}.", "",
             "| client | natively | ticks | to L2's user space | to L2's end | on xmhf-nest | ticks | to L2's user space "
             "| to L2's end | ratio to user space | ratio to the end | exits 101 / 201 / 202 |",
             "|---|---|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|"]
    lines += [row(*item) for item in results]
    lines += ["", "A memory slot of 512 pages taken away and put back, the guest touching each page in between; ticks per page:",
              "", "| client | natively | on xmhf-nest | ratio |", "|---|--:|--:|--:|"]
    lines += [churn_row(*item) for item in results if any(result and result.get("churn") for result in item[1:])]
    lines += [""] + [not_ok(client, native, ours) for client, native, ours in results if client.as_natively]
    return "\n".join(lines)


def not_ok(client: rows.Client, native: dict | None, ours: dict | None) -> str:
    """The cases of lhv that fail under KVM."""
    names = [", ".join(f"`{name}`" for name in (result or {}).get("lhv_not_ok", [])) or "none" for result in (native, ours)]
    return f"`{client.name}`: not ok natively: {names[0]}; on xmhf-nest: {names[1]}."


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
