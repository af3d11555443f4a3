/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM-entry checks of what changed since they last passed.  Pure.
 * nested/test/test_check_group.c compares the verdicts with those of all checks.
 */
#include "nested/entry/recheck.h"

#include "nested/entry/entry_view.h"
#include "nested/state.h"

enum vm_instruction_error entry_recheck_controls(const struct entry_inputs *in, u32 groups,
						 struct check_failure *why)
{
	if (groups & (CHECK_CONTROLS | CHECK_HOST))
		return entry_check_controls_and_host(in, why);
	if (groups & CHECK_EXECUTION) {
		const struct entry_view e = entry_view_of(in);

		if (!entry_check_execution_controls(&e, why))
			return VMFAIL_ENTRY_INVALID_CONTROL;
	}
	if (groups & CHECK_EVENT) {
		const struct entry_view e = entry_view_of(in);

		if (!entry_check_entry_controls(&e, why))
			return VMFAIL_ENTRY_INVALID_CONTROL;
	}
	return VMFAIL_NONE;
}

static bool check_quickly(const struct entry_inputs *in, u32 groups,
			  enum entry_failure_qualification *qualification,
			  struct check_failure *why)
{
	const struct entry_view e = entry_view_of(in);

	*qualification = ENTRY_FAILURE_DEFAULT;
	if ((groups & (CHECK_RIP | CHECK_EVENT)) && !entry_check_guest_rip_rflags(&e, why))
		return false;
	if (!(groups & (CHECK_EVENT | CHECK_INTERRUPTIBILITY)))
		return true;
	if (!entry_check_guest_activity(&e, why) || !entry_check_guest_interruptibility(&e, why))
		return false;
	*qualification = ENTRY_FAILURE_NMI;
	if (!entry_check_guest_nmi_injection(&e, why))
		return false;
	*qualification = ENTRY_FAILURE_DEFAULT;
	return entry_check_guest_pending_debug(&e, why);
}

bool entry_recheck_guest(const struct entry_inputs *in, u32 groups,
			 enum entry_failure_qualification *qualification, struct check_failure *why)
{
	if (groups & (CHECK_GUEST | CHECK_CONTROLS))
		return entry_check_guest(in, qualification, why);
	groups &= ~(u32)CHECK_EXECUTION;
	return !groups || check_quickly(in, groups, qualification, why);
}
