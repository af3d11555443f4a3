/* SPDX-License-Identifier: BSD-2-Clause */
// clang-format off
/* sources: nested/ept02/tracker.c xmhf/memory/ept01.c xmhf/memory/ept01_default.c xmhf/memory/ept01_override.c xmhf/memory/ept01_tables.c
 * xmhf/memory/mtrr.c xmhf/memory/page_pool.c
 * xmhf/test/fake_physmap.c */
// clang-format on
/*
 * The record of writes, with EPT01 itself beneath: writes by L1, which set dirty flags, and by L2,
 * which do not.  The model of a processor is one translation with its dirty flag cached or not.
 */
#include "nested/ept02/tracker.h"

#include <string.h>

#include "xmhf/lib/bug.h"
#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"
#include "xmhf/vmx/ept01_shared.h"
#include "xmhf/vmx/l1_memory_written.h"
#include "xmhf/vmx/machine.h"
#include "xmhf/x86/cpu.h"

#define POOL_BASE  0x7fc00000ULL
#define POOL_PAGES 256

void bug_stop(const char *file, int line, const char *claim)
{
	printf("not ok - %s:%d: %s\n", file, line, claim);
	exit(1);
}

struct machine machine;
static unsigned int locked, flushes;
static void (*at_flush)(void); /* what other CPUs do before they have all forgotten */

void ept01_lock(void)
{
	locked++;
}

void ept01_unlock(void)
{
	locked--;
}

void ept01_flush_all_cpus(void)
{
	flushes++;
	if (at_flush)
		at_flush();
}

static void start(void)
{
	struct ept01_settings settings = {
		.top_of_ram = 2 * GIB,
		.ept_vpid = EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_AD,
		.use_accessed_dirty = true,
		.physical_address_width = 40,
		.hidden_count = 1,
		.hidden = { { POOL_BASE, 0x400000 } },
	};
	struct mtrr_state mtrr = { .physical_address_width = 40 };

	fake_physmap_add(POOL_BASE, NULL, POOL_PAGES * 4096);
	page_pool_init(&machine.pool, hpa(POOL_BASE), POOL_PAGES);
	ept01_build(&machine.ept, &settings, &mtrr, &machine.pool);
}

/* L1 writes: the processor's walk of EPT01 sets the dirty flag of a page's own entry. */
static void l1_writes(u64 page)
{
	*ept01_page_entry(&machine.ept, l1pa(page)) |= EPT_DIRTY;
}

/* A holder of a copy of @page asks, as EPT02 does. */
static bool notices(u64 page, u64 *since)
{
	bool noticed = ept12_any_was_written(*since) && ept12_page_was_written(l1pa(page), *since);

	*since = ept12_track(l1pa(page));
	return noticed;
}

static void test_l1(void)
{
	u64 page = 0x1003000, other = 0x1004000;
	u64 since = ept12_track(l1pa(page)), since_other = ept12_track(l1pa(other));

	ok(notices(page, &since), "a page is new at first");
	ok(!notices(page, &since), "and then not");
	notices(other, &since_other);
	l1_writes(page);
	ok(!notices(other, &since_other), "a write elsewhere");
	ok(notices(page, &since), "a write");
	ok(!notices(page, &since), "is noticed once");
	l1_memory_written(l1pa(page + 0x123));
	ok(notices(page, &since), "a write by L0");
	l1_memory_written_anywhere();
	ok(notices(page, &since) && notices(other, &since_other), "L1 ran on other tables");
	ok(!notices(page, &since) && !notices(other, &since_other), "once");
}

/*
 * EPT02 got a large page before a table in it was tracked: what L2 writes through that mapping
 * leaves no trace, so the mapping has to go before the table is trusted.
 */
static void test_l2_before(void)
{
	u64 page = 0x2003000, since, generation;
	struct ept01_translation t;
	struct ept01_range change;

	ept02_lower_lookup(l1pa(0x2010000), &t);
	is_u64(t.page_size, 2 * MIB, "L2 has a large page");
	since = ept12_track(l1pa(page));
	generation = machine.ept.generation;
	ok(notices(page, &since), "then there is a table in it");
	is_u64(machine.ept.generation, generation + 1, "whose arming takes it back");
	ok(ept02_lower_change(generation + 1, &change) && change.base <= page &&
		   page - change.base < change.size,
	   "the page is in what changed");
	ok(!notices(page, &since), "and is tracked from then on");
	is_u64(machine.ept.generation, generation + 1, "with no further change");
	since = ept12_track(l1pa(page + 0x1000));
	notices(page + 0x1000, &since);
	is_u64(machine.ept.generation, generation + 1, "the next table there costs none");
}

/* L2 has the page while it is tracked: whatever L2 does, it counts as written. */
static void test_l2_after(void)
{
	u64 page = 0x2003000, since = ept12_track(l1pa(page));
	struct ept01_translation t;

	notices(page, &since);
	ok(!notices(page, &since), "not written");
	ept02_lower_lookup(l1pa(page + 8), &t);
	is_u64(t.page_size, 4096, "L2 gets the page alone");
	ok(notices(page, &since) && notices(page, &since), "and may write at any time");
	ept02_lower_lookup(l1pa(0x2010000), &t);
	since = ept12_track(l1pa(0x2011000));
	notices(0x2011000, &since);
	ok(!notices(0x2011000, &since), "its neighbour is another's affair");
}

/* While a harvest waits for the other CPUs, nobody may believe the flags. */
static u64 asked_page, asked_since;
static bool believed;

static void ask_in_flush(void)
{
	believed = !ept12_page_was_written(l1pa(asked_page), asked_since);
	asked_since = ept12_track(l1pa(asked_page));
	at_flush = NULL;
}

static void test_race(void)
{
	u64 page = 0x3000000, since = ept12_track(l1pa(page));

	notices(page, &since);
	asked_page = page;
	asked_since = since;
	believed = false;
	l1_writes(page);
	at_flush = ask_in_flush;
	ok(notices(page, &since), "the harvest finds the write");
	ok(!believed, "who asks during the flush is told that the page may be written");
	ok(notices(page, &asked_since), "and again afterwards: a write may have left no trace");
}

static void test_copy(void)
{
	struct tracked_copy copy = { 0 };
	struct ept01_translation t;
	l1pa_t page = l1pa(0x4005000);

	tracker_begin_copy(&copy, page);
	ok(tracker_is_current(&copy, page), "a copy");
	l1_writes(page.v);
	ok(!tracker_is_current(&copy, page), "L1 writes");
	tracker_begin_copy(&copy, page);
	ok(tracker_is_current(&copy, page), "a new copy");
	ept02_lower_lookup(page, &t);
	ok(!tracker_is_current(&copy, page), "L2 can write");
}

/* More pages than there are records, over more memory than the pool can split. */
static void test_many(void)
{
	u64 since = 0;

	for (u64 i = 0; i < 1200; i++)
		since = ept12_track(l1pa(0x10000000 + i * 0x100000));
	ok(ept12_any_was_written(since), "counts as written");
	ok(ept12_page_was_written(l1pa(0x10000000 + 1199 * 0x100000), since),
	   "and so does the last");
}

int main(void)
{
	start();
	test_l1();
	test_l2_before();
	test_l2_after();
	test_race();
	test_copy();
	test_many();
	is_u64(locked, 0, "the lock is given back");
	ok(flushes, "there were flushes");
	fake_physmap_reset();
	return tap_end();
}
