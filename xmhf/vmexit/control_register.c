/* SPDX-License-Identifier: BSD-2-Clause */
/* Which values MOV to CR0 and MOV to CR4 accept.  Pure. */
#include "xmhf/vmexit/control_register.h"

#define CR3_PCID FIELD(11, 0)

bool cr0_write_is_valid(const struct cr_write *w)
{
	u64 v = w->value;
	bool sets_pg = (v & CR0_PG) && !(w->cr0 & CR0_PG);
	bool clears_pg = !(v & CR0_PG) && (w->cr0 & CR0_PG);
	bool in_64bit_mode = w->ia32e_mode && w->code_64;

	if (in_64bit_mode && v >> 32)
		return false;
	if ((v & CR0_PG) && !(v & CR0_PE))
		return false;
	if ((v & CR0_NW) && !(v & CR0_CD))
		return false;
	if (sets_pg && w->long_mode_enabled && (!(w->cr4 & CR4_PAE) || w->code_64))
		return false;
	if (clears_pg && (in_64bit_mode || (w->cr4 & CR4_PCIDE)))
		return false;
	return !(!(v & CR0_WP) && (w->cr4 & CR4_CET));
}

bool cr4_write_is_valid(const struct cr_write *w)
{
	u64 v = w->value, changed = v ^ w->cr4;

	if (v & ~w->cr4_valid)
		return false;
	if (w->ia32e_mode && (!(v & CR4_PAE) || (changed & CR4_LA57)))
		return false;
	if ((changed & v & CR4_PCIDE) && (!w->ia32e_mode || (w->cr3 & CR3_PCID)))
		return false;
	return !((v & CR4_CET) && !(w->cr0 & CR0_WP));
}
