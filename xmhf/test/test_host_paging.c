/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/memory/host_paging.c xmhf/memory/page_pool.c xmhf/test/fake_physmap.c */
/* L0's page tables, walked as the processor does. */
#include "xmhf/memory/host_paging.h"

#include <stdlib.h>

#include "xmhf/lib/bug.h"
#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"

#define POOL	   0x7f000000ULL
#define POOL_PAGES 64
#define WINDOW	   0xffff800000000000ULL
#define IMAGE	   0xffffffff80000000ULL

static struct page_pool pool;
static struct host_paging paging;

void bug_stop(const char *file, int line, const char *claim)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, claim);
	abort();
}

static void start(unsigned int pages, bool use_1g_pages)
{
	fake_physmap_reset();
	fake_physmap_add(POOL, NULL, POOL_PAGES * PAGE_SIZE);
	page_pool_init(&pool, hpa(POOL), pages);
	ok(host_paging_init(&paging, &pool, use_1g_pages), "empty tables");
}

/* The leaf entry of @va and its level, 0 if there is none. */
static unsigned int walk(u64 va, u64 *entry)
{
	u64 table = paging.root.v;

	for (unsigned int level = 4; level; level--) {
		*entry = ((u64 *)hpa_to_pointer(hpa(table)))[(va >> (3 + 9 * level)) & 511];
		if (!(*entry & PTE_P))
			return 0;
		if (level == 1 || *entry & PTE_PS)
			return level;
		table = *entry & PTE_ADDRESS;
	}
	return 0;
}

static bool leads_to(u64 va, u64 address, unsigned int level, u64 rights)
{
	u64 entry, mask;

	if (walk(va, &entry) != level)
		return false;
	mask = BIT(3 + 9 * level) - 1;
	return (entry & PTE_ADDRESS & ~mask) + (va & mask) == address &&
	       (entry & (PTE_W | PTE_NX)) == rights && !(entry & PTE_U) &&
	       !(entry & PTE_PS) == (level == 1);
}

static void test_sizes(void)
{
	start(POOL_PAGES, true);
	ok(host_paging_map(&paging, WINDOW, hpa(0), 3 * GIB + 2 * MIB + PAGE_SIZE, HOST_READ_WRITE),
	   "a window of 3 GiB and a bit");
	ok(leads_to(WINDOW, 0, 3, HOST_READ_WRITE), "starts with 1 GiB pages");
	ok(leads_to(WINDOW + 3 * GIB - 1, 3 * GIB - 1, 3, HOST_READ_WRITE), "up to 3 GiB");
	ok(leads_to(WINDOW + 3 * GIB + 5, 3 * GIB + 5, 2, HOST_READ_WRITE), "then one of 2 MiB");
	ok(leads_to(WINDOW + 3 * GIB + 2 * MIB, 3 * GIB + 2 * MIB, 1, HOST_READ_WRITE),
	   "then one of 4 KiB");
	ok(!leads_to(WINDOW + 3 * GIB + 2 * MIB + PAGE_SIZE, 0, 0, 0) ||
		   walk(WINDOW + 3 * GIB + 2 * MIB + PAGE_SIZE, &(u64){ 0 }) == 0,
	   "and nothing behind");
	ok(walk(WINDOW - 1, &(u64){ 0 }) == 0, "nor before");
}

static void test_alignment(void)
{
	start(POOL_PAGES, true);
	host_paging_map(&paging, WINDOW, hpa(PAGE_SIZE), 4 * MIB, HOST_READ_WRITE);
	ok(leads_to(WINDOW + 3 * MIB, 3 * MIB + PAGE_SIZE, 1, HOST_READ_WRITE),
	   "what is aligned on one side only goes in small pages");
}

static void test_without_1g(void)
{
	start(POOL_PAGES, false);
	ok(host_paging_map(&paging, WINDOW, hpa(0), 2 * GIB, HOST_READ_WRITE), "2 GiB");
	ok(leads_to(WINDOW + GIB + 7 * MIB, GIB + 7 * MIB, 2, HOST_READ_WRITE), "in 2 MiB pages");
	is_u64(pool.count - pool.free, 4, "tables: root, PDPT, two directories");
}

static void test_image(void)
{
	start(POOL_PAGES, true);
	host_paging_map(&paging, IMAGE, hpa(0x1234000), 0x3000, HOST_READ_EXECUTE);
	host_paging_map(&paging, IMAGE + 0x3000, hpa(0x1237000), 0x1000, HOST_READ_ONLY);
	host_paging_map(&paging, IMAGE + 0x4000, hpa(0x1238000), 0x2000, HOST_READ_WRITE);
	ok(leads_to(IMAGE + 0x2abc, 0x1236abc, 1, 0), "text: executable, not writable");
	ok(leads_to(IMAGE + 0x3000, 0x1237000, 1, PTE_NX), "constants: neither");
	ok(leads_to(IMAGE + 0x5fff, 0x1239fff, 1, PTE_NX | PTE_W),
	   "data: writable, not executable");
	host_paging_unmap_page(&paging, IMAGE + 0x3000);
	ok(walk(IMAGE + 0x3000, &(u64){ 0 }) == 0, "a page can be unmapped");
	ok(leads_to(IMAGE + 0x2000, 0x1236000, 1, 0) &&
		   leads_to(IMAGE + 0x4000, 0x1238000, 1, PTE_NX | PTE_W),
	   "and its neighbours stay");
	host_paging_unmap_page(&paging, WINDOW);
	ok(walk(IMAGE, &(u64){ 0 }) == 1, "unmapping what is not mapped does nothing");
}

static void test_exhausted(void)
{
	start(2, true);
	ok(!host_paging_map(&paging, IMAGE, hpa(0), PAGE_SIZE, HOST_READ_WRITE),
	   "with too few pages mapping fails");
	is_u64(pool.free, 0, "all are used");
	page_pool_init(&pool, hpa(POOL), 0);
	ok(!host_paging_init(&paging, &pool, true), "without pages there is no root");
}

static void test_pages_needed(void)
{
	static const u64 tops[] = { 4 * GIB, 5 * GIB, 64 * GIB, 512 * GIB, 513 * GIB };

	for (unsigned int i = 0; i < ARRAY_SIZE(tops); i++) {
		for (unsigned int huge = 0; huge < 2; huge++) {
			u64 needed = host_paging_pages_needed(tops[i], huge);
			u64 least = tops[i] / (512 * GIB) + 1 + (huge ? 0 : tops[i] / GIB);

			ok(needed >= least && needed < least + 40, "%llu GiB need %llu pages",
			   tops[i] / GIB, needed);
		}
	}
}

int main(void)
{
	test_sizes();
	test_alignment();
	test_without_1g();
	test_image();
	test_exhausted();
	test_pages_needed();
	fake_physmap_reset();
	return tap_end();
}
