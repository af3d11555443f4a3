/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of EPT01 share; nobody else includes it.  A level is the SDM's: 4 for the PML4
 * table, 1 for a page table.  An entry of level n maps or leads to 4 KiB << 9 * (n - 1) bytes.
 *
 * Facts that every function keeps:
 *  1. A present entry without EPT_LEAF at level 2 to 4 leads to a table of the pool, and has all
 *     rights.  Overrides are entries of level 1 only.
 *  2. An entry that is not an override is either absent or what ept01_default_leaf() says.
 *  3. Pages that can still be taken plus tables that could be evicted are at least
 *     EPT01_RESERVED_PAGES, so that any one address can always be mapped.
 *  4. An evicted table is not written, but for its first entry, nor used again until
 *     ept01_flushed(): another CPU may still walk it.
 */
#pragma once

#include "xmhf/memory/ept01.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/x86/cpu.h"

#define TOP_LEVEL 4
#define ENTRIES	  512

/** One table of level 3, 2 and 1. */
#define EPT01_RESERVED_PAGES 3

/* Bits that the processor ignores mark overrides. */
#define OVERRIDDEN BIT(52)
#define OWN_PAGE   BIT(53) /* address and memory type are those of ept01_map_page() */
/* Others of them serve those who look at dirty flags. */
#define PINNED BIT(54) /* ept01_page_entry() gave it away */
#define LENT   BIT(55) /* ept01_lend() */

static inline u64 size_of_level(unsigned int level)
{
	return PAGE_SIZE << 9 * (level - 1);
}

static inline u64 *entries_of(hpa_t table)
{
	return hpa_to_pointer(table);
}

static inline u64 *entry_of(hpa_t table, u64 address, unsigned int level)
{
	return &entries_of(table)[address / size_of_level(level) % ENTRIES];
}

static inline bool is_present(u64 entry)
{
	return entry & EPT_RWX;
}

static inline bool is_table(u64 entry, unsigned int level)
{
	return level > 1 && is_present(entry) && !(entry & EPT_LEAF);
}

static inline hpa_t table_of(u64 entry)
{
	return hpa(entry & EPT_ADDRESS);
}

static inline u64 table_entry(hpa_t table)
{
	return table.v | EPT_RWX;
}

/* Other CPUs walk the tables: an entry changes at once, after what it leads to. */
static inline void set_entry(u64 *entry, u64 value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* The entry where the walk for @address ends: a page, or absent.  @pre @address < limit */
static inline u64 *ept01_find_entry(const struct ept01 *ept, u64 address, unsigned int *level)
{
	hpa_t table = ept->root;
	u64 *entry;

	*level = TOP_LEVEL;
	while (is_table(*(entry = entry_of(table, address, *level)), *level)) {
		table = table_of(*entry);
		--*level;
	}
	return entry;
}

/* What an entry keeps when it gets another value: its holder may have missed a write. */
static inline u64 kept_bits(u64 entry)
{
	return entry & PINNED ? PINNED | EPT_DIRTY : 0;
}

/* ept01_default.c */

/** Claim: some of the @size bytes at @base is hidden. */
bool ept01_is_hidden(const struct ept01_settings *settings, u64 base, u64 size);

/**
 * The entry of @level for L1's memory at @base, without overrides; 0 where it is hidden.
 * Returns false if no single entry can say it.
 */
bool ept01_default_leaf(const struct ept01_settings *settings, const struct mtrr_state *mtrr,
			u64 base, unsigned int level, u64 *leaf);

/** The same for the entry of @level that holds @address. */
bool ept01_make_leaf(const struct ept01 *ept, u64 address, unsigned int level, u64 *leaf);

/** The first address that EPT01 never maps, and the first that is mapped on demand only. */
u64 ept01_limit_of(const struct ept01_settings *settings);
u64 ept01_eager_end_of(const struct ept01_settings *settings);

/* ept01_tables.c */

/** Pages that EPT01 may still take: the pool is shared, and what others planned for is theirs. */
unsigned int ept01_free_pages(const struct ept01 *ept);

/** Takes a page of the pool for a table, all absent; false: none is left. */
bool ept01_take_page(struct ept01 *ept, hpa_t *page);

/** Replaces the page or absence at @entry, of @level, by the table @child that says the same. */
void ept01_split(u64 *entry, unsigned int level, hpa_t child);

/**
 * Makes large pages of the tables above @address that say no more than a large page would.
 * Translations stay as they are, so this is no change; the tables wait for ept01_flushed().
 */
void ept01_join(struct ept01 *ept, u64 address);

/**
 * The pool has not the @wanted pages: evicts what was mapped on demand and, if that is not
 * enough, all that can be evicted.  Returns EPT01_FLUSH or EPT01_FULL.
 */
enum ept01_result ept01_run_out(struct ept01 *ept, unsigned int wanted);

/** A new generation, in which the @size bytes at @base differ. */
void ept01_note_change(struct ept01 *ept, u64 base, u64 size);
