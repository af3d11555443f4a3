/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule on guest non-register state accepts a VMCS12 and refuses it with one thing broken. */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c
 */
#include "nested/test/entry_trial.h"

#define HLT_RULE      "IMPLIES(e->injection && activity == ACTIVITY_HLT, leaves_hlt(e))"
#define SHUTDOWN_RULE "IMPLIES(e->injection && activity == ACTIVITY_SHUTDOWN, leaves_shutdown(e))"
#define SIPI_RULE     "IMPLIES(activity == ACTIVITY_WAIT_FOR_SIPI, !e->injection)"

static void test_activity_supported(void)
{
	const u64 caps[] = { VMX_MISC_ACTIVITY_HLT, VMX_MISC_ACTIVITY_SHUTDOWN,
			     VMX_MISC_ACTIVITY_SIPI };

	trial_begin();
	accepted();
	for (u32 activity = 1; activity < 32; activity++) {
		t.v.guest_activity_state = activity;
		if (activity > 3) {
			refused_guest("activity_supported(e)");
			continue;
		}
		accepted();
		t.caps.misc &= ~caps[activity - 1];
		refused_guest("activity_supported(e)");
	}
	t.v.guest_activity_state = BIT32(31) | ACTIVITY_HLT;
	refused_guest("activity_supported(e)");
}

static void test_activity(void)
{
	trial_begin();
	t.v.guest_activity_state = ACTIVITY_HLT;
	accepted();
	t.v.guest_cs_selector |= 1;
	t.v.guest_ss_selector |= 1;
	t.v.guest_cs_access_rights |= 0x20;
	t.v.guest_ss_access_rights |= 0x20;
	refused_guest("IMPLIES(activity == ACTIVITY_HLT, ss_dpl == 0)");
	for (u32 activity = 1; activity < 4; activity++) {
		for (u32 bit = 0; bit < 2; bit++) {
			trial_begin();
			t.v.guest_rflags |= RFLAGS_IF;
			t.v.guest_activity_state = activity;
			accepted();
			t.v.guest_interruptibility_state = BIT32(bit);
			refused_guest("IMPLIES(shadow, activity == ACTIVITY_ACTIVE)");
		}
	}
}

/* Claim, written from the SDM's list: @activity lets @type and @vector in. */
static bool lets_in(enum activity_state activity, enum interruption_type type, u32 vector)
{
	bool nmi = type == INTR_TYPE_NMI, exception = type == INTR_TYPE_HARDWARE_EXCEPTION;

	switch (activity) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return nmi || type == INTR_TYPE_EXTERNAL || type == INTR_TYPE_OTHER_EVENT ||
		       (exception && (vector == 1 || vector == 18));
	case ACTIVITY_SHUTDOWN:
		return nmi || (exception && vector == 18);
	default:
		return false;
	}
}

/* Injection of every valid type and of vectors 0 to 33 into every activity state. */
static void test_activity_and_injection(void)
{
	const char *const rules[] = { "", HLT_RULE, SHUTDOWN_RULE, SIPI_RULE };

	for (u32 n = 0; n < 4 * 8 * 34; n++) {
		enum activity_state activity = (enum activity_state)(n & 3);
		enum interruption_type type = (enum interruption_type)(n >> 2 & 7);
		u32 vector = n >> 5;

		if (type == INTR_TYPE_RESERVED || (type == INTR_TYPE_NMI && vector != 2) ||
		    (type == INTR_TYPE_OTHER_EVENT && vector != 0) ||
		    (type == INTR_TYPE_HARDWARE_EXCEPTION && vector > 31))
			continue;
		trial_begin();
		t.caps.basic |= VMX_BASIC_ANY_ERROR_CODE;
		t.v.guest_rflags |= RFLAGS_IF;
		trial_inject(type, vector);
		accepted();
		t.v.guest_activity_state = activity;
		if (lets_in(activity, type, vector))
			accepted();
		else
			refused_guest(rules[activity]);
	}
}

static void test_interruptibility(void)
{
	trial_begin();
	t.v.guest_rflags |= RFLAGS_IF;
	accepted();
	for (unsigned int bit = 5; bit < 32; bit++) {
		t.v.guest_interruptibility_state = BIT32(bit);
		refused_guest("!(state & INTERRUPTIBILITY_RESERVED)");
	}
	t.v.guest_interruptibility_state = BLOCKING_BY_SMI;
	refused_guest("!(state & BLOCKING_BY_SMI)");
	t.v.guest_interruptibility_state = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;
	refused_guest("!(sti && mov_ss)");
	t.v.guest_interruptibility_state = BLOCKING_BY_STI | BLOCKING_BY_NMI;
	accepted();
	t.v.guest_rflags &= ~RFLAGS_IF;
	refused_guest("IMPLIES(sti, e->v->guest_rflags & RFLAGS_IF)");
	t.v.guest_interruptibility_state = BLOCKING_BY_MOV_SS;
	accepted();
	t.v.guest_rflags &= ~RFLAGS_IF;
	accepted();

	t.v.guest_interruptibility_state = ENCLAVE_INTERRUPTION;
	accepted();
	t.v.guest_interruptibility_state |= BLOCKING_BY_MOV_SS;
	refused_guest("IMPLIES(enclave, !mov_ss)");
	trial_clear(&t.caps.proc2.may_be_1, PROC2_ENABLE_ENCLS_EXITING);
	refused_guest("IMPLIES(enclave, has_sgx)");
}

