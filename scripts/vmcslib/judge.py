# SPDX-License-Identifier: BSD-2-Clause
"""The verdict on every rule of the VM-entry checks for a dump; `vmcs check` prints it.

The rules are the hypervisor's own (nested/entry).  What the log does not tell is tried with
many values: a rule whose outcome changes with any of them is not checkable.  Nor is one that
fails whatever the dump says: then it is not the dump that breaks it.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import caps, msr_lists
from .checker import evaluate
from .dump import Dump
from .tables import control_mask, tables

# Of the worlds (typical, 0, all ones, random ones) the first are varied field by field.
VARIED_WORLDS = 3
RANDOM_WORLDS = 20
SMALL = range(16)
# A guest in 64-bit mode that can be entered: a rule on an unknown field is seen to hold for some
# value, and a rule that fails even here is not to be blamed on a dump.
TYPICAL = {
    "eptp": 0x100001E, "vpid": 1, "guest_ia32_pat": 0x0007040600070406,
    "host_ia32_pat": 0x0007040600070406, "guest_rflags": 2, "guest_dr7": 0x400,
    "vmcs_link_pointer": (1 << 64) - 1, "host_cs_selector": 0x10, "host_ss_selector": 0x18,
    "host_tr_selector": 0x40, "host_cr0": 0x80050033, "host_cr4": 0x2020, "host_ia32_efer": 0xD01,
    "guest_cr0": 0x80050033, "guest_cr4": 0x2020, "guest_ia32_efer": 0xD01, "tsc_multiplier": 1 << 48,
    "guest_cs_access_rights": 0xA09B, "guest_ss_access_rights": 0xC093,
    "guest_tr_access_rights": 0x8B, "guest_ldtr_access_rights": 0x10000, "host_rip": 0x100000,
    "guest_cs_limit": 0xFFFFFFFF, "guest_ss_limit": 0xFFFFFFFF, "guest_tr_limit": 0x67,
    **{f"guest_{name}_access_rights": 0x10000 for name in ("es", "ds", "fs", "gs")},
}
# Which bits of the control words such a guest needs beyond those that are always 1.
WORDS = {"pin_based_controls": ("pin", 0), "processor_based_controls": ("proc1", 0),
         "exit_controls": ("exit", control_mask("EXIT_HOST_ADDRESS_SPACE_SIZE")),
         "entry_controls": ("entry", control_mask("ENTRY_IA32E_MODE_GUEST"))}
SHADOW = 1 << 31
INPUTS = {"input.l1_in_ia32e_mode": (1, 0), "input.l1_traces": (0, 1), "input.current_vmcs": (0x1000, 0x2000),
          "input.virtual_tpr": (0, 0xF0, 0xFF), "input.link_revision": (0, 1, SHADOW),
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
        found = [word for word in re.findall(r"\w+", self.text) if word in tables().by_name]
        return found or msr_lists.fields(self.text, self.function)

    @property
    def section(self) -> str:
        """The SDM's heading: of an MSR list, else from the comment of the rule's file."""
        return msr_lists.section(self.text) or section_of(self.path)


def section_of(path: str) -> str:
    """The SDM's heading that a source file cites first."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(r'SDM ((?:[\d.]+ )?"[^"]*"(?:\s*(?:\*\s*)?:\s*(?:\*\s*)?"[^"]*")?)', text)
    return re.sub(r"\s*\n \*\s*", " ", match[1]) if match else ""


def candidates(name: str, value: int, typical: int) -> list:
    """Values to try for an unknown field."""
    width = tables().by_name[name]
    single = [1 << bit for bit in range(width.digits * 4)]
    flipped = [value ^ bit for bit in single]
    return [0, width.mask, typical, *SMALL, *single, *flipped]


def worlds(unknown: list, typical: dict) -> list:
    """Assignments of all unknown fields at once."""
    by_name = tables().by_name
    dice = random.Random(1)
    found = [{name: typical[name] for name in unknown},
             {name: 0 for name in unknown}, {name: by_name[name].mask for name in unknown}]
    found += [{name: dice.getrandbits(64) & by_name[name].mask for name in unknown}
              for _ in range(RANDOM_WORLDS)]
    return found


def typical_values(known_caps: dict) -> dict:
    """TYPICAL for every field, with the control words that this processor asks for."""
    found = {item.name: TYPICAL.get(item.name, 0) & item.mask for item in tables().fields}
    for name, (word, bits) in WORDS.items():
        found[name] = known_caps[f"caps.{word}.must_be_1"] | bits
    return found


def revisions(known_caps: dict) -> tuple:
    """What may be the first word at the VMCS link pointer; SDM "Format of the VMCS Region"."""
    revision = known_caps["caps.basic"] & SHADOW - 1
    return tuple(dict.fromkeys((revision, revision | SHADOW, *INPUTS["input.link_revision"])))


