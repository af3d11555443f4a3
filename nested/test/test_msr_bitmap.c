/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR bitmap: for every index and both directions an access exits under the merged page
 * exactly if L1's page or L0 says so, with the x2APIC exceptions spelled out.
 */
/* sources: nested/vmcs02/msr_bitmap.c */
#include "nested/vmcs02/msr_bitmap.h"

#include <string.h>
#include "xmhf/test/random.h"
#include "xmhf/test/tap.h"

static u64 l1[MSR_BITMAP_WORDS], merged[MSR_BITMAP_WORDS];

/* The bit, found bytewise as the SDM describes the page. */
static bool oracle_bit(const u64 *page, u32 index, bool write)
{
	const unsigned char *bytes = (const unsigned char *)page;
	u32 base = (write ? 2048U : 0) + (index >> 31 ? 1024U : 0);

	return bytes[base + (index & 0x1fff) / 8] & (1 << (index & 7));
}

/* Does the processor virtualize it?  Table of "Virtualizing MSR-Based APIC Accesses". */
static bool oracle_virtualized(u32 index, bool write, u32 proc2)
{
	if (!(proc2 & BIT(4)) || index < 0x800 || index > 0x8ff)
		return false;
	if (index == 0x808)
		return true;
	if (write)
		return (index == 0x80b || index == 0x83f) && (proc2 & BIT(9));
	return proc2 & BIT(8);
}

static const struct {
	u32 index;
	enum msr_access access;
} wanted[] = {
	{ 0x0, MSR_ACCESS_READ },	 { 0x1fff, MSR_ACCESS_WRITE },
	{ 0xc0000000, MSR_ACCESS_BOTH }, { 0xc0001fff, MSR_ACCESS_READ },
	{ 0x3a, MSR_ACCESS_BOTH },	 { 0x1b, MSR_ACCESS_WRITE },
	{ 0x800, MSR_ACCESS_READ },	 { 0x808, MSR_ACCESS_BOTH },
	{ 0x80b, MSR_ACCESS_WRITE },	 { 0x830, MSR_ACCESS_BOTH },
	{ 0x83f, MSR_ACCESS_WRITE },	 { 0x8ff, MSR_ACCESS_BOTH },
	{ 0x7ff, MSR_ACCESS_BOTH },	 { 0x900, MSR_ACCESS_BOTH },
	{ 0x480, MSR_ACCESS_READ },	 { 0xc0000808, MSR_ACCESS_BOTH },
};

static bool is_wanted(u32 index, bool write)
{
	for (u32 i = 0; i < ARRAY_SIZE(wanted); i++)
		if (wanted[i].index == index && (wanted[i].access & (write ? 2U : 1U)))
			return true;
	return false;
}

static void test_merge(u32 proc2)
{
	struct msr_bitmap_wishes wishes = { 0 };
	struct control_words words = { .proc2 = proc2 };
	unsigned long bad = 0, exits = 0;

	for (u32 i = 0; i < ARRAY_SIZE(wanted); i++)
		ok(msr_bitmap_wish(&wishes, wanted[i].index, wanted[i].access), "wish");
	for (u32 i = 0; i < MSR_BITMAP_WORDS; i++) {
		l1[i] = (u64)random_u32() << 32 | random_u32();
		merged[i] = 0x5555;
	}
	memset((char *)l1 + 0x100, 0, 0x20); /* x2APIC range: L1 lets all through */
	memset((char *)l1 + 0x800 + 0x100, 0, 0x20);
	msr_bitmap_merge(l1, &wishes, &words, merged);
	for (u32 n = 0; n < 0x4000; n++)
		for (int write = 0; write < 2; write++) {
			u32 index = n < 0x2000 ? n : 0xc0000000 + n - 0x2000;
			bool expected = oracle_bit(l1, index, write) ||
					(is_wanted(index, write) &&
					 !oracle_virtualized(index, write, proc2));

			bad += oracle_bit(merged, index, write) != expected;
			bad += msr_bitmap_exits(merged, index, write) != expected;
			exits += expected;
		}
	is_u64(bad, 0, "every index");
	ok(exits > 1000 && exits < 31000, "both outcomes occur");
	ok(msr_bitmap_exits(merged, 0x2000, false) && msr_bitmap_exits(merged, 0xc0002000, true) &&
		   msr_bitmap_exits(merged, 0xbfffffff, false) &&
		   msr_bitmap_exits(merged, 0x40000000, true),
	   "outside the ranges");
}

static void test_list(void)
{
	struct msr_bitmap_wishes wishes = { 0 };
	u32 i = 0;

	ok(msr_bitmap_wish(&wishes, 0x40000000, MSR_ACCESS_BOTH) && wishes.count == 0,
	   "outside the ranges nothing is needed");
	while (i < 200 && msr_bitmap_wish(&wishes, i * 64, MSR_ACCESS_READ))
		i++;
	is_u64(i, MSR_BITMAP_WISH_WORDS, "a full list says so");
	ok(msr_bitmap_wish(&wishes, 3, MSR_ACCESS_READ), "a word that is there still takes bits");
	is_u64(wishes.bits[0], 9, "two bits in one word");
}

static void test_source(void)
{
	struct control_words words = { .proc2 = PROC2_VIRTUALIZE_X2APIC_MODE | PROC2_ENABLE_EPT };
	struct msr_bitmap_source made = { 0 }, now = msr_bitmap_source_now(0x1000, 1, 2, &words);

	ok(!msr_bitmap_is_current(&made, &now), "nothing made yet");
	made = now;
	ok(msr_bitmap_is_current(&made, &now), "the same");
	words.proc2 = PROC2_VIRTUALIZE_X2APIC_MODE;
	now = msr_bitmap_source_now(0x1000, 1, 2, &words);
	ok(msr_bitmap_is_current(&made, &now), "other controls do not matter");
	now = msr_bitmap_source_now(0x2000, 1, 2, &words);
	ok(!msr_bitmap_is_current(&made, &now), "another page");
	now = msr_bitmap_source_now(0x1000, 2, 2, &words);
	ok(!msr_bitmap_is_current(&made, &now), "L1 wrote");
	now = msr_bitmap_source_now(0x1000, 1, 3, &words);
	ok(!msr_bitmap_is_current(&made, &now), "L0's wishes changed");
	words.proc2 = 0;
	now = msr_bitmap_source_now(0x1000, 1, 2, &words);
	ok(!msr_bitmap_is_current(&made, &now), "x2APIC controls changed");
}

int main(void)
{
	for (u32 n = 0; n < 8; n++)
		test_merge((n & 1 ? PROC2_VIRTUALIZE_X2APIC_MODE : 0) |
			   (n & 2 ? PROC2_APIC_REGISTER_VIRTUALIZATION : 0) |
			   (n & 4 ? PROC2_VIRTUAL_INTERRUPT_DELIVERY : 0));
	test_list();
	test_source();
	return tap_end();
}
