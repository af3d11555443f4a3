/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CR0/CR4 sharing, exhaustive on four bits (every bit of the register behaves alone): a
 * model in which L0 does not exist runs L2 under VMCS12 alone; under VMCS02 the same reads,
 * the same exits of L1, and the same guest-state field must come out.
 */
/* sources: nested/vmcs02/cr.c */
#include "nested/vmcs02/cr.h"

#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"

#define N 16 /* values of four bits */

/* What the processor does for MOV to CR under VMCS12 alone: exit, or the unowned bits change. */
static bool model_write(struct cr_fields *alone, u64 value)
{
	for (u32 bit = 0; bit < 4; bit++)
		if ((alone->mask >> bit & 1) && (alone->shadow >> bit & 1) != (value >> bit & 1))
			return true;
	alone->guest = (alone->guest & alone->mask) | (value & ~alone->mask);
	return false;
}

static u64 model_read(struct cr_fields alone)
{
	u64 value = 0;

	for (u32 bit = 0; bit < 4; bit++)
		value |= ((alone.mask >> bit & 1 ? alone.shadow : alone.guest) >> bit & 1) << bit;
	return value;
}

/* Two writes of L2 in turn, the exits of L0 handled by cr_apply_write(). */
static unsigned long one_case(struct cr_fields vmcs12, struct cr_l0 l0)
{
	unsigned long bad = 0;

	for (u64 w = 0; w < N * N; w++) {
		struct cr_fields alone = vmcs12, merged = cr_merge(vmcs12, l0);
		u64 values[2] = { w % N, w / N };

		bad += cr_read(merged) != model_read(alone);
		bad += ((merged.guest ^ l0.value) & l0.mask) != 0;
		for (u32 i = 0; i < 2; i++) {
			bool l1_exits = model_write(&alone, values[i]);
			bool exits = cr_write_exits(merged, values[i]);

			bad += l1_exits && !exits;
			bad += l1_exits != cr_write_exits(vmcs12, values[i]);
			bad += exits && !l1_exits && !(l0.mask & ~vmcs12.mask);
			if (l1_exits)
				continue;
			/* Without an exit the processor writes the unowned bits itself. */
			if (exits)
				merged = cr_apply_write(merged, vmcs12, l0, values[i]);
			else
				merged.guest =
					(merged.guest & merged.mask) | (values[i] & ~merged.mask);
			bad += cr_read(merged) != model_read(alone);
			bad += ((merged.guest ^ l0.value) & l0.mask) != 0;
			bad += cr_guest_for_vmcs12(merged, vmcs12, l0) != alone.guest;
		}
		bad += cr_guest_for_vmcs12(merged, vmcs12, l0) != alone.guest;
	}
	return bad;
}

/* One bit is enough to be exhaustive, two show that bits do not mix; four with few masks. */
static void test_sharing(void)
{
	for (u64 n = 0; n < 1U << 10;
	     n++) { /* two bits of mask, shadow, guest, L0 mask and value */
		struct cr_fields v = { n & 3, n >> 2 & 3, n >> 4 & 3 };
		struct cr_l0 l0 = { n >> 6 & 3, n >> 8 & 3 };

		is_u64(one_case(v, l0), 0, "two bits");
		v = (struct cr_fields){ v.mask * 5, v.shadow * 4 + 1, v.guest * 4 + 2 };
		l0 = (struct cr_l0){ l0.mask * 4 + 1, l0.value * 5 };
		is_u64(one_case(v, l0), 0, "four bits");
	}
}

/* CLTS and LMSW: their exits, from the SDM's list of conditions; with and without L0's bits. */
static void test_clts_lmsw(void)
{
	for (u64 n = 0; n < N * N; n++) {
		struct cr_fields f = { n % N, n / N, 0 };

		ok(cr_clts_exits(f) == ((f.mask & 8) && (f.shadow & 8)), "CLTS %llu", n);
		for (u16 source = 0; source < N; source++) {
			bool expected = (f.mask & 1) && (source & 1) && !(f.shadow & 1);

			for (u32 bit = 1; bit < 4; bit++)
				expected |= (f.mask >> bit & 1) &&
					    (source >> bit & 1) != (int)(f.shadow >> bit & 1);
			ok(cr_lmsw_exits(f, source) == expected, "LMSW %llu %u", n, source);
			ok(cr_lmsw_exits(f, (u16)(source | 0xfff0)) == expected,
			   "LMSW ignores the upper bits");
		}
	}
	for (u64 cr0 = 0; cr0 < 32; cr0++)
		for (u16 source = 0; source < 32; source++)
			is_u64(cr_lmsw_value(cr0 | CR0_PG, source),
			       CR0_PG | (cr0 & 0x10) | (source & 0xe) | ((cr0 | source) & 1),
			       "LMSW value");
}

int main(void)
{
	test_sharing();
	test_clts_lmsw();
	return tap_end();
}
