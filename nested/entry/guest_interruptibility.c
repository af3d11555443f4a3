/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the interruptibility state and the pending debug exceptions of L2.  Pure.
 * SDM "Checks on Guest Non-Register State": "Interruptibility state" and "Pending debug
 * exceptions".
 */
#include "nested/entry/entry_view.h"

#define INTERRUPTIBILITY_RESERVED FIELD(31, 5)
#define PENDING_DEBUG_RESERVED	  (FIELD(10, 4) | BIT(13) | BIT(15) | FIELD(63, 17))
/* With RTM: everything but itself and "enabled breakpoint". */
#define PENDING_DEBUG_NOT_WITH_RTM (FIELD(11, 0) | FIELD(15, 13))

/*
 * No reserved bits; not both kinds of instruction shadow; STI's needs IF; neither with an
 * injected external interrupt, nor MOV SS's with an NMI.  L1 is never in SMM, so SMIs are
 * not blocked.  With virtual NMIs an NMI is not injected while NMIs are blocked.
 * An interrupted enclave excludes MOV SS blocking and needs SGX, which the capabilities
 * show by the control of its exits.
 */
bool entry_check_guest_interruptibility(const struct entry_view *e, struct check_failure *why)
{
	u32 state = e->v->guest_interruptibility_state;
	bool sti = state & BLOCKING_BY_STI, mov_ss = state & BLOCKING_BY_MOV_SS;
	bool external = entry_injects(e, INTR_TYPE_EXTERNAL), nmi = entry_injects(e, INTR_TYPE_NMI);
	bool virtual_nmis = e->pin & PIN_VIRTUAL_NMIS;
	bool enclave = state & ENCLAVE_INTERRUPTION;
	bool has_sgx = e->caps->proc2.may_be_1 & PROC2_ENABLE_ENCLS_EXITING;

	return MUST(!(state & INTERRUPTIBILITY_RESERVED)) && MUST(!(sti && mov_ss)) &&
	       MUST(IMPLIES(sti, e->v->guest_rflags & RFLAGS_IF)) &&
	       MUST(IMPLIES(external, !sti)) && MUST(IMPLIES(external, !mov_ss)) &&
	       MUST(IMPLIES(nmi, !mov_ss)) && MUST(!(state & BLOCKING_BY_SMI)) &&
	       MUST(IMPLIES(virtual_nmis && nmi, !(state & BLOCKING_BY_NMI))) &&
	       MUST(IMPLIES(enclave, !mov_ss)) && MUST(IMPLIES(enclave, has_sgx));
}

/*
 * An NMI is not injected under blocking by STI; this failure has its own exit
 * qualification.  Unsure: the SDM lets a processor require this or not; the processors
 * that have the qualification do.
 */
bool entry_check_guest_nmi_injection(const struct entry_view *e, struct check_failure *why)
{
	bool sti = e->v->guest_interruptibility_state & BLOCKING_BY_STI;

	return MUST(IMPLIES(entry_injects(e, INTR_TYPE_NMI), !sti));
}

/*
 * A guest that cannot take a debug exception yet (an instruction shadow, or HLT) has the
 * single-step flag pending exactly if it single-steps: TF set and not "on branches only".
 * BTF is that of the IA32_DEBUGCTL field, whether or not the entry loads it (unsure: the
 * SDM names the field without a condition).
 */
static bool pending_single_step(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool waits = (v->guest_interruptibility_state & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) ||
		     v->guest_activity_state == ACTIVITY_HLT;
	bool steps = (v->guest_rflags & RFLAGS_TF) && !(v->guest_ia32_debugctl & DEBUGCTL_BTF);
	bool pending = v->guest_pending_debug_exceptions & PENDING_DEBUG_BS;

	return MUST(IMPLIES(waits && steps, pending)) && MUST(IMPLIES(waits && !steps, !pending));
}

/*
 * No reserved bits; bus-lock and RTM causes only on processors with these, known by their
 * bits of IA32_DEBUGCTL.  A debug exception inside a transaction has "enabled breakpoint"
 * set, nothing else, and no MOV SS blocking.
 */
bool entry_check_guest_pending_debug(const struct entry_view *e, struct check_failure *why)
{
	u64 pending = e->v->guest_pending_debug_exceptions;
	u64 debugctl = e->caps->debugctl_valid;
	bool rtm = pending & PENDING_DEBUG_RTM;
	bool mov_ss = e->v->guest_interruptibility_state & BLOCKING_BY_MOV_SS;

	return MUST(!(pending & PENDING_DEBUG_RESERVED)) &&
	       MUST(IMPLIES(pending & PENDING_DEBUG_BUS_LOCK,
			    debugctl & DEBUGCTL_BUS_LOCK_DETECT)) &&
	       pending_single_step(e, why) &&
	       MUST(IMPLIES(rtm, !(pending & PENDING_DEBUG_NOT_WITH_RTM))) &&
	       MUST(IMPLIES(rtm, pending & PENDING_DEBUG_ENABLED)) &&
	       MUST(IMPLIES(rtm, debugctl & DEBUGCTL_RTM)) && MUST(IMPLIES(rtm, !mov_ss));
}
