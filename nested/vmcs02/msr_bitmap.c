/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR bitmaps.  Pure.  SDM "MSR-Bitmap Address": four quarters of 1 KiB: reads of MSRs 0 to
 * 1FFFH, reads of C0000000H to C0001FFFH, then the writes of both; a set bit exits.
 */
#include "nested/vmcs02/msr_bitmap.h"

#include "xmhf/x86/msr.h"

#define X2APIC_CONTROLS                                                      \
	(PROC2_VIRTUALIZE_X2APIC_MODE | PROC2_APIC_REGISTER_VIRTUALIZATION | \
	 PROC2_VIRTUAL_INTERRUPT_DELIVERY)

bool msr_bitmap_bit(u32 index, bool is_write, u32 *bit)
{
	u32 quarter;

	if (index < MSR_BITMAP_RANGE_COUNT)
		quarter = is_write ? MSR_BITMAP_WRITE_LOW : MSR_BITMAP_READ_LOW;
	else if (index - MSR_BITMAP_HIGH_FIRST < MSR_BITMAP_RANGE_COUNT)
		quarter = is_write ? MSR_BITMAP_WRITE_HIGH : MSR_BITMAP_READ_HIGH;
	else
		return false;
	*bit = quarter * 8 + (index & (MSR_BITMAP_RANGE_COUNT - 1));
	return true;
}

/* Sets one bit in the list of words; false if there is no room for a new word. */
static bool add_bit(struct msr_bitmap_wishes *wishes, u32 bit)
{
	u16 word = (u16)(bit / 64);
	u32 i = 0;

	while (i < wishes->count && wishes->word[i] != word)
		i++;
	if (i == MSR_BITMAP_WISH_WORDS)
		return false;
	if (i == wishes->count) {
		wishes->word[i] = word;
		wishes->bits[i] = 0;
		wishes->count++;
	}
	wishes->bits[i] |= BIT(bit % 64);
	return true;
}

bool msr_bitmap_wish(struct msr_bitmap_wishes *wishes, u32 index, enum msr_access access)
{
	u32 bit;

	if ((access & MSR_ACCESS_READ) && msr_bitmap_bit(index, false, &bit) &&
	    !add_bit(wishes, bit))
		return false;
	return !(access & MSR_ACCESS_WRITE) || !msr_bitmap_bit(index, true, &bit) ||
	       add_bit(wishes, bit);
}

bool msr_bitmap_exits(const u64 *page, u32 index, bool is_write)
{
	u32 bit;

	return !msr_bitmap_bit(index, is_write, &bit) || (page[bit / 64] >> (bit % 64) & 1);
}

/*
 * Does the processor virtualize this access to the x2APIC range, so that it does not reach the
 * APIC?  SDM "Virtualizing MSR-Based APIC Accesses".
 */
static bool is_virtualized(u32 index, bool is_write, u32 proc2)
{
	if (!(proc2 & PROC2_VIRTUALIZE_X2APIC_MODE))
		return false;
	if (index == MSR_IA32_X2APIC_TPR)
		return true;
	if (!is_write)
		return proc2 & PROC2_APIC_REGISTER_VIRTUALIZATION;
	return (index == MSR_IA32_X2APIC_EOI || index == MSR_IA32_X2APIC_SELF_IPI) &&
	       (proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY);
}

/* L0's bits of a word, less those of accesses that the processor virtualizes. */
static u64 effective_wish(u32 word, u64 bits, u32 proc2)
{
	bool is_write = word >= MSR_BITMAP_WRITE_LOW / 8;
	u32 first = word * 64 - (is_write ? MSR_BITMAP_WRITE_LOW * 8 : 0);

	if (!(proc2 & PROC2_VIRTUALIZE_X2APIC_MODE) || first < MSR_IA32_X2APIC_FIRST ||
	    first > MSR_IA32_X2APIC_LAST)
		return bits;
	for (u32 i = 0; i < 64; i++)
		if (is_virtualized(first + i, is_write, proc2))
			bits &= ~BIT(i);
	return bits;
}

void msr_bitmap_merge(const u64 *l1_page, const struct msr_bitmap_wishes *wishes,
		      const struct control_words *vmcs12, u64 *out)
{
	const volatile u64 *in = l1_page; /* L1 may write it now: each word is read once */

	for (u32 i = 0; i < MSR_BITMAP_WORDS; i += 4) {
		out[i] = in[i];
		out[i + 1] = in[i + 1];
		out[i + 2] = in[i + 2];
		out[i + 3] = in[i + 3];
	}
	for (u32 i = 0; i < wishes->count; i++)
		out[wishes->word[i]] |=
			effective_wish(wishes->word[i], wishes->bits[i], vmcs12->proc2);
}

struct msr_bitmap_source msr_bitmap_source_now(u64 l1_page, u64 l1_writes, u64 l0_generation,
					       const struct control_words *vmcs12)
{
	return (struct msr_bitmap_source){
		.valid = true,
		.l1_page = l1_page,
		.l1_writes = l1_writes,
		.l0_generation = l0_generation,
		.x2apic_controls = vmcs12->proc2 & X2APIC_CONTROLS,
	};
}

bool msr_bitmap_is_current(const struct msr_bitmap_source *made,
			   const struct msr_bitmap_source *now)
{
	return made->valid && made->l1_page == now->l1_page && made->l1_writes == now->l1_writes &&
	       made->l0_generation == now->l0_generation &&
	       made->x2apic_controls == now->x2apic_controls;
}
