# SPDX-License-Identifier: BSD-2-Clause
"""vmcs check: which rules of the SDM's VM-entry checks a dump breaks.

The rules are the hypervisor's own (nested/entry).  What the log does not tell is tried with
many values: a rule whose outcome changes with any of them is not checkable.
"""

import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import caps
from .checker import evaluate
from .decode import describe, layout
from .errors import VmcsError
from .inputs import Inputs
from .paint import Paint
from .reader import read_log
from .tables import ROOT, tables

# Of the worlds (typical, 0, all ones, random ones) the first are varied field by field.
VARIED_WORLDS = 3
RANDOM_WORLDS = 20
SMALL = range(16)
# Typical contents, so that a rule on an unknown field is seen to hold for some value.
TYPICAL = {
    "eptp": 0x100001E, "vpid": 1, "guest_ia32_pat": 0x0007040600070406,
    "host_ia32_pat": 0x0007040600070406, "guest_rflags": 2, "guest_dr7": 0x400,
    "vmcs_link_pointer": (1 << 64) - 1, "host_cs_selector": 0x10, "host_ss_selector": 0x18,
    "host_tr_selector": 0x40, "host_cr0": 0x80050033, "host_cr4": 0x2020, "host_ia32_efer": 0xD01,
    "guest_cr0": 0x80050033, "guest_cr4": 0x2020, "guest_ia32_efer": 0xD01, "tsc_multiplier": 1 << 48,
    "guest_cs_access_rights": 0xA09B, "guest_ss_access_rights": 0xC093,
    "guest_tr_access_rights": 0x8B, "guest_ldtr_access_rights": 0x10000, "host_rip": 0x100000,
}
INPUTS = {"input.l1_in_ia32e_mode": (1, 0), "input.current_vmcs": (0x1000, 0x2000),
          "input.virtual_tpr": (0, 0xF0, 0xFF), "input.link_revision": (0, 1, 0x80000000),
          "input.pdptes[0]": (0, 1, 7), "input.pdptes[1]": (0, 1, 7),
          "input.pdptes[2]": (0, 1, 7), "input.pdptes[3]": (0, 1, 7)}


@dataclass
class Verdict:
    """What came of one rule."""

    path: str
    line: int
    function: str
    text: str
    broken: bool = False
    depends: set = field(default_factory=set)
    fixes: list = field(default_factory=list)

    @property
    def fields(self) -> list:
        """The VMCS fields that the rule's text names."""
        return [word for word in re.findall(r"\w+", self.text) if word in tables().by_name]

    @property
    def section(self) -> str:
        """The SDM's heading, from the comment of the rule's file."""
        return section_of(self.path)


