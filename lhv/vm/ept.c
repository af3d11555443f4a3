/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT tables of L2. */
#include "lhv/vm/ept.h"

#include "lhv/frame/machine.h"
#include "xmhf/lib/string.h"

#define ENTRIES	  512
#define WB_LEAF	  (EPT_RWX | (u64)MEMORY_TYPE_WB << 3)
#define EPT_TABLE EPT_RWX

bool ept_usable(void)
{
	return vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_EPT) && (facts.ept_vpid & EPT_CAP_WALK_4) &&
	       (facts.ept_vpid & EPT_CAP_WB) && (facts.ept_vpid & EPT_CAP_2M);
}

u64 eptp_of(const void *pml4)
{
	return (uptr)pml4 | field_make(EPTP_WALK_LENGTH, 3) |
	       field_make(EPTP_MEMORY_TYPE, MEMORY_TYPE_WB);
}

/* Directories of the first @gib GiB, one to one by 2 MiB pages. */
static void map_gibibytes(u64 *pdpt, unsigned int gib)
{
	u64 *pd = page_alloc(gib);

	for (unsigned int i = 0; i < gib * ENTRIES; i++)
		pd[i] = i * PAGE_SIZE_2M | WB_LEAF | EPT_LEAF;
	for (unsigned int i = 0; i < gib; i++)
		pdpt[i] = (uptr)(pd + i * ENTRIES) | EPT_TABLE;
}

u64 ept_identity(void)
{
	static u64 *pml4;
	u64 *new_pml4, *pdpt;

	if (!ept_usable())
		return 0;
	if (!pml4) {
		new_pml4 = page_alloc(1);
		pdpt = page_alloc(1);
		map_gibibytes(pdpt, 4);
		new_pml4[0] = (uptr)pdpt | EPT_TABLE;
		pml4 = new_pml4;
	}
	return eptp_of(pml4);
}

struct ept_map *ept_map_fresh(void)
{
	static struct ept_map maps[MAX_CPUS];
	struct ept_map *map = &maps[cpu_self()->index];

	if (!map->pml4) {
		map->pml4 = page_alloc(1);
		map->pdpt = page_alloc(1);
		map->pd = page_alloc(1);
		map->pt = page_alloc(1);
		map_gibibytes(map->pdpt, 3);
		map->eptp = eptp_of(map->pml4);
	}
	map->pml4[0] = (uptr)map->pdpt | EPT_TABLE;
	map->pdpt[3] = 0;
	memset(map->pd, 0, PAGE_SIZE);
	memset(map->pt, 0, PAGE_SIZE);
	ept_flush(map);
	return map;
}

void ept_map_4k(struct ept_map *map, u64 entry)
{
	map->pdpt[3] = (uptr)map->pd | EPT_TABLE;
	map->pd[0] = (uptr)map->pt | EPT_TABLE;
	map->pt[0] = entry;
}

void ept_map_2m(struct ept_map *map, u64 entry)
{
	map->pdpt[3] = (uptr)map->pd | EPT_TABLE;
	map->pd[0] = entry;
}

void ept_map_1g(struct ept_map *map, u64 entry)
{
	map->pdpt[3] = entry;
}

void ept_flush(const struct ept_map *map)
{
	if (facts.ept_vpid & EPT_CAP_INVEPT_SINGLE)
		invept(INVEPT_SINGLE_CONTEXT, map->eptp);
	else if (facts.ept_vpid & EPT_CAP_INVEPT_ALL)
		invept(INVEPT_ALL_CONTEXT, 0);
}
