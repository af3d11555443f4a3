# SPDX-License-Identifier: BSD-2-Clause
"""vmcs as-c: a dump as a case of lhv.

What can be carried to another machine is set: controls, guest state that is no address.  The host
state and what points into memory stay those of lhv's golden state, unless --everything or a rule of
the SDM is broken by them.  Where the dump's VM entry succeeded, every exception and interrupt of L2
exits, for its handlers are those of the dumped machine.
"""

import re
import sys
import textwrap
from pathlib import Path

from . import judge
from .check import failed_entry
from .decode import describe
from .errors import VmcsError
from .inputs import Inputs
from .show import guest_mode
from .tables import control_mask, msr_name, tables

MODES = {"64-bit mode": "L2_LONG", "compatibility mode": "L2_COMPAT", "PAE paging": "L2_PAE",
         "32-bit paging": "L2_PLAIN", "protected mode without paging": "L2_FLAT",
         "real-address mode": "L2_REAL", "virtual-8086 mode": "L2_V86"}
PROGRAMS = {"L2_LONG": "l2_vmcall", "L2_REAL": "l2_vmcall16", "L2_V86": "l2_vmcall16"}
# Fields that mean another machine's memory or identity.
ELSEWHERE = re.compile(r"address$|pointer$|^eptp$|^hlatp$|_cr3$|_base$|_rip$|_rsp$|_ssp$|guest_pdpte|"
                       r"sysenter_e[si]p$|interrupt_ssp_table|_selector$|(gdtr|idtr|tr)_limit$|"
                       r"msr_(load|store)_count$|^pml_index$|^tsc_offset$")
WORDS = {"pin_based_controls": "PIN", "processor_based_controls": "PROC1",
         "secondary_processor_based_controls": "PROC2", "exit_controls": "EXIT",
         "entry_controls": "ENTRY"}


def add_arguments(parser) -> None:
    """Options of the verb."""
    parser.add_argument("--name", default="from-dump", help="the case's name (default: from-dump)")
    parser.add_argument("--topic", default="dump", help="the topic's name (default: dump)")
    parser.add_argument("--everything", action="store_true",
                        help="also host state and addresses, which belong to the dumped machine")


def portable(field) -> bool:
    """Whether a field's value means the same on lhv's machine."""
    return field.type in ("control", "guest") and not ELSEWHERE.search(field.name)


def broken_by(dump, capabilities: dict) -> frozenset:
    """The fields of the rules that make the dump's VM entry fail; none where nothing can be compiled."""
    if not failed_entry(dump):
        return frozenset()
    try:
        verdicts = judge.judge(dump, capabilities)
    except VmcsError as error:
        print(f"vmcs: addresses are left out, even where they are what is wrong: {error}", file=sys.stderr)
        return frozenset()
    return frozenset(name for verdict in verdicts if verdict.broken
                     for name in [*verdict.fields, *(fix.split()[0] for fix in verdict.fixes)])


def settings(dump, everything: bool, broken=frozenset()) -> tuple:
    """(fields to set, fields left as they are)."""
    known = [field for field in tables().fields
             if field.name in dump.values and field.type != "read-only"]
    chosen = [field for field in known if everything or portable(field) or field.name in broken]
    return chosen, [field for field in known if field not in chosen]


def setting(dump, field) -> list:
    """The C lines that set one field."""
    value = dump.values[field.name]
    meaning = describe(field.name, value, dump).replace("*/", "* /")
    lines = [f"\t/* {line} */" for line in textwrap.wrap(meaning, 88)] if value else []
    suffix = "ULL" if field.digits == 16 else ""
    word = WORDS.get(field.name)
    if field.name == "exit_controls":
        # The host is lhv, of its own width.
        value &= ~control_mask("EXIT_HOST_ADDRESS_SPACE_SIZE")
        return lines + ["\tset_word(VMX_WORD_EXIT, VMCS_exit_controls,",
                        f"\t\t 0x{value:08x} | (IS_64BIT ? EXIT_HOST_ADDRESS_SPACE_SIZE : 0));"]
    if word:
        return lines + [f"\tset_word(VMX_WORD_{word}, VMCS_{field.name}, 0x{value:0{field.digits}x});"]
    return lines + [f"\tset_if_there(VMCS_{field.name}, 0x{value:0{field.digits}x}{suffix});"]


def expectation(dump, mode: str) -> list:
    """What the dumped machine saw, as a check."""
    error, reason = dump.get("vm_instruction_error"), dump.get("exit_reason")
    failed = tables().masks["EXIT_REASON_ENTRY_FAILURE"]
    if reason is not None and reason & failed:
        name = enumerator(reason & 0xFFFF)
        qualification = dump.get("exit_qualification") or 0
        return [f"\tcheck_entry_failure(vm_enter(), {name}, {qualification}, \"as in the dump\");"]
    if error in (7, 8):
        return [f"\tcheck_vmfail(vm_enter(), {error}, \"as in the dump\");"]
    program = PROGRAMS.get(mode, "l2_vmcall32")
    return [f"\tstruct outcome o = vm_run({program});", "",
            "\tcheck_true(o.result == VMX_SUCCEED && !(o.reason & EXIT_REASON_ENTRY_FAILURE),",
            "\t\t   \"enters with these fields\");"]


def enumerator(reason: int) -> str:
    """EXIT_REASON_... of a number."""
    for name, number in tables().exit_enumerators.items():
        if number == reason:
            return f"EXIT_REASON_{name}"
    return str(reason)


