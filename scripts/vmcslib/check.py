# SPDX-License-Identifier: BSD-2-Clause
"""vmcs check: which rules of the SDM's VM-entry checks a dump breaks; judge.py finds out."""

import json
import re
from collections import Counter
from pathlib import Path

from . import judge, msr_lists
from .decode import CONTROL_WORDS, describe, layout, msr_text
from .errors import VmcsError
from .inputs import Inputs
from .judge import Verdict
from .paint import Paint
from .reader import read_log
from .show import ENTRY_ERRORS
from .tables import ROOT, tables


# What is no field of the VMCS.
CAUSES = {
    "caps": "the processor's capabilities (give them with --caps)",
    "input.l1_in_ia32e_mode": "whether the VMM was in IA-32e mode",
    "input.l1_traces": "whether the VMM traced with Intel PT",
    "input.current_vmcs": "the address of this VMCS",
    "input.virtual_tpr": "the TPR on the virtual-APIC page",
    "input.link_revision": "the VMCS that the link pointer points to",
    **{f"input.pdptes[{n}]": "the PDPTEs in memory" for n in range(4)},
}
MOST_CAUSES = 8


def add_arguments(parser) -> None:
    """Options of the verb."""
    parser.add_argument("--caps", metavar="FILE", help="a log with the processor's capability MSRs by name")
    parser.add_argument("--json", action="store_true", help="for programs")


def hints(verdict: Verdict, dump) -> list:
    """The bits that would mend it, those of fields the rule names first; -1: the whole field zero."""
    rows = []
    for label in verdict.fixes:
        name, bit = label.split()
        rows.append((name not in verdict.fields, tables().by_name[name].index, name, int(bit)))
    by_field = {}
    for _, _, name, bit in sorted(rows):
        by_field.setdefault(name, []).append(bit)
    words = []
    for name, bits in list(by_field.items())[:3]:
        shown = " or ".join(bit_text(dump, name, bit) for bit in bits[:3] if bit >= 0) or "= 0"
        words.append(f"{name} {shown}" + (" or others" if len(bits) > 3 else ""))
    return words


def bit_text(dump, name: str, bit: int) -> str:
    """A bit of a field the other way: `bit 13 (VMXE) = 1`."""
    label = next((f" ({row[0]})" for row in layout(name) if row[1] == 1 << bit), "")
    return f"bit {bit}{label} = {0 if dump.values[name] >> bit & 1 else 1}"


def report(dump, verdicts: list, paint: Paint, verbose: bool) -> str:
    """The text for people."""
    broken = [verdict for verdict in verdicts if verdict.broken]
    open_ones = [verdict for verdict in verdicts if verdict.depends and not verdict.broken]
    out = [f"{paint('head', dump.title())}  [{dump.format}]"]
    for verdict in broken:
        out += ["", paint("bad", f"broken: {rule_text(verdict)}"), f"  SDM {verdict.section}",
                f"  {Path(verdict.path).relative_to(ROOT)}:{verdict.line} {verdict.function}()"]
        entry = msr_lists.entry_of(verdict.text, dump)
        if entry:
            out.append(f"    {verdict.text.partition(':')[0]}: {msr_text(*entry)}")
        names = list(dict.fromkeys(verdict.fields + [fix.split()[0] for fix in verdict.fixes]))[:6]
        out += [f"    {name} = {value_text(dump, name)}" for name in names]
        out += [f"  would hold with {hint}" for hint in hints(verdict, dump)]
    if open_ones:
        out += ["", paint("warn", f"not checkable: {len(open_ones)} rule{'s' * (len(open_ones) != 1)}")]
        out += checkable_rows(open_ones, verbose)
    fine = len(verdicts) - len(broken) - len(open_ones)
    if broken:
        out += ["", outcome(broken[0], dump)]
    elif failed_entry(dump):
        out += ["", paint("warn", f"the dump records a failed VM entry ({failed_entry(dump)}), and no rule that can be checked is broken: "
                                  + ("the broken one may be among those that cannot" if open_ones else
                                     "the dump may be of another moment, or a rule that is not here"))]
    out += ["", f"{len(broken)} rule{'s' * (len(broken) != 1)} broken, {len(open_ones)} not checkable, {fine} hold"]
    return "\n".join(out)


