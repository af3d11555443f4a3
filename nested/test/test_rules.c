/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy for the fields of VMCS02 against what the SDM says of their kinds: "Guest-State
 * Area" is what an exit saves, "Host-State Area" is the hypervisor's, "VM-Exit Information Fields"
 * cannot be written, and controls are never changed by the processor.
 */
/* sources: nested/vmcs02/rules.c xmhf/x86/vmcs.c */
#include "nested/vmcs02/rules.h"

#include "xmhf/lib/bits.h"
#include "xmhf/test/tap.h"

/* Controls that an exit does change: "Saving Guest State" has the IA-32e mode, and the valid bit
 * of an injected event is cleared. */
static bool is_changed_by_exits(enum vmcs_index field)
{
	return field == VMCS_INDEX_entry_controls ||
	       field == VMCS_INDEX_entry_interruption_information;
}

/* VMfail writes the one; the other is undefined after every exit but those to SMM. */
static bool is_left_alone_by_exits(enum vmcs_index field)
{
	return field == VMCS_INDEX_vm_instruction_error || field == VMCS_INDEX_guest_smbase;
}

static void check_field(enum vmcs_index index)
{
	const struct vmcs_field_info *field = &vmcs_fields[index];
	const struct vmcs02_rule *rule = &vmcs02_rules[index];
	bool is_kept = rule->out == OUT_KEEP, is_absent = rule->into == INTO_ABSENT;

	switch (field_get(field->encoding, VMCS_ENCODING_TYPE)) {
	case VMCS_TYPE_READ_ONLY:
		ok(is_absent, "%s: cannot be written", field->name);
		ok(is_kept == is_left_alone_by_exits(index), "%s: written by an exit", field->name);
		break;
	case VMCS_TYPE_HOST:
		ok(rule->into == INTO_HOST || is_absent, "%s: L0's", field->name);
		ok(is_kept, "%s: an exit leaves it alone", field->name);
		break;
	case VMCS_TYPE_GUEST:
		ok(rule->into != INTO_HOST, "%s: L2's", field->name);
		ok(IMPLIES(rule->into == INTO_COPY, is_kept == is_left_alone_by_exits(index)),
		   "%s: what L2 may change is saved", field->name);
		break;
	default:
		ok(rule->into != INTO_HOST, "%s: L1's", field->name);
		ok(is_kept != is_changed_by_exits(index), "%s: stays as it is", field->name);
	}
}

int main(void)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		check_field((enum vmcs_index)i);
	return tap_end();
}
