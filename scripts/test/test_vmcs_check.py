# SPDX-License-Identifier: BSD-2-Clause
"""scripts/vmcs check: broken rules are named, and what a log does not tell is never judged."""

import copy
import json
import random
import re
import unittest

import vmcs_samples as samples
from test_vmcs_show import CC, FIVE, LHV, LHV_ON_XMHF, REAL, XEN, XMHF64, Tool
from vmcslib import judge, msr_lists, reader
from vmcslib.checker import evaluate
from vmcslib.dump import Dump
from vmcslib.tables import ROOT


@unittest.skipUnless(CC, "no C compiler")
class Check(Tool):
    """The hypervisor's entry checks on dumps."""

    def rules(self, *arguments):
        out = self.run_tool("check", "--json", *arguments)
        return out[0], json.loads(out[1])["rules"]

    def test_the_real_dumps_break_the_rule_they_were_made_to_break(self):
        for number, field, text in (("1", "guest_tr_access_rights", "TSS"), ("2", "guest_cs_limit", "limit")):
            status, rules = self.rules(f"{REAL}@{number}")
            broken = [rule for rule in rules if rule["outcome"] == "broken"]
            self.assertEqual((1, 1), (status, len(broken)), broken)
            self.assertIn(text, broken[0]["rule"])
            self.assertIn("Checks on Guest Segment Registers", broken[0]["section"])
            self.assertIn(field, self.run_tool("check", f"{REAL}@{number}")[1])

    def test_five_states_that_a_processor_refused(self):
        """KVM's own dumps: exactly the rule that each was made to break, and no other."""
        for number, (function, field) in enumerate((("task_register", "guest_tr_access_rights"), ("granularity", "guest_cs_limit"),
                                                    ("code_or_data", "guest_ds_access_rights"),
                                                    ("local_descriptor_table", "guest_ldtr_access_rights"),
                                                    ("gdtr", "guest_gdtr_base")), 1):
            status, rules = self.rules(f"{FIVE}@{number}")
            broken = [rule for rule in rules if rule["outcome"] == "broken"]
            self.assertEqual((1, 1), (status, len(broken)), broken)
            if function != "gdtr":
                self.assertEqual(function, broken[0]["function"])
            self.assertIn(f"    {field} = ", self.run_tool("check", f"{FIVE}@{number}")[1])

    def test_xen_with_a_running_guest_breaks_no_rule(self):
        status, rules = self.rules(str(XEN))
        self.assertEqual((0, []), (status, [rule["rule"] for rule in rules if rule["outcome"] == "broken"]))
        self.assertGreater(sum(rule["outcome"] == "holds" for rule in rules), 150)

    def test_a_real_run_that_entered_breaks_no_rule(self):
        for path, tag in ((LHV, "before12"), (LHV, "after12"), (LHV_ON_XMHF, "after12")):
            status, rules = self.rules(f"{path}@{tag}")
            self.assertEqual((0, []), (status, [rule["rule"] for rule in rules if rule["outcome"] == "broken"]))
            self.assertGreater(sum(rule["outcome"] == "holds" for rule in rules), 190)

    def test_one_wrong_bit_in_a_real_dump_breaks_its_rule(self):
        for field, value, rule in (("guest_rflags", f"{0:016x}", "FIXED_1"), ("host_tr_selector", "0000", "host_tr_selector"),
                                   ("vmcs_link_pointer", f"{1:016x}", "link"), ("guest_activity_state", f"{7:08x}", "activity")):
            log, count = re.subn(rf"(@after12@{field} = 0x)\w*$", rf"\g<1>{value}", LHV.read_text(), flags=re.MULTILINE)
            self.assertEqual(1, count, field)
            broken = [one["rule"] for one in self.rules(str(self.write("bit.log", log)) + "@after12")[1]
                      if one["outcome"] == "broken"]
            self.assertTrue(any(rule in one for one in broken), f"{field}: {broken}")

    def test_an_interrupt_injected_while_they_are_masked(self):
        """A known failure of KVM with OVMF: IF is 0 and the entry injects an external interrupt."""
        text = REAL.read_text().replace("intr_info=00000000", "intr_info=800000d1", 1).replace("attr=0x00089", "attr=0x0008b", 1)
        status, rules = self.rules(str(self.write("ovmf.log", text)) + "@1")
        broken = [rule for rule in rules if rule["outcome"] == "broken"]
        self.assertEqual((1, 1), (status, len(broken)), broken)
        self.assertIn("RFLAGS_IF", broken[0]["rule"])
        self.assertIn("Checks on Guest RIP", broken[0]["section"])

    def test_unknown_makes_it_not_checkable(self):
        lines = [line for line in samples.ours("x12", guest_rflags=0) if "guest_rflags" not in line]
        status, rules = self.rules(str(self.write("nof.log", "\n".join(lines))))
        outcome = {rule["rule"]: rule for rule in rules}
        about = [rule for text, rule in outcome.items() if "FIXED_1" in text and "rflags" in text]
        self.assertTrue(about)
        self.assertEqual({"not checkable"}, {rule["outcome"] for rule in about})
        self.assertIn("guest_rflags", about[0]["depends"])

    def test_every_rule_has_a_section(self):
        rules = self.rules(self.log + "@before12")[1]
        self.assertGreater(len(rules), 100)
        self.assertEqual([], [rule["rule"] for rule in rules if not rule["section"]])

    def test_every_input_of_the_checks_is_varied(self):
        """A member added to the inputs or the capabilities must reach vmcs-check.c."""
        program = (ROOT / "scripts" / "vmcs-check.c").read_text()
        inputs = re.search(r"struct entry_inputs \{(.*?)^\};", (ROOT / "nested/entry/entry.h").read_text(), re.S | re.M)[1]
        names = set(re.findall(r"^\t[^;/]*?(\w+)(?:\[\d+\])?;", inputs, re.M)) - {"vmcs12", "caps"}
        self.assertIn("l1_in_ia32e_mode", names)
        self.assertEqual(names, set(re.findall(r"^\tINPUT\((\w+)", program, re.M)))
        self.assertEqual(names, {re.sub(r"input\.|\[\d\]", "", name) for name in judge.INPUTS})
        capabilities = re.search(r"struct vmx_caps \{(.*?)^\};", (ROOT / "xmhf/vmx/caps.h").read_text(), re.S | re.M)[1]
        names = {name for row in re.findall(r"(?:u\d+|struct \w+) ([\w, ]+);", capabilities) for name in row.split(", ")}
        self.assertIn("ept_vpid", names)
        self.assertEqual(names, set(re.findall(r"^\tCAPS\((\w+)", program, re.M)))

    def test_the_typical_guest_breaks_no_rule(self):
        for capabilities in ({}, reader.read_log(str(LHV)).capabilities):
            experiment = judge.Experiment(Dump("", "", 0), capabilities)
            experiment.base(experiment.typical)
            answers = evaluate(experiment.commands)
            self.assertEqual([], [answers.rules[number] for number in answers.runs[0]])

    def test_a_log_of_almost_nothing_breaks_nothing(self):
        log = self.write("little.log", samples.xmhf64(exit_reason=0)[0] + "\nCPU(0x05): (0x4402) :VMCS02:info_vmexit_reason = 0x00000000\n")
        status, rules = self.rules(str(log))
        self.assertEqual((0, set()), (status, {rule["rule"] for rule in rules if rule["outcome"] == "broken"}))

    def test_a_failed_entry_without_a_broken_rule_is_not_called_fine(self):
        out = self.run_tool("check", f"{XMHF64}@failure02")[1]
        self.assertIn("the dump records a failed VM entry (exit reason 34 entry-failure-msr)", out)
        self.assertIn("may be among those that cannot", out)
        self.assertNotIn("records a failed VM entry", self.run_tool("check", str(XEN))[1])

    def test_forgetting_fields_never_breaks_a_rule(self):
        """Whatever part of a real dump is lost, no rule is broken that the whole dump does not break."""
        dice = random.Random(3)
        for path, number in ((LHV, 0), (REAL, 0), (REAL, 1)):
            log = reader.read_log(str(path))
            whole = log.dumps[number]
            broken = {rule.text for rule in judge.judge(whole, log.capabilities) if rule.broken}
            for share in (0.1, 0.6):
                part = copy.deepcopy(whole)
                for name in dice.sample(sorted(part.values), int(share * len(part.values))):
                    del part.values[name]
                found = {rule.text for rule in judge.judge(part, log.capabilities) if rule.broken}
                self.assertLessEqual(found, broken, f"{path.name} without {share} of its fields")