def failed_entry(dump) -> str:
    """How a dump says that its VM entry failed; empty if it does not."""
    reason, error = dump.get("exit_reason"), dump.get("vm_instruction_error")
    if reason is not None and reason & tables().masks["EXIT_REASON_ENTRY_FAILURE"]:
        return f"exit reason {describe('exit_reason', reason, dump).partition(',')[0]}"
    return f"VM-instruction error {error}" if error in ENTRY_ERRORS else ""


def outcome(first: Verdict, dump) -> str:
    """What a processor makes of the first broken rule, and what the dump records."""
    name = Path(first.path).name
    errors = tables().errors
    if msr_lists.section(first.text):
        text = msr_lists.outcome(first.text)
    elif name.endswith("_controls.c"):
        text = f"VM-instruction error 7, {errors[7]}"
    elif name.startswith("guest_"):
        text = "exit reason 33, VM-entry failure due to invalid guest state"
    else:
        text = f"VM-instruction error 8, {errors[8]}"
    reason, error = dump.get("exit_reason"), dump.get("vm_instruction_error")
    recorded = []
    if reason is not None:
        recorded.append(f"exit reason {describe('exit_reason', reason, dump)}")
    if error:
        recorded.append(f"VM-instruction error {error}")
    return f"outcome by the SDM: {text}" + (f"; the dump records: {', '.join(recorded)}" if recorded else "")


def rule_text(verdict: Verdict) -> str:
    """The rule as the source has it, on one line."""
    return re.sub(r"\s+", " ", verdict.text)


def value_text(dump, name: str) -> str:
    """A field's value and its meaning, or that it is unknown."""
    value = dump.values.get(name)
    if value is None:
        return "unknown"
    meaning = describe(name, value, dump) if name not in CONTROL_WORDS else ""
    return tables().by_name[name].text(value) + (f"  {meaning}" if meaning else "")


def checkable_rows(open_ones: list, verbose: bool) -> list:
    """What the rules that cannot be checked depend on."""
    if verbose:
        return [f"  {rule_text(verdict)}: depends on {', '.join(sorted(map(cause_text, verdict.depends))[:4])}"
                for verdict in open_ones]
    causes = Counter(cause for verdict in open_ones for cause in
                     {"caps" if name.startswith("caps.") else name for name in verdict.depends})
    order = sorted(causes.items(), key=lambda item: (-item[1], item[0]))
    rows = [f"  {count:3} depend on {cause_text(cause)}" for cause, count in order[:MOST_CAUSES]]
    if len(order) > MOST_CAUSES:
        rows.append(f"      ... and on {len(order) - MOST_CAUSES} more")
    return rows + ["      (-v lists the rules)"]


def cause_text(cause: str) -> str:
    """What an undecided rule depends on, in words."""
    return CAUSES.get(cause, CAUSES["caps"] + f": {cause.removeprefix('caps.')}" if cause.startswith("caps.") else cause)


def run(options) -> int:
    """vmcs check"""
    inputs, paint = Inputs(options.verbose), Paint(options.color)
    given = read_log(options.caps).capabilities if options.caps else None
    if options.caps and not given:
        raise VmcsError(f"{options.caps}: no capability MSR (looked for IA32_VMX_BASIC = 0x...)")
    status = 0
    for word in options.files:
        dump = inputs.one(word, options.picked)
        known = given or inputs.log(inputs.last).capabilities
        verdicts = judge.judge(dump, known)
        status |= any(verdict.broken for verdict in verdicts)
        print(as_json(dump, verdicts) if options.json else report(dump, verdicts, paint, options.verbose))
    return int(status)


def as_json(dump, verdicts: list) -> str:
    """The verdicts for programs."""
    return json.dumps({"dump": dump.title(), "rules": [
        {"rule": rule_text(verdict), "section": verdict.section, "function": verdict.function,
         "outcome": "broken" if verdict.broken else "not checkable" if verdict.depends else "holds",
         "depends": sorted(verdict.depends), "fields": verdict.fields} for verdict in verdicts]}, indent=1)
