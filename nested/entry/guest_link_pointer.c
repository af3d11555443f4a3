/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the VMCS link pointer of VMCS12.  Pure.
 * SDM "Checks on Guest Non-Register State": "VMCS link pointer".
 */
#include "nested/entry/entry_view.h"

#define NO_LINK		    (~0ULL)
#define REVISION_SHADOW	    BIT32(31) /* the shadow-VMCS indicator */
#define REVISION_IDENTIFIER FIELD(30, 0)

/*
 * All-ones means none.  Else it is the address of another VMCS region than the current
 * one, of the right revision, and marked as a shadow VMCS exactly if VMCS shadowing is on.
 */
bool entry_check_guest_link_pointer(const struct entry_view *e, struct check_failure *why)
{
	u64 link = e->v->vmcs_link_pointer;
	u32 revision = e->in->link_revision;
	bool shadow = revision & REVISION_SHADOW;
	bool shadowing = e->proc2 & PROC2_VMCS_SHADOWING;

	if (link == NO_LINK)
		return true;
	return MUST(entry_is_structure_address(e, link, PAGE_SIZE)) &&
	       MUST((revision & REVISION_IDENTIFIER) ==
		    field_get(e->caps->basic, VMX_BASIC_REVISION)) &&
	       MUST(shadow == shadowing) && MUST(link != e->in->current_vmcs.v);
}
