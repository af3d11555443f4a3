/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT01 as L1 has it: built, walked, mapped on demand, with the types of the MTRRs. */
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/ept01_entry.h"

/* Fills @table, of @level and for addresses from @base on, as far as it lies below @end. */
static void fill_table(struct ept01 *ept, hpa_t table, u64 base, unsigned int level, u64 end)
{
	for (u64 i = 0; i < ENTRIES; i++) {
		u64 address = base + i * size_of_level(level);
		u64 *entry = &entries_of(table)[i];
		hpa_t child;

		if (address >= end)
			return;
		if (ept01_make_leaf(ept, address, level, entry))
			continue;
		if (ept01_free_pages(ept) <= EPT01_RESERVED_PAGES || !ept01_take_page(ept, &child))
			continue;
		fill_table(ept, child, address, level - 1, end);
		*entry = table_entry(child);
	}
}

void ept01_build(struct ept01 *ept, const struct ept01_settings *settings,
		 const struct mtrr_state *mtrr, struct page_pool *pool)
{
	bug_if(pool->free < EPT01_POOL_PAGES_MIN);
	bug_if(settings->hidden_count > EPT01_HIDDEN_MAX);
	ept->settings = *settings;
	ept->mtrr = *mtrr;
	ept->pool = pool;
	ept->limit = ept01_limit_of(settings);
	ept->eager_end = ept01_eager_end_of(settings);
	ept->generation = 1;
	ept->evicted = hpa(0);
	ept->evicted_count = 0;
	ept->pages_max = ept01_pool_pages(settings, mtrr);
	ept->pages = 0;
	bug_if(!ept01_take_page(ept, &ept->root));
	fill_table(ept, ept->root, 0, TOP_LEVEL, ept->eager_end);
}

u64 ept01_pointer(const struct ept01 *ept)
{
	const struct ept01_settings *settings = &ept->settings;
	enum memory_type type = settings->ept_vpid & EPT_CAP_WB ? MEMORY_TYPE_WB : MEMORY_TYPE_UC;
	bool use_ad = settings->use_accessed_dirty && settings->ept_vpid & EPT_CAP_AD;

	return ept->root.v | field_make(EPTP_MEMORY_TYPE, type) |
	       field_make(EPTP_WALK_LENGTH, TOP_LEVEL - 1) | (use_ad ? EPTP_AD : 0);
}

/* Where @entry, of @level, leads for @address. */
static bool translate(u64 entry, u64 address, unsigned int level, struct ept01_translation *out)
{
	u64 size = size_of_level(level);

	if (!is_present(entry))
		return false;
	out->address = hpa(align_down(entry & EPT_ADDRESS, size) | (address & (size - 1)));
	out->rights = entry & EPT_RWX;
	out->page_size = size;
	out->type = (enum memory_type)field_get(entry, EPT_MEMORY_TYPE);
	out->lent = entry & LENT;
	return true;
}

bool ept01_walk(const struct ept01 *ept, l1pa_t address, struct ept01_translation *out)
{
	unsigned int level;
	u64 entry;

	if (address.v >= ept->limit)
		return false;
	entry = *ept01_find_entry(ept, address.v, &level);
	return translate(entry, address.v, level, out);
}

bool ept01_lend(struct ept01 *ept, l1pa_t address, struct ept01_translation *out)
{
	unsigned int level;
	u64 *entry;

	if (address.v >= ept->limit)
		return false;
	entry = ept01_find_entry(ept, address.v, &level);
	if (is_present(*entry))
		__atomic_or_fetch(entry, LENT, __ATOMIC_RELAXED);
	return translate(*entry, address.v, level, out);
}

enum ept01_result ept01_map_on_demand(struct ept01 *ept, l1pa_t address)
{
	unsigned int level;
	u64 *entry, leaf;

	if (address.v >= ept->limit)
		return EPT01_REFUSED;
	entry = ept01_find_entry(ept, address.v, &level);
	if (is_present(*entry))
		return EPT01_PRESENT;
	if (*entry & OVERRIDDEN || ept01_is_hidden(&ept->settings, address.v, 1))
		return EPT01_REFUSED;
	while (!ept01_make_leaf(ept, address.v, level, &leaf)) {
		hpa_t child;

		if (!ept01_take_page(ept, &child))
			return ept01_run_out(ept, EPT01_RESERVED_PAGES);
		set_entry(entry, table_entry(child));
		entry = entry_of(child, address.v, --level);
	}
	set_entry(entry, leaf);
	return EPT01_DONE;
}

static void retype_table(struct ept01 *ept, hpa_t table, u64 base, unsigned int level);

/* Gives the page at @entry the type of the MTRRs, in pieces if it must be; absent without room. */
static void retype_page(struct ept01 *ept, u64 *entry, u64 address, unsigned int level)
{
	hpa_t child;
	u64 leaf;

	if (ept01_make_leaf(ept, address, level, &leaf)) {
		leaf = field_set(*entry, EPT_MEMORY_TYPE, field_get(leaf, EPT_MEMORY_TYPE));
		set_entry(entry, leaf | kept_bits(leaf));
		return;
	}
	if (!ept01_take_page(ept, &child)) {
		set_entry(entry, 0);
		return;
	}
	ept01_split(entry, level, child);
	retype_table(ept, child, address, level - 1);
}

static void retype_table(struct ept01 *ept, hpa_t table, u64 base, unsigned int level)
{
	for (u64 i = 0; i < ENTRIES; i++) {
		u64 address = base + i * size_of_level(level);
		u64 *entry = &entries_of(table)[i];

		if (is_table(*entry, level))
			retype_table(ept, table_of(*entry), address, level - 1);
		else if (*entry && !(*entry & OWN_PAGE))
			retype_page(ept, entry, address, level);
	}
}

void ept01_retype(struct ept01 *ept, const struct mtrr_state *mtrr)
{
	/* Every CPU of L1 writes the same MTRRs; only the first one changes anything. */
	if (!memcmp(&ept->mtrr, mtrr, sizeof(*mtrr)))
		return;
	ept->mtrr = *mtrr;
	retype_table(ept, ept->root, 0, TOP_LEVEL);
	ept01_note_change(ept, 0, ~0ULL);
}
