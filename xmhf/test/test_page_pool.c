/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/memory/page_pool.c xmhf/test/fake_physmap.c */
/* The page allocator. */
#include "xmhf/memory/page_pool.h"

#include <setjmp.h>
#include <string.h>

#include "xmhf/lib/bug.h"
#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"

#define BASE 0x7f000000ULL

static jmp_buf on_bug;

void bug_stop(const char *file, int line, const char *claim)
{
	(void)file;
	(void)line;
	(void)claim;
	longjmp(on_bug, 1);
}

static bool free_is_a_bug(struct page_pool *pool, u64 page)
{
	if (setjmp(on_bug))
		return true;
	page_pool_free(pool, hpa(page));
	return false;
}

static bool init_is_a_bug(struct page_pool *pool, u64 base, unsigned int count)
{
	if (setjmp(on_bug))
		return true;
	page_pool_init(pool, hpa(base), count);
	return false;
}

static void test_all_pages(unsigned int count)
{
	static bool seen[256];
	struct page_pool pool;
	hpa_t page;

	memset(seen, 0, sizeof(seen));
	page_pool_init(&pool, hpa(BASE), count);
	for (unsigned int i = 0; i < count; i++) {
		u64 n;
		u8 *bytes;

		ok(page_pool_alloc(&pool, &page), "page %u of %u", i, count);
		n = (page.v - BASE) / 4096;
		ok(page.v % 4096 == 0 && n < count && !seen[n], "a page of the pool, once");
		seen[n] = true;
		is_u64(pool.free, count - i - 1, "free pages");
		bytes = hpa_to_pointer(page);
		ok(!bytes[0] && !memcmp(bytes, bytes + 1, 4095), "zeroes");
		memset(bytes, 0xff, 4096);
	}
	ok(!page_pool_alloc(&pool, &page), "no page more");
	page_pool_free(&pool, hpa(BASE + 4096 * (count / 2)));
	is_u64(pool.free, 1, "one is free again");
	ok(page_pool_alloc(&pool, &page) && page.v == BASE + 4096 * (count / 2), "the same page");
	ok(!*(u8 *)hpa_to_pointer(page), "zeroes again");
}

static void test_bugs(void)
{
	struct page_pool pool;
	hpa_t page;

	page_pool_init(&pool, hpa(BASE), 8);
	page_pool_alloc(&pool, &page);
	ok(free_is_a_bug(&pool, page.v + 1), "an odd address");
	ok(free_is_a_bug(&pool, BASE - 4096), "below the pool");
	ok(free_is_a_bug(&pool, BASE + 8 * 4096), "above the pool");
	ok(free_is_a_bug(&pool, BASE + 4096), "a page that is free");
	ok(!free_is_a_bug(&pool, page.v), "a page in use");
	ok(free_is_a_bug(&pool, page.v), "the same page twice");
	ok(init_is_a_bug(&pool, BASE, PAGE_POOL_MAX_PAGES + 1), "too many pages");
	ok(!init_is_a_bug(&pool, BASE, PAGE_POOL_MAX_PAGES), "as many as possible");
	ok(init_is_a_bug(&pool, BASE + 8, 1), "a base between pages");
	page_pool_init(&pool, hpa(BASE), 0);
	ok(!page_pool_alloc(&pool, &page), "an empty pool");
}

int main(void)
{
	fake_physmap_add(BASE, NULL, 256 * 4096);
	test_all_pages(1);
	test_all_pages(63);
	test_all_pages(64);
	test_all_pages(200);
	test_bugs();
	fake_physmap_reset();
	return tap_end();
}
