/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT02 after L1's INVEPT and after changes of EPT01: what changed goes, and nothing else;
 * a flush is due exactly if the processor may know something that is no longer so.
 */
/* sources: nested/ept02/ept12.c nested/ept02/ept02.c nested/ept02/tables.c
 * nested/ept02/violation.c nested/ept02/resync.c nested/ept02/memory_type.c */
#include "nested/test/ept_world.h"

#define EPTP(flags) (world_table(0) | 3 << 3 | 6 | (flags))
#define LARGE	    0x80
#define WB	    (6 << 3)
#define PAGES	    1024 /* 4 KiB pages that are mapped from L2's address 0 on */

static struct ept02 ept;

/* A record of writes, told by the test. */
static bool tracker_on;
static u64 tracker_clock, tracker_written[WORLD_TABLE_COUNT];

u64 ept12_track(l1pa_t page)
{
	(void)page;
	return ++tracker_clock;
}

bool ept12_page_was_written(l1pa_t page, u64 time)
{
	return !tracker_on || tracker_written[(page.v - WORLD_TABLES) / 4096] > time;
}

bool ept12_any_was_written(u64 time)
{
	unsigned int i;

	for (i = 0; i < WORLD_TABLE_COUNT; i++)
		if (tracker_written[i] > time)
			return true;
	return !tracker_on;
}

static void l1_writes(unsigned int table, unsigned int index, u64 value)
{
	world_memory[table][index] = value;
	tracker_written[table] = ++tracker_clock;
}

static struct ept02_context *context(u64 flags)
{
	return ept02_context(&ept, EPTP(flags));
}

static u64 rights_of(u64 flags, u64 l2)
{
	return hardware_walk(context(flags)->eptp02, l2).rights;
}

/* L2 enters: what is asked of the processor, as a number for is_u64(). */
static u64 flushes(u64 flags)
{
	return ept02_entering(&ept, context(flags));
}

static unsigned int count_present(u64 flags)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += rights_of(flags, i * 4096ULL) != 0;
	return n;
}

static void touch_all(u64 flags, u64 access)
{
	struct ept02_outcome out;
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		world_touch(&ept, EPTP(flags), i * 4096ULL, access, &out);
	world_touch(&ept, EPTP(flags), 0x40000000, access, &out);
	world_touch(&ept, EPTP(flags), 0x400000, access, &out);
}

/* Tables 0: root, 1: PDPT, 2: directory, 3 and 4: page tables; 5 and 6: not in use. */
static void start(u64 flags)
{
	unsigned int i;

	world_init();
	memset(tracker_written, 0, sizeof(tracker_written));
	world_memory[0][0] = world_table(1) | 7;
	world_memory[1][0] = world_table(2) | 7;
	world_memory[1][1] = 0x40000000 | 7 | WB | LARGE;
	world_memory[2][0] = world_table(3) | 7;
	world_memory[2][1] = world_table(4) | 7;
	world_memory[2][2] = 0x400000 | 7 | WB | LARGE;
	for (i = 0; i < PAGES; i++)
		world_memory[3 + i / 512][i % 512] = (0x8000000 + i * 4096) | 7 | WB;
	world_start(&ept, 64, false);
	touch_all(flags, flags & EPTP_AD ? 2 : 1);
	is_u64(flushes(flags), true, "a new context begins with a flush");
	is_u64(flushes(flags), false, "and that was it");
	is_u64(count_present(flags), PAGES, "all present");
}

/* INVEPT; @changed and the number of 4 KiB pages that are left are expected. */
static void invept(u64 flags, bool changed, unsigned int left, const char *what)
{
	ept02_invept_single(&ept, EPTP(flags));
	is_u64(ept02_settle(&ept, context(flags)), changed, what);
	is_u64(count_present(flags), left, what);
	world_check_pool(&ept);
}

