/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on GDTR and IDTR of L2.  Pure.
 * SDM "Checks on Guest Descriptor-Table Registers".
 */
#include "nested/entry/entry_view.h"

#define TABLE_LIMIT_RESERVED FIELD(31, 16)

/* Bases are canonical, limits 16 bits wide. */
bool entry_check_guest_descriptor_tables(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;

	return MUST(is_canonical(v->guest_gdtr_base, e->caps)) &&
	       MUST(is_canonical(v->guest_idtr_base, e->caps)) &&
	       MUST(!(v->guest_gdtr_limit & TABLE_LIMIT_RESERVED)) &&
	       MUST(!(v->guest_idtr_limit & TABLE_LIMIT_RESERVED));
}
