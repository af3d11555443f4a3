/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CR0 and CR4 shared by L1 and L0.  Pure.
 * SDM "Guest/Host Masks and Read Shadows for CR0 and CR4", "Changes to Instruction
 * Behavior in VMX Non-Root Operation".
 *
 * For every bit exactly one holds:
 *   L1 owns it (VMCS12's mask)   L2 reads VMCS12's shadow; a write that differs exits to L1
 *   L0 alone owns it             L2 reads what it last wrote, kept in VMCS02's shadow; the
 *                                register holds L0's value; a write that differs exits to L0
 *   nobody owns it               L2 reads and writes the register
 * Where both own a bit the register holds L0's value and L1 sees VMCS12's guest-state field
 * unchanged, since L2 cannot change a bit that L1 owns.
 */
#include "nested/vmcs02/cr.h"

#include "xmhf/x86/cpu.h"

struct cr_fields cr_merge(struct cr_fields vmcs12, struct cr_l0 l0)
{
	return (struct cr_fields){
		.mask = vmcs12.mask | l0.mask,
		.shadow = (vmcs12.shadow & vmcs12.mask) | (vmcs12.guest & ~vmcs12.mask),
		.guest = (vmcs12.guest & ~l0.mask) | (l0.value & l0.mask),
	};
}

u64 cr_read(struct cr_fields fields)
{
	return (fields.shadow & fields.mask) | (fields.guest & ~fields.mask);
}

bool cr_write_exits(struct cr_fields fields, u64 value)
{
	return ((value ^ fields.shadow) & fields.mask) != 0;
}

bool cr_clts_exits(struct cr_fields fields)
{
	return (fields.mask & fields.shadow & CR0_TS) != 0;
}

bool cr_lmsw_exits(struct cr_fields fields, u16 source)
{
	/* LMSW cannot clear PE, so PE counts only where it would be set. */
	if (fields.mask & source & ~fields.shadow & CR0_PE)
		return true;
	return ((source ^ fields.shadow) & fields.mask & (CR0_MP | CR0_EM | CR0_TS)) != 0;
}

u64 cr_lmsw_value(u64 cr0, u16 source)
{
	const u64 low = CR0_PE | CR0_MP | CR0_EM | CR0_TS;

	return (cr0 & ~(low & ~CR0_PE)) | (source & low);
}

u64 cr_guest_for_vmcs12(struct cr_fields vmcs02, struct cr_fields vmcs12, struct cr_l0 l0)
{
	u64 l0_alone = l0.mask & ~vmcs12.mask, both = l0.mask & vmcs12.mask;

	return (vmcs02.guest & ~l0.mask) | (vmcs02.shadow & l0_alone) | (vmcs12.guest & both);
}

struct cr_fields cr_apply_write(struct cr_fields vmcs02, struct cr_fields vmcs12, struct cr_l0 l0,
				u64 value)
{
	u64 free = ~(l0.mask | vmcs12.mask), l0_alone = l0.mask & ~vmcs12.mask;

	vmcs02.guest = (vmcs02.guest & ~free) | (value & free);
	vmcs02.shadow = (vmcs02.shadow & ~l0_alone) | (value & l0_alone);
	return vmcs02;
}