class Experiment:
    """A list of runs, each with the name of what it varies."""

    def __init__(self, dump, known_caps: dict):
        self.dump = dump
        self.unknown = [item.name for item in tables().fields
                        if item.name not in dump.values and item.type != "read-only"
                        and item.name not in dump.absent]
        self.caps, self.variations = caps.assumed(known_caps)
        self.typical = typical_values(self.caps)
        self.inputs = {**INPUTS, "input.link_revision": revisions(self.caps)}
        self.commands = []
        self.labels = []
        self.word = "run"

    def base(self, world: dict) -> None:
        """Sets everything."""
        values = dict.fromkeys((item.name for item in tables().fields), 0)
        values.update(self.dump.values)
        values.update(world)
        for name, value in {**values, **self.caps}.items():
            self.commands.append(f"set {name} {value:x}")
        for name, tries in self.inputs.items():
            self.commands.append(f"set {name} {tries[0]:x}")
        self.commands.append("base")
        self.run("")

    def run(self, label: str, *settings) -> None:
        """One run with these settings over the base."""
        self.commands += [f"set {name} {value:x}" for name, value in settings]
        self.commands.append(self.word)
        self.labels.append(label)

    def vary_unknown(self, world: dict) -> None:
        """Every unknown field, one at a time, then the other inputs and the processor."""
        for name in self.unknown:
            for value in dict.fromkeys(candidates(name, world[name], self.typical[name])):
                self.run(name, (name, value))
        for name, tries in self.inputs.items():
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
    for number, world in enumerate(worlds(experiment.unknown, experiment.typical)):
        experiment.base(world)
        if number < VARIED_WORLDS:
            experiment.vary_unknown(world)
    answers = evaluate(experiment.commands)
    verdicts = {number: Verdict(*rule) for number, rule in answers.rules.items()}
    weigh(verdicts, experiment.labels, answers)
    innocent = blameless(experiment, verdicts)
    for number in innocent:
        verdicts[number].broken = False
        verdicts[number].depends.add("fields that the log does not have, together")
    mend(dump, experiment, verdicts)
    return list(verdicts.values()) + judge_lists(dump, experiment)


def judge_lists(dump, first: Experiment) -> list:
    """The verdict on every rule for every entry of the MSR lists."""
    found = [Verdict("", 0, "", text, depends={cause}) for text, cause in msr_lists.not_in_the_log(dump)]
    entries = msr_lists.entries(dump)
    if not entries:
        return found
    experiment = Experiment(dump, {})
    experiment.caps, experiment.variations = first.caps, first.variations
    experiment.unknown = [name for name in first.unknown if name in msr_lists.STATE]
    experiment.word = "msrs"
    experiment.commands += entries
    for world in worlds(first.unknown, first.typical)[:VARIED_WORLDS]:
        experiment.base(world)
        experiment.vary_unknown(world)
    answers = evaluate(experiment.commands)
    verdicts = {number: Verdict(*rule) for number, rule in answers.rules.items()}
    weigh(verdicts, experiment.labels, answers)
    for number in set().union(*answers.unknown):
        verdicts[number].broken = False
        verdicts[number].depends.add("the processor's MSRs")
    for verdict in verdicts.values():
        if verdict.text.endswith(msr_lists.RESERVED):
            verdict.depends.add("the reserved half of the entry")
    return found + list(verdicts.values())


def weigh(verdicts: dict, labels: list, answers) -> None:
    """A rule is broken if it fails in every run, and depends on what changes its outcome."""
    always = sometimes = None
    current = set()
    for label, failed in zip(labels, answers.runs):
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


def blameless(experiment: Experiment, verdicts: dict) -> set:
    """Broken rules that fail even when every field of the dump is typical."""
    if not any(verdict.broken for verdict in verdicts.values()):
        return set()
    neutral = Experiment(Dump("", "", 0), {})
    neutral.caps, neutral.inputs, neutral.typical = experiment.caps, experiment.inputs, experiment.typical
    neutral.base(neutral.typical)
    answers = evaluate(neutral.commands)
    failing = {answers.rules[number] for number in answers.runs[0]}
    return {number for number, verdict in verdicts.items()
            if verdict.broken and (verdict.path, verdict.line, verdict.function, verdict.text) in failing}


def mend(dump, first: Experiment, verdicts: dict) -> None:
    """Finds single bits that would make a broken rule hold."""
    if not any(verdict.broken for verdict in verdicts.values()):
        return
    experiment = Experiment(dump, {})
    experiment.caps = first.caps
    experiment.base({name: experiment.typical[name] for name in experiment.unknown})
    experiment.vary_known()
    answers = evaluate(experiment.commands)
    keys = {rule: number for number, rule in answers.rules.items()}
    base = Counter(answers.runs[0])
    for verdict in verdicts.values():
        number = keys.get((verdict.path, verdict.line, verdict.function, verdict.text))
        if verdict.broken and number is not None:
            verdict.fixes = [label for label, failed in zip(experiment.labels[1:], answers.runs[1:])
                             if Counter(failed)[number] < base[number]]