static void test_interruptibility_and_injection(void)
{
	trial_begin();
	t.v.guest_rflags |= RFLAGS_IF;
	trial_inject(INTR_TYPE_EXTERNAL, 0x20);
	accepted();
	t.v.guest_interruptibility_state = BLOCKING_BY_STI;
	refused_guest("IMPLIES(external, !sti)");
	t.v.guest_interruptibility_state = BLOCKING_BY_MOV_SS;
	refused_guest("IMPLIES(external, !mov_ss)");
	t.v.guest_interruptibility_state = BLOCKING_BY_NMI;
	accepted();

	trial_inject(INTR_TYPE_NMI, VECTOR_NMI);
	accepted();
	t.v.guest_interruptibility_state = BLOCKING_BY_MOV_SS;
	refused_guest("IMPLIES(nmi, !mov_ss)");
	t.v.guest_interruptibility_state = BLOCKING_BY_STI;
	refused_guest_with(ENTRY_FAILURE_NMI, "IMPLIES(entry_injects(e, INTR_TYPE_NMI), !sti)");
	t.v.pin_based_controls |= PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	refused_guest("IMPLIES(virtual_nmis && nmi, !(state & BLOCKING_BY_NMI))");
	t.v.pin_based_controls |= PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	t.v.guest_interruptibility_state = 0;
	accepted();

	/* Other events do not mind. */
	trial_inject(INTR_TYPE_SOFTWARE_EXCEPTION, VECTOR_BP);
	t.v.guest_interruptibility_state = BLOCKING_BY_MOV_SS | BLOCKING_BY_NMI;
	accepted();
}

static void test_pending_debug(void)
{
	trial_begin();
	accepted();
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool defined = bit <= 3 || bit == 11 || bit == 12 || bit == 14;

		t.v.guest_pending_debug_exceptions = BIT(bit);
		if (bit == 16)
			refused_guest("IMPLIES(rtm, pending & PENDING_DEBUG_ENABLED)");
		else if (defined)
			accepted();
		else
			refused_guest("!(pending & PENDING_DEBUG_RESERVED)");
	}
	t.v.guest_pending_debug_exceptions = PENDING_DEBUG_BUS_LOCK;
	t.caps.debugctl_valid &= ~DEBUGCTL_BUS_LOCK_DETECT;
	refused_guest("IMPLIES(pending & PENDING_DEBUG_BUS_LOCK, "
		      "debugctl & DEBUGCTL_BUS_LOCK_DETECT)");

	t.v.guest_pending_debug_exceptions = PENDING_DEBUG_RTM | PENDING_DEBUG_ENABLED;
	accepted();
	for (unsigned int bit = 0; bit < 16; bit++) {
		if (bit == 12 || (bit >= 4 && bit <= 10) || bit == 13 || bit == 15)
			continue;
		t.v.guest_pending_debug_exceptions |= BIT(bit);
		refused_guest("IMPLIES(rtm, !(pending & PENDING_DEBUG_NOT_WITH_RTM))");
	}
	t.caps.debugctl_valid &= ~DEBUGCTL_RTM;
	refused_guest("IMPLIES(rtm, debugctl & DEBUGCTL_RTM)");
	t.v.guest_interruptibility_state = BLOCKING_BY_MOV_SS;
	t.v.guest_ia32_debugctl = 0;
	refused_guest("IMPLIES(rtm, !mov_ss)");
}

/* TF, BTF and the pending flag in every state that makes a debug exception wait or not. */
static void test_single_step(void)
{
	for (u32 n = 0; n < 64; n++) {
		bool tf = n & 1, btf = n & 2, pending = n & 4, waits = n >> 3 & 3;
		bool steps = tf && !btf;

		trial_begin();
		accepted();
		t.v.guest_rflags = RFLAGS_FIXED_1 | RFLAGS_IF | (tf ? RFLAGS_TF : 0);
		t.v.guest_ia32_debugctl = btf ? DEBUGCTL_BTF : 0;
		t.v.guest_pending_debug_exceptions = pending ? PENDING_DEBUG_BS : 0;
		if ((n >> 3 & 3) == 1)
			t.v.guest_activity_state = ACTIVITY_HLT;
		else if ((n >> 3 & 3) == 2)
			t.v.guest_interruptibility_state = BLOCKING_BY_STI;
		else if ((n >> 3 & 3) == 3)
			t.v.guest_interruptibility_state = BLOCKING_BY_MOV_SS;
		if (n & 32)
			t.v.entry_controls |= ENTRY_LOAD_DEBUG_CONTROLS;
		t.v.guest_dr7 = DR7_FIXED_1;
		if (waits && steps && !pending)
			refused_guest("IMPLIES(waits && steps, pending)");
		else if (waits && !steps && pending)
			refused_guest("IMPLIES(waits && !steps, !pending)");
		else
			accepted();
	}
}

int main(void)
{
	test_activity_supported();
	test_activity();
	test_activity_and_injection();
	test_interruptibility();
	test_interruptibility_and_injection();
	test_pending_debug();
	test_single_step();
	trial_rules_all_refused("nested/entry/guest_activity.c");
	trial_rules_all_refused("nested/entry/guest_interruptibility.c");
	return tap_end();
}
