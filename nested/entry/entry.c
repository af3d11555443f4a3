/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VM-entry checks, section after section.  Pure.  SDM "Checks on VMX Controls and
 * Host-State Area" and "Checking and Loading Guest State".
 *
 * Within one group the order cannot be seen by L1 (one error number for all), except
 * that a guest-state failure has one of four exit qualifications; there the SDM leaves
 * the order open and this is the SDM's order of text.
 */
#include "nested/entry/entry_view.h"

struct entry_view entry_view_of(const struct entry_inputs *in)
{
	const struct vmcs12 *v = in->vmcs12;
	struct entry_view e = {
		.in = in,
		.v = v,
		.caps = in->caps,
		.pin = v->pin_based_controls,
		.proc1 = v->processor_based_controls,
		.exit = v->exit_controls,
		.entry = v->entry_controls,
	};

	if (e.proc1 & PROC1_ACTIVATE_SECONDARY_CONTROLS)
		e.proc2 = v->secondary_processor_based_controls;
	if (e.proc1 & PROC1_ACTIVATE_TERTIARY_CONTROLS)
		e.proc3 = v->tertiary_processor_based_controls;
	if (e.exit & EXIT_ACTIVATE_SECONDARY_CONTROLS)
		e.exit2 = v->secondary_exit_controls;
	if (e.proc2 & PROC2_ENABLE_VM_FUNCTIONS)
		e.vmfunc = v->vm_function_controls;
	if (v->entry_interruption_information & INTR_INFO_VALID)
		e.injection = v->entry_interruption_information;
	return e;
}

bool entry_is_structure_address(const struct entry_view *e, u64 address, u64 alignment)
{
	bool narrow = e->caps->basic & VMX_BASIC_32BIT_ADDRESSES;

	return is_aligned(address, alignment) && fits_physical_width(address, e->caps) &&
	       IMPLIES(narrow, fits_32_bits(address));
}

enum vm_instruction_error entry_check_controls_and_host(const struct entry_inputs *in,
							struct check_failure *why)
{
	const struct entry_view e = entry_view_of(in);

	*why = (struct check_failure){ 0 };
	if (!entry_check_execution_controls(&e, why) || !entry_check_exit_controls(&e, why) ||
	    !entry_check_entry_controls(&e, why))
		return VMFAIL_ENTRY_INVALID_CONTROL;
	if (!entry_check_host_registers(&e, why) || !entry_check_host_segments(&e, why) ||
	    !entry_check_address_space_size(&e, why))
		return VMFAIL_ENTRY_INVALID_HOST_STATE;
	return VMFAIL_NONE;
}

bool entry_check_guest(const struct entry_inputs *in,
		       enum entry_failure_qualification *qualification, struct check_failure *why)
{
	const struct entry_view e = entry_view_of(in);

	*why = (struct check_failure){ 0 };
	*qualification = ENTRY_FAILURE_DEFAULT;
	if (!entry_check_guest_registers(&e, why) || !entry_check_guest_segments(&e, why) ||
	    !entry_check_guest_descriptor_tables(&e, why) ||
	    !entry_check_guest_rip_rflags(&e, why) || !entry_check_guest_activity(&e, why) ||
	    !entry_check_guest_interruptibility(&e, why))
		return false;

	*qualification = ENTRY_FAILURE_NMI;
	if (!entry_check_guest_nmi_injection(&e, why))
		return false;

	*qualification = ENTRY_FAILURE_DEFAULT;
	if (!entry_check_guest_pending_debug(&e, why))
		return false;

	*qualification = ENTRY_FAILURE_LINK_POINTER;
	if (!entry_check_guest_link_pointer(&e, why))
		return false;

	*qualification = ENTRY_FAILURE_PDPTE;
	if (!entry_check_guest_pdptes(&e, why))
		return false;

	*qualification = ENTRY_FAILURE_DEFAULT;
	return true;
}
