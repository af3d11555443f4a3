/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on RIP, RFLAGS and the shadow-stack pointer of L2.  Pure.
 * SDM "Checks on Guest RIP, RFLAGS, and SSP".
 */
#include "nested/entry/entry_view.h"

/* Outside 64-bit mode RIP is 32 bits.  In it, bits 63:N are identical for an N-bit linear
 * address: one bit weaker than canonical, so that an entry can be to just past the end of
 * the lower half (and fault there). */
static bool guest_rip(const struct entry_view *e, struct check_failure *why)
{
	bool to_64_bit = entry_is_to_64_bit(e);

	return MUST(IMPLIES(!to_64_bit, fits_32_bits(e->v->guest_rip))) &&
	       MUST(IMPLIES(to_64_bit, fits_linear_width(e->v->guest_rip, e->caps)));
}

/* Reserved bits have their values.  Virtual-8086 mode is a mode of protected mode outside
 * IA-32e mode.  An external interrupt is injected only with IF set. */
static bool guest_rflags(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool ia32e = e->entry & ENTRY_IA32E_MODE_GUEST;
	u64 rflags = v->guest_rflags;

	return MUST(!(rflags & RFLAGS_RESERVED)) && MUST(rflags & RFLAGS_FIXED_1) &&
	       MUST(IMPLIES(ia32e, !(rflags & RFLAGS_VM))) &&
	       MUST(IMPLIES(!(v->guest_cr0 & CR0_PE), !(rflags & RFLAGS_VM))) &&
	       MUST(IMPLIES(entry_injects(e, INTR_TYPE_EXTERNAL), rflags & RFLAGS_IF));
}

/* A loaded shadow-stack pointer is 4-byte aligned and as wide as RIP. */
static bool guest_ssp(const struct entry_view *e, struct check_failure *why)
{
	bool to_64_bit = entry_is_to_64_bit(e);
	u64 ssp = e->v->guest_ssp;

	if (!(e->entry & ENTRY_LOAD_CET_STATE))
		return true;
	return MUST(is_aligned(ssp, 4)) && MUST(IMPLIES(!to_64_bit, fits_32_bits(ssp))) &&
	       MUST(IMPLIES(to_64_bit, fits_linear_width(ssp, e->caps)));
}

bool entry_check_guest_rip_rflags(const struct entry_view *e, struct check_failure *why)
{
	return guest_rip(e, why) && guest_rflags(e, why) && guest_ssp(e, why);
}