def section_of(path: str) -> str:
    """The SDM's heading that a source file cites first."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(r'SDM ((?:[\d.]+ )?"[^"]*"(?:\s*(?:\*\s*)?:\s*(?:\*\s*)?"[^"]*")?)', text)
    return re.sub(r"\s*\n \*\s*", " ", match[1]) if match else ""


def add_arguments(parser) -> None:
    """Options of the verb."""
    parser.add_argument("--caps", metavar="FILE", help="a log with the processor's capability MSRs by name")
    parser.add_argument("--json", action="store_true", help="for programs")


def candidates(name: str, value: int) -> list:
    """Values to try for an unknown field."""
    width = tables().by_name[name]
    single = [1 << bit for bit in range(width.digits * 4)]
    flipped = [value ^ bit for bit in single]
    return [0, width.mask, TYPICAL.get(name, 0) & width.mask, *SMALL, *single, *flipped]


def worlds(unknown: list) -> list:
    """Assignments of all unknown fields at once."""
    by_name = tables().by_name
    dice = random.Random(1)
    found = [{name: TYPICAL.get(name, 0) & by_name[name].mask for name in unknown},
             {name: 0 for name in unknown}, {name: by_name[name].mask for name in unknown}]
    found += [{name: dice.getrandbits(64) & by_name[name].mask for name in unknown}
              for _ in range(RANDOM_WORLDS)]
    return found


class Experiment:
    """A list of runs, each with the name of what it varies."""

    def __init__(self, dump, known_caps: dict):
        self.dump = dump
        self.unknown = [item.name for item in tables().fields
                        if item.name not in dump.values and item.type != "read-only"
                        and item.name not in dump.absent]
        self.caps, self.variations = caps.assumed(known_caps)
        self.commands = []
        self.labels = []

    def base(self, world: dict) -> None:
        """Sets everything."""
        values = dict.fromkeys((item.name for item in tables().fields), 0)
        values.update(self.dump.values)
        values.update(world)
        for name, value in {**values, **self.caps}.items():
            self.commands.append(f"set {name} {value:x}")
        for name, tries in INPUTS.items():
            self.commands.append(f"set {name} {tries[0]:x}")
        self.commands.append("base")
        self.run("")

    def run(self, label: str, *settings) -> None:
        """One run with these settings over the base."""
        self.commands += [f"set {name} {value:x}" for name, value in settings]
        self.commands.append("run")
        self.labels.append(label)

    def vary_unknown(self, world: dict) -> None:
        """Every unknown field, one at a time, then the other inputs and the processor."""
        for name in self.unknown:
            for value in dict.fromkeys(candidates(name, world[name])):
                self.run(name, (name, value))
        for name, tries in INPUTS.items():
            for value in tries[1:]:
                self.run(name, (name, value))
        for settings in self.variations:
            self.run(settings[0][0], *settings)

    def vary_known(self) -> None:
        """Every bit of every known field: which of them would mend a broken rule?"""
        for name, value in self.dump.values.items():
            item = tables().by_name[name]
            if item.type != "read-only":
                for bit in range(item.digits * 4):
                    self.run(f"{name} {bit}", (name, value ^ 1 << bit))
                self.run(f"{name} -1", (name, 0))


def judge(dump, known_caps: dict) -> list:
    """The verdict on every rule, in the order of the SDM."""
    experiment = Experiment(dump, known_caps)
    for number, world in enumerate(worlds(experiment.unknown)):
        experiment.base(world)
        if number < VARIED_WORLDS:
            experiment.vary_unknown(world)
    answers = evaluate(experiment.commands)
    verdicts = {number: Verdict(*rule) for number, rule in answers.rules.items()}
    always = sometimes = None
    current = set()
    for label, failed in zip(experiment.labels, answers.runs):
        now = set(failed)
        if label == "":
            current = now
        for number in now ^ current:
            verdicts[number].depends.add(label)
        always = now if always is None else always & now
        sometimes = now if sometimes is None else sometimes | now
    for number, verdict in verdicts.items():
        verdict.broken = number in always
        if number in sometimes - always and not verdict.depends:
            verdict.depends.add("several unknown fields together")
    mend(dump, experiment, verdicts)
    return list(verdicts.values())


def mend(dump, first: Experiment, verdicts: dict) -> None:
    """Finds single bits that would make a broken rule hold."""
    if not any(verdict.broken for verdict in verdicts.values()):
        return
    experiment = Experiment(dump, {})
    experiment.caps = first.caps
    experiment.base(worlds(experiment.unknown)[0])
    experiment.vary_known()
    answers = evaluate(experiment.commands)
    keys = {rule: number for number, rule in answers.rules.items()}
    base = Counter(answers.runs[0])
    for verdict in verdicts.values():
        number = keys.get((verdict.path, verdict.line, verdict.function, verdict.text))
        if verdict.broken and number is not None:
            verdict.fixes = [label for label, failed in zip(experiment.labels[1:], answers.runs[1:])
                             if Counter(failed)[number] < base[number]]


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
        names = list(dict.fromkeys(verdict.fields + [fix.split()[0] for fix in verdict.fixes]))[:6]
        out += [f"    {name} = {value_text(dump, name)}" for name in names]
        out += [f"  would hold with {hint}" for hint in hints(verdict, dump)]
    if open_ones:
        out += ["", paint("warn", f"not checkable: {len(open_ones)} rules")]
        out += checkable_rows(open_ones, verbose)
    fine = len(verdicts) - len(broken) - len(open_ones)
    if broken:
        out += ["", outcome(broken[0], dump)]
    out += ["", f"{len(broken)} rules broken, {len(open_ones)} not checkable, {fine} hold"]
    return "\n".join(out)


def outcome(first: Verdict, dump) -> str:
    """What a processor makes of the first broken rule, and what the dump records."""
    name = Path(first.path).name
    errors = tables().errors
    if name.endswith("_controls.c"):
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
    """A field's value, or that it is unknown."""
    value = dump.values.get(name)
    return tables().by_name[name].text(value) if value is not None else "unknown"


def checkable_rows(open_ones: list, verbose: bool) -> list:
    """What the rules that cannot be checked depend on."""
    if verbose:
        return [f"  {rule_text(verdict)}: depends on {', '.join(sorted(verdict.depends)[:4])}"
                for verdict in open_ones]
    causes = Counter(cause for verdict in open_ones for cause in
                     {name.split(".")[0] if name.startswith("caps") else name for name in verdict.depends})
    words = {"caps": "the processor's capabilities (give them with --caps)"}
    rows = [f"  {count:3} depend on {words.get(cause, cause)}" for cause, count in causes.most_common(8)]
    return rows + ["      (-v lists the rules)"]


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
        verdicts = judge(dump, known)
        status |= any(verdict.broken for verdict in verdicts)
        print(as_json(dump, verdicts) if options.json else report(dump, verdicts, paint, options.verbose))
    return int(status)


def as_json(dump, verdicts: list) -> str:
    """The verdicts for programs."""
    return json.dumps({"dump": dump.title(), "rules": [
        {"rule": rule_text(verdict), "section": verdict.section, "function": verdict.function,
         "outcome": "broken" if verdict.broken else "not checkable" if verdict.depends else "holds",
         "depends": sorted(verdict.depends), "fields": verdict.fields} for verdict in verdicts]}, indent=1)
