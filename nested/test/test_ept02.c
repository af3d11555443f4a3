/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT02: the walk of its tables is EPT12's followed by EPT01's; page sizes, memory types,
 * flags, eviction.
 */
/* sources: nested/ept02/ept12.c nested/ept02/ept02.c nested/ept02/tables.c
 * nested/ept02/violation.c nested/ept02/resync.c nested/ept02/memory_type.c
 * nested/test/tracker_always.c */
#include "nested/test/ept_world.h"

#define EPTP(table, flags) (world_table(table) | 3 << 3 | 6 | (flags))
#define LARGE		   0x80
#define WB		   (6 << 3)

static struct ept02 ept;

static u64 eptp02(u64 eptp12)
{
	return ept02_context(&ept, eptp12)->eptp02;
}

/* Table 0 is the root, 1 the PDPT, 2 the page directory, 3 and 4 page tables. */
static void simple_tables(void)
{
	unsigned int i;

	world_init();
	world_memory[0][0] = world_table(1) | 7;
	world_memory[1][0] = world_table(2) | 7;
	world_memory[1][1] = 0x40000000 | 7 | WB | LARGE; /* 1 GiB */
	world_memory[2][0] = world_table(3) | 7;
	world_memory[2][1] = 0x600000 | 7 | WB | LARGE; /* 2 MiB */
	world_memory[2][2] = world_table(4) | 7;
	for (i = 0; i < 512; i++)
		world_memory[3][i] = (u64)(i * 7 % 512) << 12 | 7 | WB;
}

struct size_case {
	u64 l2;
	u8 level01_1g, level01_2m;
	u64 hardware;
	u64 size;
	const char *name;
};

