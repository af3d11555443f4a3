/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR bitmap of VMCS02: an MSR access of L2 exits if L1's bitmap or L0 says so.  Pure.
 * L0's wishes are few, so the merge is a copy of L1's page (string move) and some ORs.
 * SDM "MSR-Bitmap Address", "Virtualizing MSR-Based APIC Accesses".
 */
#pragma once

#include "nested/vmcs02/controls.h"

#define MSR_BITMAP_WORDS      512
#define MSR_BITMAP_WISH_WORDS 64

/** L0's intercepts as a short list of 64-bit words of a bitmap page that are not 0. */
struct msr_bitmap_wishes {
	u32 count;
	u16 word[MSR_BITMAP_WISH_WORDS];
	u64 bits[MSR_BITMAP_WISH_WORDS];
};

/** Which accesses to an MSR. */
enum msr_access {
	MSR_ACCESS_READ = 1,
	MSR_ACCESS_WRITE = 2,
	MSR_ACCESS_BOTH = 3,
};

/**
 * Adds an intercept.  MSRs outside the two ranges of a bitmap always exit and need none: true.
 * Returns false if the list is full (fixed at build time: the caller treats it as a bug).
 */
bool msr_bitmap_wish(struct msr_bitmap_wishes *wishes, u32 index, enum msr_access access);

/** The number in a page, @bit, of the bit of @index; false where the page has none. */
bool msr_bitmap_bit(u32 index, bool is_write, u32 *bit);

/** Claim: an access of L2 exits under the bitmap @page; indexes outside its ranges always do. */
bool msr_bitmap_exits(const u64 *page, u32 index, bool is_write);

/**
 * Builds VMCS02's page from @l1_page (a view of L1's memory; other CPUs may write it meanwhile,
 * every word is read once) and @wishes.  With @words.proc2 virtualizing x2APIC, L0's wish for
 * accesses that the processor then virtualizes is dropped: L1's bit decides.
 */
void msr_bitmap_merge(const u64 *l1_page, const struct msr_bitmap_wishes *wishes,
		      const struct control_words *vmcs12, u64 *out);

/** What a merged page was made from: it is still right while none of these changed. */
struct msr_bitmap_source {
	bool valid;
	u64 l1_page;	     /* VMCS12's MSR-bitmap address */
	u64 l1_writes;	     /* count of L1's writes to that page that L0 noticed (EPT01 dirty or
				write-protected); must grow before a write can be missed */
	u64 l0_generation;   /* grows when L0's wishes change */
	u32 x2apic_controls; /* the secondary controls that matter */
};

/** Describes the source of a merge now. */
struct msr_bitmap_source msr_bitmap_source_now(u64 l1_page, u64 l1_writes, u64 l0_generation,
					       const struct control_words *vmcs12);

/** Claim: a page made from @made need not be merged again for @now. */
bool msr_bitmap_is_current(const struct msr_bitmap_source *made,
			   const struct msr_bitmap_source *now);
