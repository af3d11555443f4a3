/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks that join the mode L1 is in, the mode it returns to and the mode of L2.  Pure.
 * SDM "Checks Related to Address-Space Size".
 */
#include "nested/entry/entry_view.h"

/* From outside IA-32e mode neither the guest nor the host can be in it; from inside, the
 * host returns to it. */
static bool mode_at_entry(const struct entry_view *e, struct check_failure *why)
{
	bool ia32e_guest = e->entry & ENTRY_IA32E_MODE_GUEST;
	bool ia32e_host = e->exit & EXIT_HOST_ADDRESS_SPACE_SIZE;

	return MUST(IMPLIES(!e->in->l1_in_ia32e_mode, !ia32e_guest)) &&
	       MUST(IMPLIES(!e->in->l1_in_ia32e_mode, !ia32e_host)) &&
	       MUST(IMPLIES(e->in->l1_in_ia32e_mode, ia32e_host));
}

/* A host outside IA-32e mode has no process contexts, and 32-bit pointers.  (Its guest is
 * outside too: mode_at_entry() leaves no other combination.) */
static bool host_outside_ia32e(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool cet = e->exit & EXIT_LOAD_CET_STATE;

	return MUST(!(v->host_cr4 & CR4_PCIDE)) && MUST(fits_32_bits(v->host_rip)) &&
	       MUST(IMPLIES(cet, fits_32_bits(v->host_ia32_s_cet))) &&
	       MUST(IMPLIES(cet, fits_32_bits(v->host_ssp)));
}

/* A host in IA-32e mode has PAE and canonical pointers. */
static bool host_in_ia32e(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool cet = e->exit & EXIT_LOAD_CET_STATE;

	return MUST(v->host_cr4 & CR4_PAE) && MUST(is_canonical(v->host_rip, e->caps)) &&
	       MUST(IMPLIES(cet, is_canonical(v->host_ia32_s_cet, e->caps))) &&
	       MUST(IMPLIES(cet, is_canonical(v->host_ssp, e->caps)));
}

bool entry_check_address_space_size(const struct entry_view *e, struct check_failure *why)
{
	if (!mode_at_entry(e, why))
		return false;
	if (e->exit & EXIT_HOST_ADDRESS_SPACE_SIZE)
		return host_in_ia32e(e, why);
	return host_outside_ia32e(e, why);
}
