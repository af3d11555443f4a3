/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of EPT01 with an entry of their own: rights, other pages, flags that somebody looks at. */
#include "xmhf/lib/bug.h"
#include "xmhf/memory/ept01_entry.h"

/* Finds or makes the level-1 entry of @page, for an override. */
static enum ept01_result reach_page(struct ept01 *ept, u64 page, u64 **entry)
{
	unsigned int level;
	hpa_t child;

	*entry = ept01_find_entry(ept, page, &level);
	if (**entry & OVERRIDDEN)
		return EPT01_DONE;
	if (ept01_free_pages(ept) < level - 1 + EPT01_RESERVED_PAGES)
		return ept01_run_out(ept, level - 1 + EPT01_RESERVED_PAGES);
	for (; level > 1; level--) {
		bug_if(!ept01_take_page(ept, &child));
		ept01_split(*entry, level, child);
		*entry = entry_of(child, page, level - 1);
	}
	return EPT01_DONE;
}

/* Claim: the processor takes an entry with @rights, other than none, for valid. */
static bool are_rights(const struct ept01 *ept, u64 rights)
{
	if (rights & ~EPT_RWX || (rights & EPT_WRITE && !(rights & EPT_READ)))
		return false;
	return rights != EPT_EXECUTE || ept->settings.ept_vpid & EPT_CAP_EXECUTE_ONLY;
}

/* Claim: @type may stand in an EPT entry. */
static bool is_memory_type(enum memory_type type)
{
	return type == MEMORY_TYPE_UC || type == MEMORY_TYPE_WC || type == MEMORY_TYPE_WT ||
	       type == MEMORY_TYPE_WP || type == MEMORY_TYPE_WB;
}

static bool is_page(const struct ept01 *ept, l1pa_t page)
{
	return page.v < ept->limit && is_aligned(page.v, PAGE_SIZE);
}

enum ept01_result ept01_set_permission(struct ept01 *ept, l1pa_t page, u64 rights)
{
	enum ept01_result result;
	unsigned int level;
	u64 *entry, leaf;
	bool own_page;

	if (!is_page(ept, page) || !are_rights(ept, rights))
		return EPT01_REFUSED;
	own_page = *ept01_find_entry(ept, page.v, &level) & OWN_PAGE;
	if (!own_page && ept01_is_hidden(&ept->settings, page.v, PAGE_SIZE))
		return EPT01_REFUSED;
	if (!own_page && rights == EPT_RWX) {
		ept01_restore(ept, page);
		return EPT01_DONE;
	}
	result = reach_page(ept, page.v, &entry);
	if (result != EPT01_DONE)
		return result;
	if (own_page)
		leaf = *entry;
	else
		ept01_make_leaf(ept, page.v, 1, &leaf);
	set_entry(entry, field_set(leaf, EPT_RWX, rights) | OVERRIDDEN | kept_bits(*entry));
	ept01_note_change(ept, page.v, PAGE_SIZE);
	return EPT01_DONE;
}

bool ept01_override(const struct ept01 *ept, l1pa_t address, u64 *rights)
{
	unsigned int level;
	u64 entry;

	if (address.v >= ept->limit)
		return false;
	entry = *ept01_find_entry(ept, address.v, &level);
	*rights = entry & EPT_RWX;
	return entry & OVERRIDDEN && !(entry & OWN_PAGE);
}

void ept01_announce(struct ept01 *ept)
{
	ept01_note_change(ept, 0, 0);
}

enum ept01_result ept01_map_page(struct ept01 *ept, l1pa_t page, hpa_t to, u64 rights,
				 enum memory_type type)
{
	enum ept01_result result;
	u64 *entry;

	if (!is_page(ept, page) || !are_rights(ept, rights) || !is_memory_type(type) ||
	    to.v & ~EPT_ADDRESS)
		return EPT01_REFUSED;
	result = reach_page(ept, page.v, &entry);
	if (result != EPT01_DONE)
		return result;
	set_entry(entry, to.v | rights | field_make(EPT_MEMORY_TYPE, type) | OVERRIDDEN | OWN_PAGE |
				 kept_bits(*entry));
	ept01_note_change(ept, page.v, PAGE_SIZE);
	return EPT01_DONE;
}

u64 *ept01_page_entry(struct ept01 *ept, l1pa_t page)
{
	unsigned int level;
	u64 *entry;

	if (!is_page(ept, page) || page.v >= ept->eager_end)
		return NULL;
	entry = ept01_find_entry(ept, page.v, &level);
	/* Nothing is evicted for the sake of flags. */
	if (!is_present(*entry) || ept01_free_pages(ept) < level - 1 + EPT01_RESERVED_PAGES ||
	    reach_page(ept, page.v, &entry) != EPT01_DONE)
		return NULL;
	__atomic_or_fetch(entry, PINNED, __ATOMIC_RELAXED);
	return entry;
}

void ept01_page_release(struct ept01 *ept, l1pa_t page)
{
	unsigned int level;
	u64 *entry = ept01_find_entry(ept, page.v, &level);

	__atomic_and_fetch(entry, ~PINNED, __ATOMIC_RELAXED);
	ept01_join(ept, page.v);
}

bool ept01_is_lent(const u64 *entry)
{
	return *entry & LENT;
}

void ept01_recall(struct ept01 *ept, l1pa_t page)
{
	u64 base = align_down(page.v, size_of_level(2));
	unsigned int level;
	u64 *first = ept01_find_entry(ept, base, &level);

	for (u64 i = 0; level == 1 && i < ENTRIES; i++)
		__atomic_and_fetch(&first[i], ~LENT, __ATOMIC_RELAXED);
	ept01_note_change(ept, base, size_of_level(2));
}

void ept01_restore(struct ept01 *ept, l1pa_t page)
{
	unsigned int level;
	u64 *entry, leaf;

	if (!is_page(ept, page))
		return;
	entry = ept01_find_entry(ept, page.v, &level);
	if (!(*entry & OVERRIDDEN))
		return;
	ept01_make_leaf(ept, page.v, 1, &leaf);
	set_entry(entry, leaf | kept_bits(*entry));
	ept01_note_change(ept, page.v, PAGE_SIZE);
	ept01_join(ept, page.v);
}
