/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSR bitmap of VMCS02, made of L1's page and of what L0 and a hypapp wish for: for every
 * content of L1's page and every MSR number, against SDM "MSR-Bitmap Address" and "Virtualizing
 * MSR-Based APIC Accesses" in numbers of their own.  Whose an exit then is: prove_owner.c.
 */
/* sources: nested/vmcs02/msr_bitmap.c nested/vmcs02/controls.c */
#include "nested/test/prove.h"

#include "nested/vmcs02/msr_bitmap.h"

#define WORDS 512

/* "MSR-Bitmap Address": where the bit of an access is; false where the page has none. */
static bool bit_of(u32 msr, bool write, u32 *bit)
{
	if (msr <= 0x1fff)
		*bit = (write ? 2048 : 0) * 8 + msr;
	else if (msr >= 0xc0000000 && msr <= 0xc0001fff)
		*bit = (write ? 3072 : 1024) * 8 + (msr - 0xc0000000);
	else
		return false;
	return true;
}

/* The processor answers the access from the virtual-APIC page: controls 4, 8 and 9. */
static bool is_virtualized(u32 msr, bool write, u32 proc2)
{
	if (!(proc2 >> 4 & 1) || msr < 0x800 || msr > 0x8ff)
		return false;
	if (msr == 0x808)
		return true;
	if (write)
		return (proc2 >> 9 & 1) && (msr == 0x80b || msr == 0x83f);
	return proc2 >> 8 & 1;
}

/* What stays of L0's wish for @bits of the word number @word of a page. */
static u64 wish_left(u32 word, u64 bits, u32 proc2)
{
	if (word / 128 % 2)
		return bits; /* MSRs from C0000000H on */
	for (u32 i = 0; i < 64; i++)
		if (is_virtualized(word % 128 * 64 + i, word >= 256, proc2))
			bits &= ~(1ULL << i);
	return bits;
}

void prove_place_of_a_bit(void)
{
	u32 msr = any_u32("MSR"), real = 0, expected = 0;
	bool write = any_bool("write");

	must(msr_bitmap_bit(msr, write, &real) == bit_of(msr, write, &expected) && real == expected,
	     "the SDM's bit, or none");
	must(real < 32768, "in the page");
}

/* Adding a wish to a list that is there: @msr and @access are wished for from then on, whatever
 * else was stays as it was, and no word stands twice. */
void prove_wish(void)
{
	struct msr_bitmap_wishes before, list;
	u32 msr = any_u32("MSR"), other = any_u32("any other bit"), count = each_u32("count", 9);
	bool write = any_bool("write"), was = false, is = false, twice = false;
	u32 bit = 0;

	any_memory(&before, sizeof(before), "list");
	before.count = count;
	given(bit_of(msr, write, &bit) && other < 32768);
	for (u32 i = 0; i < count; i++)
		for (u32 j = 0; j < i; j++)
			twice |= before.word[i] == before.word[j];
	given(!twice);
	list = before;
	must(msr_bitmap_wish(&list, msr, write ? MSR_ACCESS_WRITE : MSR_ACCESS_READ), "room");
	must(list.count == count || list.count == count + 1, "at most one word more");
	for (u32 i = 0; i < count; i++)
		was |= before.word[i] == other / 64 && (before.bits[i] >> other % 64 & 1);
	for (u32 i = 0; i < list.count; i++) {
		is |= list.word[i] == other / 64 && (list.bits[i] >> other % 64 & 1);
		for (u32 j = 0; j < i; j++)
			twice |= list.word[i] == list.word[j];
	}
	must(!twice, "each word once");
	must(is == (was || other == bit), "this bit more, no other");
}

/* A full list of any bits, for each eighth of the page; and an empty one. */
void prove_merge_of_many(void)
{
	u32 eighth = each_u32("eighth", 9);
	u64 out[WORDS];
	struct msr_bitmap_wishes list;
	struct control_words vmcs12;
	const u64 *page = any_page("bitmap of L1");

	any_memory(&vmcs12, sizeof(vmcs12), "VMCS12");
	any_memory(&list, sizeof(list), "wishes");
	list.count = eighth < 8 ? MSR_BITMAP_WISH_WORDS : 0;
	for (u32 i = 0; i < list.count; i++)
		list.word[i] = (u16)(eighth * 64 + i);
	msr_bitmap_merge(page, &list, &vmcs12, out);
	for (u32 i = 0; i < WORDS; i++)
		must(out[i] == (page[i] |
				(i / 64 == eighth ? wish_left(i, list.bits[i % 64], vmcs12.proc2)
						  : 0)),
		     "L1's word with what is left of L0's");
}

/* The order of a list does not matter, nor that a word stands in it twice. */
void prove_merge_in_any_order(void)
{
	u32 first = each_u32("first", 3), second = each_u32("second", 3);
	u64 out[WORDS];
	struct msr_bitmap_wishes list = { .count = 2 };
	struct control_words vmcs12;
	const u64 *page = any_page("bitmap of L1");

	any_memory(&vmcs12, sizeof(vmcs12), "VMCS12");
	list.word[0] = (u16)(first * 255);
	list.word[1] = (u16)(second * 255);
	list.bits[0] = any_u64("wish");
	list.bits[1] = any_u64("other wish");
	msr_bitmap_merge(page, &list, &vmcs12, out);
	for (u32 i = 0; i < WORDS; i++)
		must(out[i] == (page[i] | (i == first * 255 ? list.bits[0] : 0) |
				(i == second * 255 ? list.bits[1] : 0)),
		     "L1's word with both wishes");
}

/* VMCS02 uses its bitmap exactly if VMCS12 uses one; without, all accesses exit. */
void prove_use_of_the_bitmap(void)
{
	struct vmx_caps caps;
	struct vmcs12 v;
	struct control_policy policy;
	struct control_words words, none = { 0 }, m;

	any_memory(&caps, sizeof(caps), "processor");
	any_memory(&v, sizeof(v), "VMCS12");
	given((caps.proc1.may_be_1 >> 28 & 1) && !(caps.proc1.must_be_1 >> 28 & 1));
	controls_policy(&caps, &policy);
	controls_of_vmcs12(&v, &words);
	controls_merge(&policy, &words, &none, &m);
	must((m.proc1 >> 28 & 1) == (v.processor_based_controls >> 28 & 1), "as VMCS12 does");
}
