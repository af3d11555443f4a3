/* SPDX-License-Identifier: BSD-2-Clause */
/* Case numbers to cases. */
#include "lhv/vmdiff/vmdiff.h"

#include "xmhf/lib/string.h"

#define GROUP_MAX 8

/* Fields that one rule of the SDM names together. */
static const u32 groups[][GROUP_MAX] = {
	{ VMCS_guest_cr0, VMCS_guest_cr4, VMCS_guest_ia32_efer, VMCS_entry_controls },
	{ VMCS_guest_cs_access_rights, VMCS_guest_ss_access_rights, VMCS_guest_cs_selector,
	  VMCS_guest_ss_selector, VMCS_guest_rflags },
	{ VMCS_guest_cs_limit, VMCS_guest_cs_access_rights, VMCS_guest_cs_base },
	{ VMCS_guest_ss_limit, VMCS_guest_ss_access_rights, VMCS_guest_ss_base },
	{ VMCS_guest_ds_limit, VMCS_guest_ds_access_rights, VMCS_guest_ds_selector,
	  VMCS_guest_ds_base },
	{ VMCS_guest_tr_limit, VMCS_guest_tr_access_rights, VMCS_guest_tr_selector,
	  VMCS_guest_tr_base },
	{ VMCS_guest_ldtr_limit, VMCS_guest_ldtr_access_rights, VMCS_guest_ldtr_selector,
	  VMCS_guest_ldtr_base },
	{ VMCS_guest_rflags, VMCS_guest_interruptibility_state, VMCS_entry_interruption_information,
	  VMCS_guest_pending_debug_exceptions },
	{ VMCS_pin_based_controls, VMCS_processor_based_controls, VMCS_exit_controls },
	{ VMCS_processor_based_controls, VMCS_secondary_processor_based_controls,
	  VMCS_tpr_threshold, VMCS_vpid },
	{ VMCS_entry_interruption_information, VMCS_entry_exception_error_code,
	  VMCS_entry_instruction_length },
	{ VMCS_entry_controls, VMCS_guest_ia32_pat, VMCS_guest_ia32_debugctl, VMCS_guest_dr7 },
	{ VMCS_exit_controls, VMCS_host_ia32_efer, VMCS_host_ia32_pat },
};

static u64 scramble(u64 x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static u64 next(u64 *state)
{
	*state += 0x9e3779b97f4a7c15;
	return scramble(*state);
}

static unsigned int bits_in(u64 mask)
{
	unsigned int n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

/* Bit number @n of the bits that are 1 in @mask, as a mask. */
static u64 nth_bit(u64 mask, u64 n)
{
	for (; n; n--)
		mask &= mask - 1;
	return mask & -mask;
}

u64 vmdiff_flip_count(void)
{
	static u64 count;

	if (!count)
		for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
			count += bits_in(vmdiff_flippable(vmcs_fields[i].encoding));
	return count;
}

static void make_flip(u64 number, struct vmdiff_case *c)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		u64 mask = vmdiff_flippable(vmcs_fields[i].encoding);
		unsigned int n = bits_in(mask);

		if (number < n) {
			c->change[0].encoding = vmcs_fields[i].encoding;
			c->change[0].flip = nth_bit(mask, number);
			c->changes = 1;
			return;
		}
		number -= n;
	}
}

static void add_change(struct vmdiff_case *c, u64 *state, u32 encoding)
{
	u64 mask = vmdiff_flippable(encoding);
	unsigned int n;

	/* without EPT a wild L2 would reach all of memory */
	if (encoding == VMCS_secondary_processor_based_controls)
		mask &= ~(u64)(PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	if (encoding == VMCS_processor_based_controls)
		mask &= ~(u64)PROC1_ACTIVATE_SECONDARY_CONTROLS;
	n = bits_in(mask);
	if (!n)
		return;
	c->change[c->changes].encoding = encoding;
	c->change[c->changes].flip = nth_bit(mask, next(state) % n);
	c->changes++;
}

static void make_rule(u64 *state, struct vmdiff_case *c)
{
	const u32 *group = groups[next(state) % ARRAY_SIZE(groups)];
	unsigned int members = 0;
	u64 wanted = 2 + next(state) % (VMDIFF_CHANGES - 1);

	while (members < GROUP_MAX && group[members])
		members++;
	for (u64 i = 0; i < wanted; i++)
		add_change(c, state, group[next(state) % members]);
}

static void make_mode(u64 *state, struct vmdiff_case *c)
{
	u64 wanted = next(state) % (VMDIFF_CHANGES + 1);

	c->mode = (enum l2_mode)(next(state) % L2_MODE_COUNT);
	for (u64 i = 0; i < wanted; i++) {
		unsigned int field = (unsigned int)(next(state) % VMCS_FIELD_COUNT);

		if (vmcs_encoding_type(vmcs_fields[field].encoding) == VMCS_TYPE_GUEST)
			add_change(c, state, vmcs_fields[field].encoding);
	}
}

static void make_program(u64 *state, struct vmdiff_case *c)
{
	c->program = (unsigned int)(next(state) % vmdiff_program_count());
	c->primary = (u32)next(state);
	c->secondary = (u32)next(state);
	c->bitmap = (u8)(next(state) & 1 ? 0 : next(state));
}

void vmdiff_make(u64 seed, u64 number, struct vmdiff_case *c)
{
	u64 state = scramble(seed) ^ scramble(number + 1);

	memset(c, 0, sizeof(*c));
	c->mode = L2_LONG;
	if (number < vmdiff_flip_count()) {
		make_flip(number, c);
		return;
	}
	c->kind = (enum vmdiff_kind)(VMDIFF_RULE + number % 3);
	if (c->kind == VMDIFF_RULE)
		make_rule(&state, c);
	else if (c->kind == VMDIFF_MODE)
		make_mode(&state, c);
	else
		make_program(&state, c);
}