static void test_unchanged(void)
{
	start(0);
	invept(0, false, PAGES, "nothing changed");
	is_u64(flushes(0), true, "L2 ran: combined mappings have to go");
	invept(0, false, PAGES, "nothing changed");
	invept(0, false, PAGES, "nothing changed");
	is_u64(flushes(0), true, "one flush for two INVEPTs");
	is_u64(flushes(0), false, "one only");

	/* L2 did not run since: nothing can be cached. */
	ept02_invept_single(&ept, EPTP(0));
	context(0)->must_flush = false;
	invept(0, false, PAGES, "nothing changed");
	is_u64(flushes(0), false, "no flush if L2 did not run");

	/* Ignored bits, and entries that were never used. */
	l1_writes(3, 7, world_memory[3][7] ^ (BIT(8) | BIT(9) | BIT(10) | BIT(11) | FIELD(63, 52)));
	l1_writes(2, 0, world_memory[2][0] ^ (BIT(8) | BIT(9) | BIT(11) | BIT(62)));
	l1_writes(2, 200, world_table(5) | 7);
	l1_writes(3, 8, world_memory[3][8] | LARGE);
	invept(0, false, PAGES, "nothing that matters changed");
	is_u64(ept.statistics.entries_dropped, 0, "nothing was dropped");

	/* Another EPTP's INVEPT. */
	l1_writes(3, 7, 0);
	ept02_invept_single(&ept, world_table(9) | 3 << 3 | 6);
	is_u64(context(0)->must_compare, false, "no such context");
	is_u64(count_present(0), PAGES, "a stale translation stays until its INVEPT");
	invept(0, true, PAGES - 1, "one changed");
}

struct change_case {
	unsigned int table, index;
	u64 value;
	unsigned int left;
	u64 l2;	    /* what is looked at */
	u64 rights; /* right after INVEPT */
	const char *name;
};

static void test_changes(void)
{
	const struct change_case cases[] = {
		{ 3, 7, 0, PAGES - 1, 0x7000, 0, "page absent" },
		{ 3, 7, 6, PAGES - 1, 0x7000, 0, "page misconfigured" },
		{ 3, 0, 0, PAGES - 1, 0, 0, "first page absent" },
		{ 4, 511, 0, PAGES - 1, 0x3ff000, 0, "last page absent" },
		{ 3, 7, 0x9007000 | 7 | WB, PAGES - 1, 0x7000, 0, "page moved" },
		{ 3, 7, 0x8007000 | 7, PAGES - 1, 0x7000, 0, "memory type" },
		{ 3, 7, 0x8007000 | 7 | WB | 0x40, PAGES - 1, 0x7000, 0, "ignore PAT" },
		{ 3, 7, 0x8007000 | 1 | WB, PAGES, 0x7000, 1, "page read-only: in place" },
		{ 3, 7, 0x8007000 | 5 | WB, PAGES, 0x7000, 5, "page not writable: in place" },
		{ 2, 0, 0, PAGES - 512, 0x7000, 0, "table absent" },
		{ 2, 0, WORLD_TABLES + 0x5000 + 7, PAGES - 512, 0x7000, 0, "table moved" },
		{ 2, 0, WORLD_TABLES + 0x3000 + 1, PAGES, 0x7000, 1, "table read-only: in place" },
		{ 2, 0, 7 | WB | LARGE, PAGES - 512, 0x7000, 0, "table to 2 MiB page" },
		{ 2, 0, WORLD_TABLES + 0x3000 + 0xf, PAGES - 512, 0x7000, 0,
		  "table misconfigured" },
		{ 1, 0, 0, 0, 0x7000, 0, "directory absent" },
		{ 1, 0, 7 | WB | LARGE, 0, 0x7000, 0, "directory to 1 GiB page" },
		{ 1, 0, WORLD_TABLES + 0x2000 + 5, PAGES, 0x7000, 5, "directory not writable" },
		{ 0, 0, 0, 0, 0x7000, 0, "all absent" },
		{ 2, 2, 0x600000 | 7 | WB | LARGE, PAGES, 0x400000, 0, "2 MiB page moved" },
		{ 2, 2, 0x400000 | 3 | WB | LARGE, PAGES, 0x400000, 3, "2 MiB page narrowed" },
		{ 2, 2, WORLD_TABLES + 0x5000 + 7, PAGES, 0x400000, 0, "2 MiB page to table" },
		{ 1, 1, 0x80000000 | 7 | WB | LARGE, PAGES, 0x40000000, 0, "1 GiB page moved" },
		{ 1, 1, WORLD_TABLES + 0x5000 + 7, PAGES, 0x40000000, 0, "1 GiB page to table" },
	};
	unsigned int i, split;

	for (split = 0; split < 2; split++)
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			const struct change_case *c = &cases[i];

			start(0);
			if (split) {
				memset(world_level_1g, 2, sizeof(world_level_1g));
				memset(world_level_2m, 1, sizeof(world_level_2m));
				ept02_ept01_check(&ept, 1);
				touch_all(0, 1);
				flushes(0);
			}
			l1_writes(c->table, c->index, c->value);
			is_u64(count_present(0), PAGES, "nothing goes before INVEPT");
			invept(0, true, c->left, c->name);
			is_u64(rights_of(0, c->l2), c->rights, c->name);
			is_u64(flushes(0), true, "flush");
			invept(0, false, c->left, "a second INVEPT finds nothing");
			world_touch_and_check(&ept, EPTP(0), c->l2, 1);
			world_touch_and_check(&ept, EPTP(0), c->l2, 2);
		}
}

