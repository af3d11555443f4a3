/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the VM-exit control fields of VMCS12.  Pure.
 * SDM "Checks on VMX Controls": "VM-Exit Control Fields".
 */
#include "nested/entry/entry_view.h"

/* Reserved bits have their required values; the preemption timer is saved only if it
 * runs. */
static bool exit_control_bits(const struct entry_view *e, struct check_failure *why)
{
	return MUST(control_allowed(e->exit, &e->caps->exit)) &&
	       MUST(!(e->exit2 & ~e->caps->exit2)) &&
	       MUST(IMPLIES(e->exit & EXIT_SAVE_PREEMPTION_TIMER,
			    e->pin & PIN_ACTIVATE_PREEMPTION_TIMER));
}

/* A list that has entries starts on a 16-byte boundary; its first and its last byte
 * exist.  An address of an empty list is not looked at. */
static bool exit_msr_lists(const struct entry_view *e, struct check_failure *why)
{
	const u64 size = sizeof(struct vmx_msr_entry);
	u32 stores = e->v->exit_msr_store_count, loads = e->v->exit_msr_load_count;
	u64 store = e->v->exit_msr_store_address, load = e->v->exit_msr_load_address;
	u64 last_store = store + (stores - 1ULL) * size, last_load = load + (loads - 1ULL) * size;

	return MUST(IMPLIES(stores, entry_is_structure_address(e, store, size))) &&
	       MUST(IMPLIES(stores, entry_is_structure_address(e, last_store, size))) &&
	       MUST(IMPLIES(loads, entry_is_structure_address(e, load, size))) &&
	       MUST(IMPLIES(loads, entry_is_structure_address(e, last_load, size)));
}

bool entry_check_exit_controls(const struct entry_view *e, struct check_failure *why)
{
	return exit_control_bits(e, why) && exit_msr_lists(e, why);
}
