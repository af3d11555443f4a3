/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of EPT01: pages of the pool, taken, split, evicted; and the log of changes. */
#include "xmhf/memory/ept01_entry.h"

unsigned int ept01_free_pages(const struct ept01 *ept)
{
	return (unsigned int)min_u64(ept->pool->free, ept->pages_max - ept->pages);
}

bool ept01_take_page(struct ept01 *ept, hpa_t *page)
{
	if (!ept01_free_pages(ept) || !page_pool_alloc(ept->pool, page))
		return false;
	ept->pages++;
	return true;
}

void ept01_note_change(struct ept01 *ept, u64 base, u64 size)
{
	u64 generation = ept->generation + 1;

	ept->changes[generation % EPT01_CHANGES] = (struct ept01_range){ base, size };
	__atomic_store_n(&ept->generation, generation, __ATOMIC_RELEASE);
}

bool ept01_change(const struct ept01 *ept, u64 generation, struct ept01_range *out)
{
	const volatile struct ept01_range *change = &ept->changes[generation % EPT01_CHANGES];

	*out = (struct ept01_range){ change->base, change->size };
	/* The place may be written for a generation that is not there yet. */
	return __atomic_load_n(&ept->generation, __ATOMIC_ACQUIRE) - generation < EPT01_CHANGES - 1;
}

void ept01_split(u64 *entry, unsigned int level, hpa_t child)
{
	u64 step = size_of_level(level - 1);
	u64 leaf = level == 2 ? *entry & ~EPT_LEAF : *entry;

	for (u64 i = 0; is_present(leaf) && i < ENTRIES; i++)
		entries_of(child)[i] = leaf + i * step;
	set_entry(entry, table_entry(child));
}

/* Puts a table that nothing leads to any more on the list; the link makes entry 0 absent. */
static void push_evicted(struct ept01 *ept, hpa_t table)
{
	set_entry(&entries_of(table)[0], ept->evicted.v);
	ept->evicted = table;
	ept->evicted_count++;
}

/* Flags in entries that are not a translation's. */
#define FLAGS (EPT_ACCESSED | EPT_DIRTY | LENT)

/* Claim: @table says what @leaf of @level would, its flags aside, which are gathered in @flags. */
static bool says_the_same(hpa_t table, u64 leaf, unsigned int level, u64 *flags)
{
	u64 first = level == 2 ? leaf & ~EPT_LEAF : leaf;

	*flags = 0;
	for (u64 i = 0; i < ENTRIES; i++) {
		u64 entry = entries_of(table)[i];

		if ((entry & ~FLAGS) != first + i * size_of_level(level - 1))
			return false;
		*flags |= entry & FLAGS;
	}
	return true;
}

/* The entry of @level for @address; NULL where a larger page, or nothing, is. */
static u64 *entry_at(const struct ept01 *ept, u64 address, unsigned int level)
{
	u64 *entry = entry_of(ept->root, address, TOP_LEVEL);

	for (unsigned int l = TOP_LEVEL; l > level; l--) {
		if (!is_table(*entry, l))
			return NULL;
		entry = entry_of(table_of(*entry), address, l - 1);
	}
	return entry;
}

void ept01_join(struct ept01 *ept, u64 address)
{
	for (unsigned int level = 2; level < TOP_LEVEL; level++) {
		u64 *entry = entry_at(ept, address, level), leaf, flags;
		hpa_t table;

		if (!entry || !is_table(*entry, level) ||
		    !ept01_make_leaf(ept, address, level, &leaf))
			return;
		table = table_of(*entry);
		if (!says_the_same(table, leaf, level, &flags))
			return;
		set_entry(entry, leaf | flags);
		push_evicted(ept, table);
	}
}

/*
 * Unlinks from @table, for addresses from @base on, the tables that lie at or above @from and
 * hold no override and no pinned entry.  Returns whether @table itself is such a table now.
 */
static bool evict_below(struct ept01 *ept, hpa_t table, u64 base, unsigned int level, u64 from)
{
	bool evictable = base >= from;

	for (u64 i = 0; i < ENTRIES; i++) {
		u64 *entry = &entries_of(table)[i];
		u64 address = base + i * size_of_level(level);
		hpa_t child = table_of(*entry);

		if (*entry & (OVERRIDDEN | PINNED))
			evictable = false;
		if (!is_table(*entry, level))
			continue;
		if (evict_below(ept, child, address, level - 1, from)) {
			set_entry(entry, 0);
			push_evicted(ept, child);
		} else {
			evictable = false;
		}
	}
	return evictable;
}

enum ept01_result ept01_run_out(struct ept01 *ept, unsigned int wanted)
{
	if (ept->evicted_count && ept01_free_pages(ept) + ept->evicted_count >= wanted)
		return EPT01_FLUSH;
	evict_below(ept, ept->root, 0, TOP_LEVEL, ept->eager_end);
	if (ept01_free_pages(ept) + ept->evicted_count < wanted)
		evict_below(ept, ept->root, 0, TOP_LEVEL, 0);
	if (!ept->evicted_count)
		return EPT01_FULL;
	ept01_note_change(ept, 0, ~0ULL);
	return EPT01_FLUSH;
}

void ept01_flushed(struct ept01 *ept)
{
	while (ept->evicted_count) {
		hpa_t table = ept->evicted;

		ept->evicted = table_of(entries_of(table)[0]); /* the rest may be a late flag */
		ept->evicted_count--;
		page_pool_free(ept->pool, table);
		ept->pages--;
	}
}