/* Rights that come back need no INVEPT: the violation is answered. */
static void test_more_rights(void)
{
	start(0);
	l1_writes(3, 7, 0x8007000 | 1 | WB);
	l1_writes(2, 1, world_table(4) | 1);
	invept(0, true, PAGES, "two narrowed");
	flushes(0);
	l1_writes(3, 7, 0x8007000 | 3 | WB);
	l1_writes(2, 1, world_table(4) | 7);
	world_touch_and_check(&ept, EPTP(0), 0x7000, 2);
	is_u64(flushes(0), false, "a page with more rights needs no flush");
	world_touch_and_check(&ept, EPTP(0), 0x200000, 2);
	is_u64(rights_of(0, 0x201000), 0, "what was below the old table may be too old");
	l1_writes(1, 0, world_table(2) | 1);
	invept(0, true, PAGES - 511, "narrowed above");
	l1_writes(1, 0, world_table(2) | 7);
	invept(0, false, PAGES - 511, "widened above");
	is_u64(rights_of(0, 0x8000), 7, "INVEPT compared all, so all of it is good");
}

/* A change without INVEPT, found on the way, is not forgotten by the flush. */
static void test_found_on_the_way(void)
{
	struct ept02_outcome out;

	start(0);
	l1_writes(3, 7, 0x9007000 | 7 | WB);
	world_touch_and_check(&ept, EPTP(0), 0x7000, 2);
	flushes(0);
	l1_writes(3, 8, 0x8008000 | 1 | WB);
	world_touch(&ept, EPTP(0), 0x8000, 2, &out);
	is_u64(rights_of(0, 0x8000), 0, "refused by the new entry: the old translation goes");
	is_u64(flushes(0), true, "flush");
	l1_writes(2, 0, 0);
	world_touch(&ept, EPTP(0), 0x9000, 2, &out);
	is_u64(rights_of(0, 0x8000), 0, "table gone");
	is_u64(flushes(0), true, "flush");
	world_check_pool(&ept);
}

