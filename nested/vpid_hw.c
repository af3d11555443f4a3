/* SPDX-License-Identifier: BSD-2-Clause */
/* VPID02. */
#include "nested/vpid.h"

#include "xmhf/vmx/vmcs_hw.h"

/* The last one serves all VMCS12s without VPID. */
#define VPID_FOR_NONE (NESTED_FIRST_VPID + NESTED_VPIDS)
#define VPID_OF_L1    1

static bool uses_vpid(const struct vmcs12_slot *slot)
{
	return slot->words12.proc2 & PROC2_ENABLE_VPID;
}

static u16 vpid02_of(struct nested *nested, u16 vpid12)
{
	for (u16 i = 0; i < NESTED_VPIDS; i++) {
		if (nested->vpid12[i] == vpid12)
			return (u16)(NESTED_FIRST_VPID + i);
	}
	return 0;
}

u16 vpid02_for(struct nested *nested, const struct vmcs12_slot *slot)
{
	u16 vpid02;
	u32 i;

	if (!uses_vpid(slot))
		return VPID_FOR_NONE;
	vpid02 = vpid02_of(nested, slot->vmcs12.vpid);
	if (vpid02)
		return vpid02;
	i = nested->next_vpid++ % NESTED_VPIDS;
	nested->vpid12[i] = slot->vmcs12.vpid;
	vpid02 = (u16)(NESTED_FIRST_VPID + i);
	invvpid(INVVPID_SINGLE_CONTEXT, vpid02, 0);
	return vpid02;
}

void vpid02_entering(struct nested *nested, const struct vmcs12_slot *slot)
{
	(void)nested;
	/* A processor without VPID flushes at every VM entry and exit itself. */
	if (uses_vpid(slot) || !(machine.caps.proc2.may_be_1 & PROC2_ENABLE_VPID))
		return;
	/* Without VPID a VM entry flushes everything of VPID 0: what L1 and L2 then share. */
	invvpid(INVVPID_SINGLE_CONTEXT, VPID_FOR_NONE, 0);
	invvpid(INVVPID_SINGLE_CONTEXT, VPID_OF_L1, 0);
}

void vpid02_invvpid(struct nested *nested, enum invvpid_type type, u16 vpid12, u64 address)
{
	u16 vpid02;

	if (type == INVVPID_ALL_CONTEXT) {
		for (u16 i = 0; i < NESTED_VPIDS; i++)
			invvpid(INVVPID_SINGLE_CONTEXT, (u16)(NESTED_FIRST_VPID + i), 0);
		return;
	}
	vpid02 = vpid02_of(nested, vpid12);
	if (vpid02)
		invvpid(type, vpid02, address);
}
