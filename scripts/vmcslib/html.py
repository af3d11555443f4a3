# SPDX-License-Identifier: BSD-2-Clause
"""vmcs html: one self-contained page of a log: dumps, exits, totals.

The page's parts are page/*.html, *.css and *.js; here is only the data.
"""

import base64
import json
import sys
from array import array
from collections import Counter
from pathlib import Path

from . import qualification
from .decode import describe, event_text, msr_text, parts
from .diff import bits_text
from .dump import Dump, Exits, cpu_text
from .inputs import Inputs
from .reader import require_any
from .show import summary
from .tables import GROUPS, msr_name, reason_name, tables
from .text import number

PAGE = Path(__file__).resolve().parent / "page"
SCRIPTS = ("data.js", "dumps.js", "timeline.js", "totals.js")
COLUMNS = {"kind": "B", "cpu": "H", "reason": "H", "failed": "B", "rip": "Q", "qualification": "Q",
           "event": "I", "inject": "I", "ticks": "q", "time": "d", "line": "L"}
UNKNOWN, ABSENT = -1, -2
MOST_QUALIFICATIONS = 5000


def add_arguments(parser) -> None:
    """Options of the verb."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="logs, FILE@WHICH for some dumps only, or -")
    parser.add_argument("-o", "--output", metavar="PAGE", help="where to write it (default: standard output)")
    parser.add_argument("--title", help="the page's title (default: the files' names)")
    parser.add_argument("--dumps", type=number, default=300, metavar="N", help="at most the last N dumps (300)")
    parser.add_argument("--exits", type=number, default=500_000, metavar="N", help="at most the last N exits (500000)")


class Values:
    """Decoded values, each once: most dumps of a log share most of them."""

    def __init__(self) -> None:
        self.rows = []
        self.index = {}

    def add(self, dump: Dump, field, value: int) -> int:
        """The number of a value in its dump's context."""
        context = dump.get("exit_interruption_information") if field.name.endswith("error_code") else None
        if field.name in ("exit_qualification", "exit_instruction_information"):
            context = (dump.get("exit_reason"), dump.get("exit_interruption_information"), dump.number)
        key = (field.name, value, context)
        if key not in self.index:
            found = parts(field.name, value, dump)
            rows = [[part.label, [bits_text(part.mask)[1:-1], part.meaning or shown(part), int(part.value != 0),
                                  (part.mask & -part.mask).bit_length() - 1]] for part in found]
            self.index[key] = len(self.rows)
            self.rows.append([field.text(value), describe(field.name, value, dump), rows])
        return self.index[key]


def shown(part) -> str:
    """A part's number."""
    return str(part.value) if part.value < 10 else f"0x{part.value:x}"


def dump_data(dump: Dump, values: Values, log: int) -> dict:
    """One dump as the page wants it."""
    states = [values.add(dump, field, dump.values[field.name]) if field.name in dump.values
              else ABSENT if field.name in dump.absent else UNKNOWN for field in ordered_fields()]
    msrs = [[f"{area} {msr_name(msr)}", msr_text(msr, value).split(" = ", 1)[1]]
            for area, entries in dump.msr_areas.items() for msr, value in entries.values()]
    return {"source": Path(dump.source).name, "log": log, "line": dump.line, "tag": dump.tag, "moment": dump.moment,
            "vmcs": dump.vmcs, "format": dump.format, "summary": summary(dump), "v": states, "msrs": msrs,
            "cpu": "" if dump.cpu is None else cpu_text(dump.cpu)}


def ordered_fields() -> list:
    """The fields under the SDM's headings."""
    return sorted(tables().fields, key=lambda field: (GROUPS.index(field.group), field.encoding))


def exit_data(exits: Exits, most: int) -> dict:
    """The columns of the trace, as base64 of little-endian arrays."""
    found = {"count": min(len(exits), most)}
    for name, code in COLUMNS.items():
        column = getattr(exits, name)[-most:] if most else getattr(exits, name)[:0]
        if code == "L":
            column = array("I", (number & 0xFFFFFFFF for number in column))
        found[name] = packed(column)
    return found


