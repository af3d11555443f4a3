/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's own page tables.  Pure but for the tables themselves. */
#include "xmhf/memory/host_paging.h"

#include "xmhf/memory/physmap.h"

#define LEVEL_4K 1
#define LEVEL_2M 2
#define LEVEL_1G 3
#define LEVELS	 4

static unsigned int shift_of(unsigned int level)
{
	return 12 + 9 * (level - 1);
}

static u64 *entry_at(u64 *table, u64 va, unsigned int level)
{
	return &table[(va >> shift_of(level)) & 511];
}

/* The table below @entry, made if it is not there; NULL if the pool is exhausted. */
static u64 *next_table(struct host_paging *paging, u64 *entry)
{
	hpa_t page;

	if (!(*entry & PTE_P)) {
		if (!page_pool_alloc(paging->pool, &page))
			return NULL;
		*entry = page.v | PTE_P | PTE_W;
	}
	return hpa_to_pointer(hpa(*entry & PTE_ADDRESS));
}

static unsigned int largest_level(const struct host_paging *paging, u64 va, u64 to, u64 size)
{
	unsigned int level = paging->use_1g_pages ? LEVEL_1G : LEVEL_2M;

	while (level > LEVEL_4K &&
	       (!is_aligned(va | to, BIT(shift_of(level))) || size < BIT(shift_of(level))))
		level--;
	return level;
}

static bool map_one(struct host_paging *paging, u64 va, u64 to, unsigned int leaf, u64 rights)
{
	u64 *table = hpa_to_pointer(paging->root);

	for (unsigned int level = LEVELS; level > leaf; level--) {
		table = next_table(paging, entry_at(table, va, level));
		if (!table)
			return false;
	}
	*entry_at(table, va, leaf) =
		to | rights | PTE_P | PTE_A | PTE_D | (leaf > LEVEL_4K ? PTE_PS : 0);
	return true;
}

bool host_paging_init(struct host_paging *paging, struct page_pool *pool, bool use_1g_pages)
{
	paging->pool = pool;
	paging->use_1g_pages = use_1g_pages;
	return page_pool_alloc(pool, &paging->root);
}

bool host_paging_map(struct host_paging *paging, u64 va, hpa_t to, u64 size, u64 rights)
{
	while (size) {
		unsigned int level = largest_level(paging, va, to.v, size);

		if (!map_one(paging, va, to.v, level, rights))
			return false;
		va += BIT(shift_of(level));
		to.v += BIT(shift_of(level));
		size -= BIT(shift_of(level));
	}
	return true;
}

void host_paging_unmap_page(struct host_paging *paging, u64 va)
{
	u64 *table = hpa_to_pointer(paging->root);

	for (unsigned int level = LEVELS; level > LEVEL_4K; level--) {
		u64 *entry = entry_at(table, va, level);

		if (!(*entry & PTE_P) || (*entry & PTE_PS && level < LEVELS))
			return;
		table = hpa_to_pointer(hpa(*entry & PTE_ADDRESS));
	}
	*entry_at(table, va, LEVEL_4K) = 0;
}

u64 host_paging_pages_needed(u64 top, bool use_1g_pages)
{
	u64 directories = use_1g_pages ? 0 : align_up(top, GIB) / GIB;

	/* Physmap: page-directory-pointer tables, directories, and what two ragged edges take.
	 * Image and CPU areas: some tables each. */
	return directories + align_up(top, 512 * GIB) / (512 * GIB) + 6 + 16;
}
