/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L0's own page tables: the image by section rights, a window on physical memory
 * (physmap), and per-CPU areas with guard pages.  SDM "4-Level Paging".
 */
#pragma once

#include "xmhf/memory/page_pool.h"
#include "xmhf/x86/cpu.h"

struct host_paging {
	hpa_t root;
	struct page_pool *pool;
	bool use_1g_pages;
};

/* Rights of a mapping: PTE bits. */
#define HOST_READ_ONLY	  PTE_NX
#define HOST_READ_WRITE	  (PTE_W | PTE_NX)
#define HOST_READ_EXECUTE 0ULL

/** Starts empty tables; false if @pool has no page. */
bool host_paging_init(struct host_paging *paging, struct page_pool *pool, bool use_1g_pages);

/**
 * Maps [@va, @va + @size) to @to with the largest pages that fit; all three are multiples of 4 KiB
 * and nothing is mapped there yet.  False if the pool is exhausted.
 */
bool host_paging_map(struct host_paging *paging, u64 va, hpa_t to, u64 size, u64 rights);

/** Ends the mapping of the 4 KiB page at @va; the caller flushes the TLB. */
void host_paging_unmap_page(struct host_paging *paging, u64 va);

/** Tables that mapping [0, @top) of physical memory takes at most, for sizing the pool. */
u64 host_paging_pages_needed(u64 top, bool use_1g_pages);
