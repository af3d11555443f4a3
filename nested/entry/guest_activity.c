/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the activity state of L2.  Pure.
 * SDM "Checks on Guest Non-Register State": "Activity state".
 */
#include "nested/entry/entry_view.h"

static bool activity_supported(const struct entry_view *e)
{
	switch (e->v->guest_activity_state) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return e->caps->misc & VMX_MISC_ACTIVITY_HLT;
	case ACTIVITY_SHUTDOWN:
		return e->caps->misc & VMX_MISC_ACTIVITY_SHUTDOWN;
	case ACTIVITY_WAIT_FOR_SIPI:
		return e->caps->misc & VMX_MISC_ACTIVITY_SIPI;
	default:
		return false;
	}
}

/* Events that leave HLT: external interrupts, NMIs, #DB and #MC, and a pending MTF exit. */
static bool leaves_hlt(const struct entry_view *e)
{
	u64 vector = field_get(e->injection, INTR_INFO_VECTOR);

	switch (entry_injected_type(e)) {
	case INTR_TYPE_EXTERNAL:
	case INTR_TYPE_NMI:
		return true;
	case INTR_TYPE_HARDWARE_EXCEPTION:
		return vector == VECTOR_DB || vector == VECTOR_MC;
	case INTR_TYPE_OTHER_EVENT:
		return vector == 0;
	default:
		return false;
	}
}

/* Events that leave shutdown: NMIs and #MC. */
static bool leaves_shutdown(const struct entry_view *e)
{
	u64 vector = field_get(e->injection, INTR_INFO_VECTOR);

	return entry_injected_type(e) == INTR_TYPE_NMI ||
	       (entry_injected_type(e) == INTR_TYPE_HARDWARE_EXCEPTION && vector == VECTOR_MC);
}

/* The state exists; HLT is a state of privilege level 0; blocking by STI or MOV SS belongs
 * to a running guest; an injected event is one that the state lets in, and
 * wait-for-SIPI lets none in. */
bool entry_check_guest_activity(const struct entry_view *e, struct check_failure *why)
{
	u32 activity = e->v->guest_activity_state;
	u64 ss_dpl = field_get(e->v->guest_ss_access_rights, ACCESS_RIGHTS_DPL);
	u32 shadow = e->v->guest_interruptibility_state & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);

	return MUST(activity_supported(e)) &&
	       MUST(IMPLIES(activity == ACTIVITY_HLT, ss_dpl == 0)) &&
	       MUST(IMPLIES(shadow, activity == ACTIVITY_ACTIVE)) &&
	       MUST(IMPLIES(e->injection && activity == ACTIVITY_HLT, leaves_hlt(e))) &&
	       MUST(IMPLIES(e->injection && activity == ACTIVITY_SHUTDOWN, leaves_shutdown(e))) &&
	       MUST(IMPLIES(activity == ACTIVITY_WAIT_FOR_SIPI, !e->injection));
}