static void test_sizes(void)
{
	static const struct size_case cases[] = {
		{ 0x40123456, 3, 2, EPT_CAP_1G | EPT_CAP_2M, GIB, "1 GiB over 1 GiB" },
		{ 0x40123456, 3, 2, EPT_CAP_2M, 2 * MIB, "the same without 1 GiB pages" },
		{ 0x40123456, 3, 2, 0, 4096, "the same without large pages" },
		{ 0x40123456, 2, 2, EPT_CAP_1G | EPT_CAP_2M, 2 * MIB, "1 GiB over 2 MiB" },
		{ 0x40123456, 2, 1, EPT_CAP_1G | EPT_CAP_2M, 4096, "1 GiB over 4 KiB" },
		{ 0x345678, 3, 2, EPT_CAP_1G | EPT_CAP_2M, 2 * MIB, "2 MiB over 1 GiB" },
		{ 0x345678, 2, 2, EPT_CAP_1G | EPT_CAP_2M, 2 * MIB, "2 MiB over 2 MiB" },
		{ 0x345678, 2, 1, EPT_CAP_1G | EPT_CAP_2M, 4096, "2 MiB over 4 KiB" },
		{ 0x345678, 2, 2, 0, 4096, "2 MiB over 2 MiB without large pages" },
		{ 0x12345, 3, 2, EPT_CAP_1G | EPT_CAP_2M, 4096, "4 KiB over 1 GiB" },
		{ 0x12345, 2, 1, EPT_CAP_1G | EPT_CAP_2M, 4096, "4 KiB over 4 KiB" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct size_case *c = &cases[i];

		simple_tables();
		memset(world_level_1g, c->level01_1g, sizeof(world_level_1g));
		memset(world_level_2m, c->level01_2m, sizeof(world_level_2m));
		world_hardware.ept_vpid &= ~(EPT_CAP_1G | EPT_CAP_2M);
		world_hardware.ept_vpid |= c->hardware;
		world_start(&ept, 20, false);
		world_touch_and_check(&ept, EPTP(0, 0), c->l2, 2);
		is_u64(hardware_walk(eptp02(EPTP(0, 0)), c->l2).size, c->size, c->name);
		world_touch_and_check(&ept, EPTP(0, 0), c->l2, 1);
		is_u64(ept.statistics.entries_dropped, 0, "a second touch drops nothing");
		world_check_pool(&ept);
	}
}

/* EPT01's pages become smaller and larger again under a page of EPT12 that stays. */
static void test_resplit(void)
{
	u64 l2 = 0x40123456, i;

	simple_tables();
	world_start(&ept, 20, false);
	for (i = 0; i < 6; i++) {
		static const u8 level[6][2] = { { 3, 2 }, { 2, 1 }, { 2, 2 },
						{ 2, 1 }, { 3, 2 }, { 2, 2 } };
		static const u64 size[6] = { GIB, 4096, 2 * MIB, 4096, GIB, 2 * MIB };

		memset(world_level_1g, level[i][0], sizeof(world_level_1g));
		memset(world_level_2m, level[i][1], sizeof(world_level_2m));
		ept02_ept01_changed(&ept, l1pa(0x40000000), GIB, i);
		is_u64(hardware_walk(eptp02(EPTP(0, 0)), l2).rights, 0, "gone after the change");
		world_touch_and_check(&ept, EPTP(0, 0), l2, 1);
		is_u64(hardware_walk(eptp02(EPTP(0, 0)), l2).size, size[i], "size");
		world_check_pool(&ept);
	}
}

static void test_types(void)
{
	static const u8 types[] = { 0, 1, 4, 5, 6 };
	unsigned int i, j, pat;

	for (i = 0; i < 5; i++)
		for (j = 0; j < 5; j++)
			for (pat = 0; pat < 2; pat++) {
				simple_tables();
				memset(world_type, types[j], sizeof(world_type));
				world_memory[3][5] = 0x5000 | 7 | (u64)types[i] << 3 | pat << 6;
				world_start(&ept, 20, false);
				world_touch_and_check(&ept, EPTP(0, 0), 0x5000, 1);
			}
	simple_tables();
	memset(world_type, 0, sizeof(world_type));
	world_start(&ept, 20, false);
	world_touch_and_check(&ept, EPTP(0, 0), 0x5000, 1);
	is_u64(hardware_walk(eptp02(EPTP(0, 0)), 0x5000).type, 0, "WB over UC is UC");
}

static u64 random_entry(unsigned int level)
{
	static const u8 rights[] = { 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3, 5, 1, 4, 6, 0 };
	static const u8 types[] = { 6, 6, 6, 6, 6, 6, 6, 0, 1, 4, 5, 2 };
	u64 e = rights[world_random(ARRAY_SIZE(rights))];
	bool page = level == 1 || (level < 4 && world_random(4) == 0);

	if (world_random(4) == 0)
		e |= world_random(16) << 8 | world_random(4096) << 52;
	if (!page)
		return e | world_table((unsigned int)world_random(WORLD_TABLE_COUNT));
	e |= (u64)types[world_random(ARRAY_SIZE(types))] << 3 | world_random(2) << 6;
	e |= align_down(world_random(WORLD_L1_SIZE + 8 * MIB), ept12_size(level));
	return e | (level > 1 ? LARGE : 0) | (world_random(200) ? 0 : 0x1000);
}

/* Tables are for the level of their number modulo 4; wrong levels are reached too. */
static void random_tables(void)
{
	unsigned int table, i;

	for (table = 0; table < WORLD_TABLE_COUNT; table++)
		for (i = 0; i < 512; i++)
			world_memory[table][i] = random_entry(4 - table % 4);
	for (i = 0; i < 4; i++) {
		world_memory[0][i] = world_table(1 + 4 * i) | 7;
		world_memory[1][i] = world_table(2 + 4 * i) | 7;
		world_memory[2][i] = world_table(3 + 4 * i) | 7;
	}
}

static void random_lower(void)
{
	static const u8 rights[] = { 7, 7, 7, 7, 3, 5, 1, 0 };
	static const u8 types[] = { 6, 6, 6, 0, 1, 4, 5 };
	unsigned int i;

	for (i = 0; i < 4; i++)
		world_level_1g[i] = world_random(3) ? 2 : 3;
	for (i = 0; i < 2048; i++)
		world_level_2m[i] = (u8)(1 + world_random(2));
	for (i = 0; i < 1 << 20; i++) {
		world_rights[i] = rights[world_random(ARRAY_SIZE(rights))];
		world_type[i] = types[world_random(ARRAY_SIZE(types))];
	}
}

/* Few indices at each level, so that walks meet. */
static u64 random_l2(void)
{
	u64 l2 = world_random(4096), level;

	for (level = 1; level <= 4; level++)
		l2 |= world_random(world_random(8) ? 6 : 512) << (3 + 9 * level);
	return l2;
}

static void test_random(bool use_prefetch, u64 flags)
{
	unsigned long fates[5] = { 0 };
	unsigned int round, i;
	struct ept02_outcome out;

	world_init();
	for (round = 0; round < 30; round++) {
		if (round % 5 == 0) {
			random_lower();
			random_tables();
		}
		world_start(&ept, (unsigned int)(16 + world_random(200)), use_prefetch);
		for (i = 0; i < 500; i++) {
			u64 eptp12 = EPTP(world_random(4) ? 0 : 4 * world_random(8), flags);
			u64 l2 = random_l2(), access = 1ULL << world_random(3);

			world_touch_and_check(&ept, eptp12, l2, access);
			fates[world_touch(&ept, eptp12, l2, access, &out)]++;
		}
		world_check_pool(&ept);
	}
	printf("# random: fixed %lu, violation %lu, misconfiguration %lu, L0's %lu\n", fates[0],
	       fates[1], fates[2], fates[3]);
	ok(fates[0] > 2000 && fates[1] > 1000 && fates[2] > 1000 && fates[3] > 500, "all seen");
}

/* After much filling, every translation that is there is the composed one. */
static void test_all_present(bool use_prefetch)
{
	unsigned long present = 0;
	unsigned int i;
	struct ept02_outcome out;

	world_init();
	random_lower();
	random_tables();
	world_start(&ept, 300, use_prefetch);
	for (i = 0; i < 5000; i++)
		world_touch(&ept, EPTP(0, 0), random_l2(), 1, &out);
	for (i = 0; i < 20000; i++) {
		u64 l2 = random_l2();
		struct hardware h = hardware_walk(eptp02(EPTP(0, 0)), l2);
		struct oracle o = oracle_walk(EPTP(0, 0), l2);

		present += h.rights != 0;
		agree(!h.misconfigured, "not misconfigured");
		if (h.rights)
			agree(o.fate == ORACLE_OK && h.rights == o.rights && h.host == o.host &&
				      h.type == o.type && h.ignore_pat == o.ignore_pat,
			      "0x%llx is composed", l2);
	}
	ok(present > 500, "%lu present", present);
}

static void test_prefetch(void)
{
	unsigned int i;

	simple_tables();
	world_memory[3][9] = 6 | 0x9000;	      /* misconfigured */
	world_memory[3][10] = 0;		      /* absent */
	world_memory[3][11] = 1 | WB | 0xb000;	      /* other rights than the touched one */
	world_memory[3][12] = 7 | WB | WORLD_L1_SIZE; /* not in EPT01 */
	world_start(&ept, 20, true);
	world_touch_and_check(&ept, EPTP(0, 0), 0xd000, 1);
	for (i = 0; i < 512; i++) {
		u64 want = i >= 8 && i < 16 && (i < 9 || i > 12) ? 7 : 0;
		u64 l2 = i * 4096ULL;
		struct hardware h = hardware_walk(eptp02(EPTP(0, 0)), l2);

		is_u64(h.rights, want, "prefetched in the line of the touched entry only");
		if (want)
			is_u64(h.host, oracle_walk(EPTP(0, 0), l2).host, "its address");
	}
	is_u64(ept.statistics.prefetched, 3, "prefetched");
	world_touch_and_check(&ept, EPTP(0, EPTP_AD), 0x1d000, 1);
	is_u64(ept.statistics.prefetched, 3, "none with accessed flags");
	is_u64(world_memory[3][0x1e] & 0x300, 0, "neighbour not accessed");
}

static void test_flags(void)
{
	u64 ad = EPTP(0, EPTP_AD);
	struct ept02_outcome out;

	simple_tables();
	world_start(&ept, 20, true);
	ok(eptp02(ad) & EPTP_AD, "the processor's walks count as writes as L1's would");
	world_touch_and_check(&ept, ad, 0x5000, 1);
	is_u64(hardware_walk(eptp02(ad), 0x5000).rights, 5, "read: not writable yet");
	is_u64(world_memory[3][5] & 0x300, 0x100, "accessed, not dirty");
	is_u64(world_memory[2][0] & 0x300, 0x100, "PDE accessed");
	is_u64(world_memory[1][0] & 0x300, 0x100, "PDPTE accessed");
	is_u64(world_memory[0][0] & 0x300, 0x100, "PML4E accessed");
	is_u64(world_memory[2][1] & 0x300, 0, "another entry is not");
	ept02_entering(&ept, ept02_context(&ept, ad));
	world_touch_and_check(&ept, ad, 0x5000, 2);
	is_u64(hardware_walk(eptp02(ad), 0x5000).rights, 7, "written: writable");
	is_u64(world_memory[3][5] & 0x300, 0x300, "dirty");
	ok(!ept02_entering(&ept, ept02_context(&ept, ad)), "more rights need no flush");

	/* Refused accesses set nothing. */
	world_memory[3][6] &= ~2ULL;
	world_touch_and_check(&ept, ad, 0x6000, 2);
	is_u64(world_memory[3][6] & 0x300, 0, "a refused write sets no flag");

	/* A read by the processor's walk of L2's page tables dirties the page. */
	ept02_handle_violation(&ept, ept02_context(&ept, ad), l2pa(0x7000), 1 | 0x80, &out);
	is_u64(world_memory[3][7] & 0x300, 0x300, "paging structure: dirty");

	/* A large page that is split shows the flags once. */
	memset(world_level_1g, 2, sizeof(world_level_1g));
	memset(world_level_2m, 1, sizeof(world_level_2m));
	ept02_ept01_check(&ept, 1);
	world_touch_and_check(&ept, ad, 0x201000, 1);
	is_u64(hardware_walk(eptp02(ad), 0x201000).rights, 5, "split page, not dirty");
	world_touch_and_check(&ept, ad, 0x202000, 2);
	is_u64(world_memory[2][1] & 0x300, 0x300, "large page is dirty");
	is_u64(hardware_walk(eptp02(ad), 0x201000).rights, 7, "all of it may be written now");

	/* Without A/D the bits are L1's own. */
	simple_tables();
	world_start(&ept, 20, true);
	world_touch_and_check(&ept, EPTP(0, 0), 0x5000, 2);
	is_u64(world_memory[3][5] & 0x300, 0, "no flags");
	ok(!ept12_set_flags(&world_memory[3][5], 0x1234, 0x300), "not as expected: left alone");
	is_u64(world_memory[3][5] & 0x300, 0, "still no flags");
}

/* More pages and contexts than a tiny pool holds. */
static void test_eviction(void)
{
	unsigned int i, n;

	simple_tables();
	for (i = 0; i < 512; i++)
		world_memory[2][i] = world_table(3) | 7;
	for (n = 16; n < 24; n++) {
		world_start(&ept, n, true);
		for (i = 0; i < 1500; i++) {
			u64 l2 = (i % 700) << 21 | (i % 512) << 12;

			world_touch_and_check(&ept, EPTP(0, 0), l2 & (GIB - 1), 2);
		}
		ok(ept.statistics.trims > 10, "trimmed");
		world_check_pool(&ept);
	}
	/* 32 roots, each the same tables under it. */
	for (i = 8; i < 40; i++)
		world_memory[i][0] = world_table(1) | 7;
	world_start(&ept, 40, true);
	for (i = 0; i < 2000; i++) {
		unsigned int root = 8 + (unsigned int)world_random(32);
		struct ept02_context *c = ept02_context(&ept, EPTP(root, 0));
		bool is_new = !c->has_run;

		agree(ept02_entering(&ept, c) || !is_new, "a new context begins with a flush");
		world_touch_and_check(&ept, EPTP(root, 0), i * 4096ULL * 77 % GIB, 1);
	}
	world_check_pool(&ept);
	ok(ept.statistics.contexts_evicted > 100, "evicted %llu", ept.statistics.contexts_evicted);
}

/* The context used least recently goes. */
static void test_lru(void)
{
	u64 created;
	unsigned int i;

	simple_tables();
	world_start(&ept, 100, false);
	for (i = 0; i < EPT02_CONTEXTS; i++)
		ept02_context(&ept, EPTP(i, 0));
	for (i = 0; i < EPT02_CONTEXTS; i++)
		if (i != 5)
			ept02_context(&ept, EPTP(i, 0));
	ept02_context(&ept, EPTP(40, 0));
	created = ept.statistics.contexts_created;
	for (i = 0; i < EPT02_CONTEXTS; i++)
		if (i != 5)
			ept02_context(&ept, EPTP(i, 0));
	is_u64(ept.statistics.contexts_created, created, "the others are still there");
	is_u64(ept.statistics.contexts_evicted, 1, "one was evicted");
	ept02_context(&ept, EPTP(5, 0));
	is_u64(ept.statistics.contexts_created, created + 1, "it was this one");
	world_check_pool(&ept);
	ept02_reset(&ept);
	world_check_pool(&ept);
	is_u64(ept.free_count, ept.tables_count, "all free after a reset");
}

static void test_init(void)
{
	struct ept02_config config = { .shown = &world_caps, .memory_pages = 32 };

	config.memory = world_memory;
	ok(!ept02_init(&ept, &config), "15 tables are too few");
	config.memory_pages = 33;
	ok(ept02_init(&ept, &config), "16 tables are enough");
	config.memory_address = hpa(0x800);
	ok(!ept02_init(&ept, &config), "not aligned");
	world_init();
	world_start(&ept, 20, false);
	is_u64(ept02_handle_misconfiguration(&ept, ept02_context(&ept, EPTP(0, 0)), l2pa(0)),
	       EPT02_UNEXPECTED, "misconfiguration without cause");
	world_memory[0][0] = 6;
	is_u64(ept02_handle_misconfiguration(&ept, ept02_context(&ept, EPTP(0, 0)), l2pa(0)),
	       EPT02_REFLECT_MISCONFIGURATION, "misconfiguration of L1");
}

/* Page-modification log: one entry for each page made dirty; a full log sets no flag. */
static void test_log(void)
{
	u64 ad = EPTP(0, EPTP_AD);
	struct ept02_outcome out;

	simple_tables();
	world_start(&ept, 20, true);
	memset(world_memory[5], 0, 4096);
	ept.log =
		(struct ept02_log){ .on = true, .page = l1pa(WORLD_TABLES + 5 * 4096), .index = 1 };
	world_touch_and_check(&ept, ad, 0x5678, 1);
	is_u64(ept.log.index, 1, "a read logs nothing");
	world_touch_and_check(&ept, ad, 0x5678, 2);
	is_u64(world_memory[5][1], 0x5000, "the page that was written");
	is_u64(ept.log.index, 0, "the index counts down");
	world_touch_and_check(&ept, ad, 0x5000, 2);
	is_u64(ept.log.index, 0, "dirty already: no entry");
	world_touch_and_check(&ept, ad, 0x9000, 2);
	is_u64(world_memory[5][0], 0x9000, "the last entry");
	is_u64(ept.log.index, 0xffff, "now it is full");
	is_u64(world_touch(&ept, ad, 0xa000, 2, &out), EPT02_LOG_FULL, "a write");
	is_u64(world_memory[3][10] & 0x300, 0, "no flag is set");
	is_u64(world_touch(&ept, ad, 0xb000, 1, &out), EPT02_LOG_FULL, "a read that sets accessed");
	is_u64(hardware_walk(eptp02(ad), 0xa000).rights, 0, "and nothing is mapped");
	world_touch_and_check(&ept, ad, 0x9000, 1);
	ept.log.index = 511;
	world_touch_and_check(&ept, ad, 0xa000, 2);
	is_u64(world_memory[5][511], 0xa000, "with room again");
	ept.log.on = false;
	world_touch_and_check(&ept, ad, 0xb000, 2);
	is_u64(ept.log.index, 510, "off: nothing is logged");
	world_memory[3][12] = BIT(63);
	world_touch(&ept, ad, 0xc000, 1, &out);
	ok(!out.may_be_ve, "bit 63 suppresses #VE");
	world_memory[3][12] = 0;
	world_touch(&ept, ad, 0xc000, 1, &out);
	ok(out.may_be_ve, "else the violation may be one");
}

int main(void)
{
	test_sizes();
	world_agreements("test_sizes");
	test_resplit();
	world_agreements("test_resplit");
	test_types();
	world_agreements("test_types");
	test_random(false, 0);
	world_agreements("test_random");
	test_random(true, 0);
	world_agreements("test_random");
	test_random(false, EPTP_AD);
	world_agreements("test_random");
	test_all_present(false);
	world_agreements("test_all_present");
	test_all_present(true);
	world_agreements("test_all_present");
	test_prefetch();
	world_agreements("test_prefetch");
	test_flags();
	world_agreements("test_flags");
	test_log();
	world_agreements("test_log");
	test_eviction();
	world_agreements("test_eviction");
	test_lru();
	world_agreements("test_lru");
	test_init();
	return tap_end();
}