GOOD_ENTRY = (0xC0000082, 0xFFFFFFFF81A00000)  # IA32_LSTAR


@unittest.skipUnless(CC, "no C compiler")
class MsrLists(Tool):
    """The entries of MSR lists, in a real dump that breaks no rule by itself."""

    def judged(self, area: str, entries, count=None, **fields) -> dict:
        """{rule of the list without its place: verdict}"""
        log = reader.read_log(str(LHV))
        dump = copy.deepcopy(log.dumps[-1])
        dump.values.update(fields)
        dump.values[f"{area}_count"] = len(entries) if count is None else count
        dump.values[f"{area}_address"] = 0x10000
        dump.msr_areas = {area: dict(enumerate(entries))}
        return {rule.text: rule for rule in judge.judge(dump, log.capabilities) if rule.text.startswith(area)}

    def broken(self, area: str, *entries, **fields) -> list:
        return [text for text, rule in self.judged(area, entries, **fields).items() if rule.broken]

    def test_what_the_sdm_forbids_is_named_with_its_place(self):
        for area in ("entry_msr_load", "exit_msr_load"):
            for entry, rule in (((0xC0000100, 0), "MSR_IA32_FS_BASE"), ((0x801, 0), "is_x2apic"), ((0x277, 2), "RULE_PAT"),
                                ((0xC0000082, 1 << 60), "RULE_CANONICAL"), ((0x480, 0), "RULE_READ_ONLY"),
                                ((0x1D9, 1 << 2), "debugctl_valid")):
                found = self.broken(area, GOOD_ENTRY, entry)
                self.assertEqual(1, len(found), (area, entry, found))
                self.assertIn(f"{area}[1]: ", found[0])
                self.assertIn(rule, found[0])
        self.assertEqual(1, len(self.broken("exit_msr_store", (0x802, 0))))
        self.assertEqual([], self.broken("exit_msr_store", (0xC0000100, 0)))

    def test_virtualbox_with_the_efer_of_another_guest(self):
        """The lab note's failure: paging is on, LME is not, and the list would set it."""
        paging, flat = {"guest_cr0": 0x80010035, "entry_controls": 0x11FF}, {"guest_cr0": 0x35, "entry_controls": 0x11FF}
        found = self.broken("entry_msr_load", (0xC0000080, 0xD01), **paging)
        self.assertEqual(["entry_msr_load[0]: !(paging && changes_lme)"], found)
        self.assertEqual([], self.broken("entry_msr_load", (0xC0000080, 0xD01), **flat))
        self.assertEqual([], self.broken("entry_msr_load", (0xC0000080, 0x801), **paging))

    def test_a_good_list_holds_but_for_what_no_log_tells(self):
        rules = self.judged("entry_msr_load", [GOOD_ENTRY])
        self.assertEqual({msr_lists.RESERVED}, {text.split(": ", 1)[1] for text, rule in rules.items() if rule.depends})
        self.assertGreater(len(rules), 10)

    def test_an_msr_that_only_a_processor_knows_is_not_checkable(self):
        rules = self.judged("entry_msr_load", [(0x12345, 0)])
        self.assertIn("entry_msr_load[0]: the processor has this MSR and takes the value",
                      [text for text, rule in rules.items() if rule.depends and not rule.broken])

    def test_entries_that_the_log_lacks_are_not_checkable(self):
        rules = self.judged("exit_msr_load", [GOOD_ENTRY], count=3)
        self.assertIn("exit_msr_load: entries 1 to 2 of the VM-exit MSR-load list",
                      [text for text, rule in rules.items() if rule.depends])
        self.assertEqual([], list(self.judged("exit_msr_load", [])))

    def test_check_says_it(self):
        text = samples.before_and_after().replace("(0x4014) @after02@entry_msr_load_count = 0x00000000",
                                                  "(0x4014) @after02@entry_msr_load_count = 0x00000001")
        out = self.run_tool("check", str(self.write("list.log", text)) + "@after02")[1]
        self.assertIn("broken: entry_msr_load[0]: !(paging && changes_lme)", out)
        self.assertIn("IA32_EFER = 0x0000000000000d01  SCE, LME, LMA, NXE", out)
        self.assertIn("guest_cr0 = 0x0000000080010035  PE, EM, ET, NE, WP, PG", out)


if __name__ == "__main__":
    unittest.main()