/* A large page that is split becomes a table, whose address is that of the page. */
static void test_page_to_table_in_place(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		start(0);
		memset(world_level_1g, 2, sizeof(world_level_1g));
		memset(world_level_2m, 1, sizeof(world_level_2m));
		ept02_ept01_check(&ept, 1);
		l1_writes(2, 3, WORLD_TABLES | 7 | WB | LARGE);
		world_touch_and_check(&ept, EPTP(0), 0x601000, 1);
		is_u64(hardware_walk(context(0)->eptp02, 0x601000).size, 4096, "split");
		l1_writes(0, 1, 0x8123000 | 7 | WB);
		l1_writes(2, 3, WORLD_TABLES | 7);
		if (i)
			ept02_invept_single(&ept, EPTP(0));
		is_u64(ept02_settle(&ept, context(0)), i, "another kind");
		world_touch_and_check(&ept, EPTP(0), 0x601000, 1);
		is_u64(hardware_walk(context(0)->eptp02, 0x601000).host, world_host(0x8123000),
		       "by the table now");
		l1_writes(2, 3, WORLD_TABLES | 7 | WB | LARGE);
		if (i)
			ept02_invept_single(&ept, EPTP(0));
		is_u64(ept02_settle(&ept, context(0)), i, "another kind");
		world_touch_and_check(&ept, EPTP(0), 0x602000, 1);
		is_u64(rights_of(0, 0x601000), 0, "and back");
		world_check_pool(&ept);
	}
}

static void test_flags(void)
{
	start(EPTP_AD);
	is_u64(world_memory[3][7] & 0x300, 0x300, "dirty");
	invept(EPTP_AD, false, PAGES, "nothing changed");
	l1_writes(3, 7, world_memory[3][7] & ~EPT_DIRTY);
	l1_writes(3, 8, world_memory[3][8] & ~EPT_ACCESSED);
	invept(EPTP_AD, true, PAGES - 1, "flags taken back");
	is_u64(rights_of(EPTP_AD, 0x7000), 5, "not dirty: a write must be seen");
	is_u64(rights_of(EPTP_AD, 0x8000), 0, "not accessed: any access must be seen");
	world_touch_and_check(&ept, EPTP(EPTP_AD), 0x7000, 2);
	world_touch_and_check(&ept, EPTP(EPTP_AD), 0x8000, 1);
	is_u64(world_memory[3][7] & 0x300, 0x300, "dirty again");
	is_u64(world_memory[3][8] & 0x300, 0x300, "accessed again; dirty was not cleared");
	l1_writes(2, 0, world_memory[2][0] & ~EPT_ACCESSED);
	invept(EPTP_AD, true, PAGES - 512, "table's accessed flag taken back");
	world_touch_and_check(&ept, EPTP(EPTP_AD), 0x9000, 1);
	is_u64(world_memory[2][0] & 0x100, 0x100, "accessed again");
	l1_writes(2, 1, world_memory[2][1] & ~EPT_ACCESSED);
	world_touch_and_check(&ept, EPTP(EPTP_AD), 0x201000, 1);
	is_u64(world_memory[2][1] & 0x100, 0x100, "accessed again, found on the way");
	is_u64(rights_of(EPTP_AD, 0x202000), 0, "and what was below goes");
}

/* Contexts of EPTPs with the same address are one to INVEPT. */
static void test_same_address(void)
{
	unsigned int i;
	u64 compared;

	start(0);
	touch_all(EPTP_AD, 2);
	flushes(EPTP_AD);
	l1_writes(3, 7, 0);
	ept02_invept_single(&ept, EPTP(0));
	is_u64(flushes(0) + flushes(EPTP_AD), 2, "both flush");
	is_u64(rights_of(0, 0x7000), 0, "without A/D");
	is_u64(rights_of(EPTP_AD, 0x7000), 0, "with A/D");
	l1_writes(3, 8, 0);
	compared = ept.statistics.resyncs;
	for (i = 0; i < 5; i++)
		ept02_invept_all(&ept);
	is_u64(ept.statistics.resyncs, compared, "not compared before L2 enters");
	is_u64(flushes(0) + flushes(EPTP_AD), 2, "both flush");
	is_u64(rights_of(0, 0x8000), 0, "without A/D");
	is_u64(rights_of(EPTP_AD, 0x8000), 0, "with A/D");
	is_u64(ept.statistics.resyncs, compared + 2, "compared once each");
}