def packed(column: array) -> str:
    """An array as base64 of its little-endian bytes."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return base64.b64encode(column.tobytes()).decode("ascii")


def qualifications(exits: Exits) -> dict:
    """What the most frequent qualifications mean."""
    pairs = Counter(zip(exits.reason, exits.qualification))
    found = {}
    for (reason, value), _ in pairs.most_common(MOST_QUALIFICATIONS):
        dump = Dump("", "", 0, values={"exit_reason": reason})
        if qualification.layout(reason, dump):
            text = describe("exit_qualification", value, dump)
            if text:
                found[f"{reason}:{value:x}"] = text
    return found


def first_picks(dumps: list) -> list:
    """What the page shows first: VMCS01, 12, 02 of the last moment, else the last two dumps."""
    if not dumps:
        return []
    last = dumps[-1]
    moment = {dump.vmcs: number for number, dump in enumerate(dumps)
              if dump.vmcs and dump.moment == last.moment and dump.cpu == last.cpu}
    if len(moment) > 1:
        return [moment[name] for name in ("01", "12", "02") if name in moment]
    return list(range(len(dumps)))[-2:]


def sources_of(logs: list) -> array:
    """For each exit of merge(), the number of its log."""
    found = array("H")
    for number, log in enumerate(logs):
        found.extend(array("H", [number]) * len(log.exits))
    return found


def merge(logs: list) -> Exits:
    """The traces of several logs, one after the other."""
    if len(logs) == 1:
        return logs[0].exits
    found = Exits()
    for log in logs:
        for name in COLUMNS:
            getattr(found, name).extend(getattr(log.exits, name))
    return found


def page_data(logs: list, dumps: list, options) -> dict:
    """All that the page shows."""
    values = Values()
    exits = merge(logs)
    sources = [log.source for log in logs]
    kept = dumps[-options.dumps:] if options.dumps else []
    notices = []
    if len(dumps) > len(kept):
        notices.append(f"Only the last {len(kept)} of {len(dumps)} dumps are here (--dumps).")
    if len(exits) > options.exits:
        notices.append(f"Only the last {options.exits} of {len(exits)} exits are here (--exits).")
    return {
        "title": options.title or ", ".join(Path(log.source).name for log in logs),
        "notice": " ".join(notices), "groups": GROUPS, "kinds": Exits.KINDS,
        "fields": [{"name": field.name, "encoding": f"{field.encoding:04x}",
                    "group": GROUPS.index(field.group)} for field in ordered_fields()],
        "dumps": [dump_data(dump, values, sources.index(dump.source)) for dump in kept], "picks": first_picks(kept),
        "values": values.rows, "exits": {
            **exit_data(exits, options.exits), "log": packed(sources_of(logs)[-options.exits:] if options.exits else array("H"))},
        "reasons": {reason: reason_name(reason) for reason in set(exits.reason)},
        "unit": next((log.header["unit"] for log in logs if "unit" in log.header), "ticks"),
        "events": {value: event_text(value) for value in (set(exits.event) | set(exits.inject)) if event_text(value)},
        "qualifications": qualifications(exits)}


def page(data: dict) -> str:
    """The page as one text."""
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    title = data["title"].replace("&", "&amp;").replace("<", "&lt;")
    replacements = {"@TITLE@": title, "@CSS@": (PAGE / "page.css").read_text(encoding="utf-8"), "@DATA@": text,
                    "@JS@": "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)}
    out = (PAGE / "page.html").read_text(encoding="utf-8")
    pieces = []
    for mark, replacement in replacements.items():
        before, _, out = out.partition(mark)
        pieces += [before, replacement]
    return "".join(pieces) + out


def run(options) -> int:
    """vmcs html"""
    inputs = Inputs(options.verbose)
    logs, dumps = [], []
    for word in options.files:
        path, which = inputs.split(word)
        log = inputs.log(path)
        inputs.last = path
        if log not in logs:
            logs.append(log)
        dumps += inputs.dumps(word) if which or log.dumps else []
        require_any(log)
    text = page(page_data(logs, dumps, options)).encode("utf-8", "backslashreplace")
    if options.output:
        Path(options.output).write_bytes(text)
    elif hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(text)
    else:
        sys.stdout.write(text.decode("utf-8"))
    return 0
