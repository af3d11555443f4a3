/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded allocator of 4 KiB pages of L0's own memory.  The caller locks.
 */
#pragma once

#include "xmhf/lib/types.h"

#define PAGE_POOL_MAX_PAGES 8192

struct page_pool {
	hpa_t base;
	unsigned int count; /* pages */
	unsigned int free;  /* of them not in use */
	unsigned int next;  /* where the next search starts */
	u64 used[PAGE_POOL_MAX_PAGES / 64];
};

/** A pool of the @count pages at @base, all free.  @pre @count <= PAGE_POOL_MAX_PAGES */
void page_pool_init(struct page_pool *pool, hpa_t base, unsigned int count);

/** Takes a page, filled with zeroes; returns false if none is free. */
bool page_pool_alloc(struct page_pool *pool, hpa_t *page);

/** Gives back a page that page_pool_alloc() of the same pool returned. */
void page_pool_free(struct page_pool *pool, hpa_t page);
