/* SPDX-License-Identifier: BSD-2-Clause */
/* A bounded allocator of pages: a bitmap, searched round and round. */
#include "xmhf/memory/page_pool.h"

#include "xmhf/lib/bits.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/x86/cpu.h"

static bool is_used(const struct page_pool *pool, unsigned int i)
{
	return pool->used[i / 64] & BIT(i % 64);
}

void page_pool_init(struct page_pool *pool, hpa_t base, unsigned int count)
{
	bug_if(count > PAGE_POOL_MAX_PAGES || !is_aligned(base.v, PAGE_SIZE));
	memset(pool, 0, sizeof(*pool));
	pool->base = base;
	pool->count = pool->free = count;
}

bool page_pool_alloc(struct page_pool *pool, hpa_t *page)
{
	if (!pool->free)
		return false;
	while (is_used(pool, pool->next))
		pool->next = (pool->next + 1) % pool->count;
	pool->used[pool->next / 64] |= BIT(pool->next % 64);
	pool->free--;
	*page = hpa(pool->base.v + pool->next * PAGE_SIZE);
	memset(hpa_to_pointer(*page), 0, PAGE_SIZE);
	return true;
}

void page_pool_free(struct page_pool *pool, hpa_t page)
{
	u64 i = (page.v - pool->base.v) / PAGE_SIZE;

	bug_if(!is_aligned(page.v, PAGE_SIZE) || page.v < pool->base.v || i >= pool->count);
	bug_if(!is_used(pool, (unsigned int)i));
	pool->used[i / 64] &= ~BIT(i % 64);
	pool->free++;
}
