# SPDX-License-Identifier: BSD-2-Clause
"""The MSR lists of a dump, for `vmcs check`: entries that the log has, and what it does not have."""

import re

# Each list of a dump, as scripts/vmcs-check.c calls it too: what people call it, and the SDM's heading.
LISTS = {
    "entry_msr_load": ("VM-entry MSR-load list", '"VM Entries": "Loading MSRs"'),
    "exit_msr_store": ("VM-exit MSR-store list", '"VM Exits": "Saving MSRs"'),
    "exit_msr_load": ("VM-exit MSR-load list", '"VM Exits": "Loading MSRs"'),
}
# What the rules on values look at besides the entry.
STATE = ("guest_cr0", "host_cr0", "guest_ia32_efer", "host_ia32_efer", "entry_controls", "exit_controls")
# A rule on bits that logs do not print.
RESERVED = "entry->reserved == 0"


def entries(dump) -> list:
    """Commands for vmcs-check that give it the entries."""
    return [f"entry {area} {msr:x} 0 {value:x}" for area in LISTS
            for msr, value in in_order(dump, area)]


def in_order(dump, area: str) -> list:
    """The entries of one list from number 0 on, as far as there is no gap in the log."""
    table = dump.msr_areas.get(area, {})
    found = []
    while len(found) in table:
        found.append(table[len(found)])
    return found


def not_in_the_log(dump) -> list:
    """(what is not checkable, why) of the lists that the log does not have whole."""
    found = []
    for area, (name, _) in LISTS.items():
        count = dump.values.get(f"{area}_count")
        have = len(in_order(dump, area))
        if count is None and have == 0:
            found.append((f"{area}: the entries of the {name}", f"{area}_count"))
        elif count is not None and have < count:
            found.append((f"{area}: entries {have} to {count - 1} of the {name}", "entries of an MSR list"))
    return found


def entry_of(rule: str, dump):
    """The entry that a rule is about, as (MSR, value); None for other rules."""
    place = re.match(r"(\w+)\[(\d+)\]: ", rule)
    return dump.msr_areas.get(place[1], {}).get(int(place[2])) if place and place[1] in LISTS else None


def fields(rule: str, function: str) -> list:
    """The fields that a rule on an entry looks at: only IA32_EFER's has such."""
    if function != "efer_value":
        return []
    side = "host" if rule.startswith("exit_") else "guest"
    controls = "exit_controls" if side == "host" else "entry_controls"
    return [f"{side}_cr0", controls, f"{side}_ia32_efer"]


def outcome(rule: str) -> str:
    """What a processor does where a rule on an entry of a list does not hold."""
    if rule.startswith("entry_"):
        number = int(re.search(r"\[(\d+)\]", rule)[1]) + 1
        return f"exit reason 34, VM-entry failure due to MSR loading, exit qualification {number}"
    return "a VMX abort at the next VM exit"


def section(rule: str) -> str:
    """The SDM's heading of a rule on an entry of a list; empty for other rules."""
    area = rule.partition(":")[0].partition("[")[0]
    return LISTS[area][1] if area in LISTS else ""