HEAD = """\
/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * {title}
 * as a case.  Control words are fitted to what this processor allows; fields that it does
 * not have are left out.
 */
#include "lhv/suite/case.h"
#include "lhv/vm/programs.h"

static void set_if_there(u32 encoding, u64 value)
{{
	if (vm_has(encoding))
		vm_set(encoding, value);
}}

static void set_word(enum vmx_control_word word, u32 encoding, u32 value)
{{
	const struct control_caps *caps = &facts.word[word];

	set_if_there(encoding, (value | caps->must) & caps->may);
}}
"""


def contained(dump) -> list:
    """What keeps L2 from running into handlers that are not there."""
    pin = (dump.get("pin_based_controls") or 0) | control_mask("PIN_EXTERNAL_INTERRUPT_EXITING")
    return ["\t/* L2 has no handlers here: all its exceptions and interrupts exit. */",
            "\tset_if_there(VMCS_exception_bitmap, 0xffffffff);",
            "\tset_if_there(VMCS_page_fault_error_code_mask, 0);",
            "\tset_if_there(VMCS_page_fault_error_code_match, 0);",
            f"\tset_word(VMX_WORD_PIN, VMCS_pin_based_controls, 0x{pin:08x});"]


def as_c(dump, name: str, topic: str, everything: bool, capabilities=None) -> str:
    """The whole file."""
    mode = MODES.get(guest_mode(dump), "L2_NATIVE")
    chosen, left = settings(dump, everything, broken_by(dump, capabilities or {}))
    function = re.sub(r"\W", "_", name)
    title = re.sub(r"\*/|[^\x20-\x7e]", " ", f"{Path(dump.source).name}{dump.title().removeprefix(dump.source)}")
    out = [HEAD.format(title=title)]
    out += [f"static void {function}(void)", "{",
            f"\tif (!case_requires(vm_reset({mode}), \"this processor or build lacks the mode\"))",
            "\t\treturn;"]
    zeros = [field for field in chosen if not dump.values[field.name] and field.name not in WORDS]
    for field in chosen:
        if field not in zeros:
            out += setting(dump, field)
    if zeros:
        out.insert(1, zero_table(zeros))
        out += ["\tfor (unsigned int i = 0; i < ARRAY_SIZE(zero_fields); i++)",
                "\t\tset_if_there(zero_fields[i], 0);"]
    entries = dump.msr_areas.get("entry_msr_load")
    if entries:
        out.insert(1, msr_table(entries))
        out += ["\tvm_set(VMCS_entry_msr_load_address, (uptr)entry_msrs);",
                "\tvm_set(VMCS_entry_msr_load_count, ARRAY_SIZE(entry_msrs));"]
    if left:
        out += ["\t/*", "\t * As in the golden state, for these are addresses of the dumped machine:"]
        out += [f"\t * {line}" for line in textwrap.wrap(", ".join(field.name for field in left), 86)]
        out += ["\t */"]
    out += [] if failed_entry(dump) else contained(dump)
    out += expectation(dump, mode) + ["}", "", "static const struct lhv_case cases[] = {",
            f"\t{{ .name = \"{name}\", .needs = {needs(dump)}, .run = {function} }},", "};",
            f"LHV_TOPIC(\"{topic}\", cases);"]
    return "\n".join(out)


def zero_table(fields: list) -> str:
    """The fields that are zero in the dump and may not be in the golden state."""
    words = textwrap.wrap(", ".join(f"VMCS_{field.name}" for field in fields) + ",", 88)
    return "\n".join(["static const u32 zero_fields[] = {", *(f"\t{line}" for line in words), "};\n"])


def msr_table(entries: dict) -> str:
    """The VM-entry MSR-load area."""
    rows = [f"\t{{ 0x{msr:08x}, 0, 0x{value:016x}ULL }}, /* {msr_name(msr)} */"
            for _, (msr, value) in sorted(entries.items())]
    return "\n".join(["static const struct vmx_msr_entry entry_msrs[] __attribute__((aligned(16))) = {", *rows, "};\n"])


def needs(dump) -> str:
    """What the case needs of the processor."""
    words = ["NEEDS_VMX"]
    proc1, proc2 = dump.get("processor_based_controls") or 0, dump.get("secondary_processor_based_controls") or 0
    if proc1 & control_mask("PROC1_ACTIVATE_SECONDARY_CONTROLS"):
        if proc2 & control_mask("PROC2_ENABLE_EPT"):
            words.append("NEEDS_EPT")
        if proc2 & control_mask("PROC2_UNRESTRICTED_GUEST"):
            words.append("NEEDS_UNRESTRICTED")
    if (dump.get("entry_controls") or 0) & control_mask("ENTRY_IA32E_MODE_GUEST"):
        words.append("NEEDS_64BIT")
    return " | ".join(words)


def run(options) -> int:
    """vmcs as-c"""
    for word in (options.name, options.topic):
        if not re.fullmatch(r"[a-z][a-z0-9/-]{0,60}", word):
            raise VmcsError(f"{word!r} is no name of a case or topic: small letters, digits and hyphens, as in cr0-write")
    if len(options.files) > 1:
        raise VmcsError("as-c makes a case of one dump: run it again for the next, and give each its --name")
    inputs = Inputs(options.verbose)
    dump = inputs.one(options.files[0], options.picked)
    print(as_c(dump, options.name, options.topic, options.everything, inputs.log(inputs.last).capabilities))
    return 0