static void test_tracker(void)
{
	u64 compared;

	tracker_on = true;
	start(0);
	compared = ept.statistics.tables_compared;
	invept(0, false, PAGES, "nothing written");
	is_u64(ept.statistics.tables_compared, compared, "nothing compared");
	l1_writes(3, 7, 0);
	l1_writes(6, 0, 1);
	invept(0, true, PAGES - 1, "one page written");
	is_u64(ept.statistics.tables_compared, compared + 1, "one table compared");
	invept(0, false, PAGES - 1, "nothing written since");
	is_u64(ept.statistics.tables_compared, compared + 1, "nothing compared");
	l1_writes(4, 7, 0);
	world_touch_and_check(&ept, EPTP(0), 0x209000, 1);
	invept(0, true, PAGES - 2, "written before a touch of another page in the table");
	tracker_on = false;
}

static void test_ept01(void)
{
	unsigned int i;

	start(0);
	ept02_ept01_changed(&ept, l1pa(0x20000000), 0x1000000, 1);
	is_u64(count_present(0), PAGES, "another range");
	is_u64(flushes(0), false, "no flush");
	world_level_1g[0] = 2;
	world_level_2m[0x8007000 >> 21] = 1;
	world_rights[0x8007] = 0;
	ept02_ept01_changed(&ept, l1pa(0x8007000), 4096, 2);
	is_u64(count_present(0), PAGES - 1, "one page taken away");
	is_u64(rights_of(0, 0x7000), 0, "it");
	is_u64(flushes(0), true, "flush");
	world_touch_and_check(&ept, EPTP(0), 0x7000, 1);
	ept02_ept01_check(&ept, 2);
	is_u64(count_present(0), PAGES - 1, "the same generation");
	ept02_ept01_check(&ept, 3);
	is_u64(count_present(0), 0, "another generation");
	is_u64(flushes(0), true, "flush");
	world_check_pool(&ept);

	/* A page in the middle of large pages. */
	start(0);
	ept02_ept01_changed(&ept, l1pa(0x400000 + 0x5000), 4096, 1);
	is_u64(rights_of(0, 0x400000), 0, "2 MiB page goes");
	ept02_ept01_changed(&ept, l1pa(0x7fffffff), 1, 2);
	is_u64(rights_of(0, 0x40000000), 0, "1 GiB page goes");
	is_u64(count_present(0), PAGES, "the others stay");

	/* A table of EPT12 is taken away, and given back. */
	for (i = 0; i < 5; i++) {
		start(0);
		world_table_gone[i] = true;
		ept02_ept01_changed(&ept, l1pa(world_table(i)), 4096, 1);
		is_u64(count_present(0), i < 3 ? 0 : PAGES - 512, "what came from it goes");
		is_u64(flushes(0), true, "flush");
		world_touch_and_check(&ept, EPTP(0), 0x7000, 1);
		world_touch_and_check(&ept, EPTP(0), 0x207000, 1);
		world_table_gone[i] = false;
		ept02_ept01_changed(&ept, l1pa(world_table(i)), 4096, 2);
		world_touch_and_check(&ept, EPTP(0), 0x7000, 1);
		world_touch_and_check(&ept, EPTP(0), 0x207000, 1);
		world_check_pool(&ept);
	}
}

int main(void)
{
	test_unchanged();
	test_changes();
	test_more_rights();
	test_found_on_the_way();
	test_page_to_table_in_place();
	test_flags();
	test_same_address();
	test_tracker();
	test_ept01();
	world_agreements("tables and touches");
	return tap_end();
}
