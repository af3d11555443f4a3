/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSR bitmap of VMCS02, made of L1's page and of what L0 and a hypapp wish for, and whose the
 * exit then is: for every content of L1's page and every MSR number, against SDM "MSR-Bitmap
 * Address" and "Virtualizing MSR-Based APIC Accesses" in numbers of their own.
 */
/* sources: nested/vmcs02/msr_bitmap.c nested/vmcs02/controls.c nested/vmcs02/cr.c
 * nested/exit/owner.c nested/exit/owner_access.c */
#include "nested/test/prove.h"

#include "nested/exit/owner.h"
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

static bool bit_of_page(const u64 *page, u32 bit)
{
	return page[bit / 64] >> bit % 64 & 1;
}

/* An access by L2 to @msr under VMCS02's own controls, from the wish to the owner of the exit. */
static void must_be_shared(u32 msr, bool write, bool wished)
{
	u64 out[WORDS];
	struct vmx_caps caps;
	struct vmcs12 v;
	struct control_policy policy;
	struct control_words words, none = { 0 }, m;
	struct msr_bitmap_wishes list = { .count = 0 };
	const void *page = any_page("bitmap of L1");
	struct owner_pages pages = { .msr_bitmap = page };
	struct owner_exit e;
	u32 bit = 0;
	bool exits12 = true, exits02 = true, l0;

	any_memory(&caps, sizeof(caps), "processor");
	given((caps.proc1.may_be_1 >> 28 & 1) && !(caps.proc1.must_be_1 >> 28 & 1));
	any_memory(&v, sizeof(v), "VMCS12");
	any_memory(&e, sizeof(e), "exit");
	e.exit_reason = write ? 32 : 31;
	e.registers[1] = msr;
	controls_policy(&caps, &policy);
	controls_of_vmcs12(&v, &words);
	controls_merge(&policy, &words, &none, &m);
	if (wished)
		must(msr_bitmap_wish(&list, msr, write ? MSR_ACCESS_WRITE : MSR_ACCESS_READ),
		     "room for a wish");
	msr_bitmap_merge(page, &list, &words, out);
	if (bit_of(msr, write, &bit)) {
		exits12 = !(v.processor_based_controls >> 28 & 1) || bit_of_page(page, bit);
		exits02 = !(m.proc1 >> 28 & 1) || bit_of_page(out, bit);
		must(msr_bitmap_exits(out, msr, write) == bit_of_page(out, bit), "one bit");
	} else {
		must(msr_bitmap_exits(out, msr, write), "outside the ranges");
	}
	l0 = wished && !is_virtualized(msr, write, words.proc2);
	must(exits02 == (exits12 || l0), "exits exactly if it does for L1 or L0 wants it");
	must((owner_of_exit(&v, &pages, &e) == OWNER_L1) == exits12,
	     "L1's exactly if it exits under VMCS12");
}

/* Words at the ends of each quarter and around the x2APIC's; each bit of them.  The merge of all
 * others is above, their place in the page too, and their owner in prove_owner. */
void prove_access(void)
{
	static const u32 words[8] = { 0, 31, 32, 33, 34, 35, 36, 127 };
	u32 n = each_u32("word", 32), quarter = n / 8, bit = any_u32("bit of it");

	given(bit < 64);
	must_be_shared((quarter % 2 ? 0xc0000000 : 0) + words[n % 8] * 64 + bit, quarter > 1,
		       any_bool("wish of L0"));
}

void prove_access_outside(void)
{
	u32 msr = any_u32("MSR"), bit;

	given(!bit_of(msr, false, &bit));
	must_be_shared(msr, any_bool("write"), any_bool("wish of L0"));
}
