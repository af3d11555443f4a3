/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the page-directory-pointer-table entries of an L2 with PAE paging.  Pure.
 * SDM "Checks on Guest Page-Directory-Pointer-Table Entries".
 */
#include "nested/entry/entry_view.h"

#define PDPTE_RESERVED (FIELD(2, 1) | FIELD(8, 5))

static bool uses_pae_paging(const struct entry_view *e)
{
	return (e->v->guest_cr0 & CR0_PG) && (e->v->guest_cr4 & CR4_PAE) &&
	       !(e->entry & ENTRY_IA32E_MODE_GUEST);
}

/* A present entry has no reserved bits and an address that exists. */
static bool pdpte(const struct entry_view *e, u64 entry, struct check_failure *why)
{
	bool present = entry & PTE_P;

	return MUST(IMPLIES(present, !(entry & PDPTE_RESERVED))) &&
	       MUST(IMPLIES(present, fits_physical_width(entry, e->caps)));
}

/* With EPT the entries are fields of VMCS12; without, they are those at CR3. */
bool entry_check_guest_pdptes(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	const u64 *memory = e->in->pdptes;
	bool fields = e->proc2 & PROC2_ENABLE_EPT;

	if (!uses_pae_paging(e))
		return true;
	return pdpte(e, fields ? v->guest_pdpte0 : memory[0], why) &&
	       pdpte(e, fields ? v->guest_pdpte1 : memory[1], why) &&
	       pdpte(e, fields ? v->guest_pdpte2 : memory[2], why) &&
	       pdpte(e, fields ? v->guest_pdpte3 : memory[3], why);
}
