/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT12: the paging structures that L1 wrote for L2, in L1's memory.  What an entry
 * means, and the walk, as the processor that L1 sees would do it.  No state.
 * SDM "The EPT Translation Mechanism", "EPT-Induced VM Exits",
 * "Accessed and Dirty Flags for EPT".
 */
#pragma once

#include "xmhf/vmx/caps.h"
#include "xmhf/x86/msr.h"

#define EPT12_LEVELS_MAX 5
/** Entries in a paging structure. */
#define EPT_ENTRIES 512

/* The bits of a qualification that name the access; they are also the rights that it needs. */
#define EPT12_ACCESS EPT_RWX

/** Reserved settings, by level (1: page table, 4: PML4 table), for the capabilities L1 sees. */
struct ept12_rules {
	u64 reserved_in_table[EPT12_LEVELS_MAX + 1]; /* entry that leads to a table */
	u64 reserved_in_page[EPT12_LEVELS_MAX + 1];  /* entry that maps a page */
	u64 page_bits[EPT12_LEVELS_MAX + 1]; /* a present entry with any of them maps a page */
	u32 bad_rights;			     /* bit n: rights n are a misconfiguration */
};

enum ept12_kind {
	EPT12_ABSENT,
	EPT12_TABLE,
	EPT12_PAGE,
	EPT12_MISCONFIGURED,
};

enum ept12_result {
	EPT12_OK,
	EPT12_VIOLATION,
	EPT12_MISCONFIGURATION,
	/** Another CPU changes the entries, again and again: let L2 repeat its access. */
	EPT12_RETRY,
};

struct ept12_translation {
	l1pa_t address;
	u64 rights;	    /* ANDed over all levels; 0 if an entry was absent */
	u64 qualification;  /* for a violation: that of the caller, bits 5:3 from @rights */
	u64 page_size;	    /* of EPT12's page */
	unsigned int level; /* of the entry that ended the walk */
	enum memory_type memory_type;
	bool ignore_pat;
};

/** Prepares the rules of a processor that shows @caps. */
void ept12_rules_init(struct ept12_rules *rules, const struct vmx_caps *caps);

/** What @entry, found at @level, is. */
enum ept12_kind ept12_classify(const struct ept12_rules *rules, u64 entry, unsigned int level);

/** Claim: VM entry accepts @eptp on a processor that shows @caps. */
bool ept12_eptp_is_valid(const struct vmx_caps *caps, u64 eptp);

/** Number of levels that @eptp asks for.  @pre the VM-entry checks accepted it. */
unsigned int ept12_levels(u64 eptp);

/** Claim: no entry can translate @address, as it sets bits beyond those that @levels levels use. */
static inline bool ept12_is_beyond(l2pa_t address, unsigned int levels)
{
	return address.v >> (12 + 9 * levels);
}

/** Index of @address in a paging structure at @level. */
static inline unsigned int ept12_index(u64 address, unsigned int level)
{
	return (address >> (12 + 9 * (level - 1))) & (EPT_ENTRIES - 1);
}

/** Bytes that an entry at @level translates. */
static inline u64 ept12_size(unsigned int level)
{
	return 1ULL << (12 + 9 * (level - 1));
}

/**
 * @qualification as the processor reports it: with accessed and dirty flags for EPT on, an
 * access to L2's paging structures counts as a write.
 */
u64 ept12_effective_qualification(u64 eptp, u64 qualification);

/**
 * Sets @flags in an entry of EPT12 that was read as @expected, as one locked operation.
 * False: the entry is no longer @expected, and was left alone.
 */
bool ept12_set_flags(volatile u64 *entry, u64 expected, u64 flags);

/**
 * Walks EPT12 for the access in bits 2:0 of @qualification (none: only looks), reads each
 * entry once, and sets accessed and dirty flags if @eptp enables them and the access is allowed.
 */
enum ept12_result ept12_walk(const struct ept12_rules *rules, u64 eptp, l2pa_t address,
			     u64 qualification, struct ept12_translation *out);

/** 4 KiB of ones: what is read in place of a table that is not in L1's memory. */
const volatile u64 *ept12_page_of_ones(void);

/** The table at @page for reading; a page of ones if it is not L1's memory. */
const volatile u64 *ept12_view(l1pa_t page);
