/* SPDX-License-Identifier: BSD-2-Clause */
// clang-format off
/* sources: xmhf/memory/ept01.c xmhf/memory/ept01_default.c xmhf/memory/ept01_override.c xmhf/memory/ept01_tables.c
 * xmhf/memory/mtrr.c xmhf/memory/page_pool.c xmhf/test/fake_physmap.c */
// clang-format on
/* EPT01: what each address leads to, before and after its entries changed. */
#include "xmhf/memory/ept01_entry.h"
#include "xmhf/test/ept01_world.h"

static void test_build(u64 caps, u64 largest)
{
	u64 needed;

	start(POOL_PAGES);
	settings.ept_vpid = caps;
	needed = ept01_pages_needed(&settings, &mtrr);
	if (needed + 4 > POOL_PAGES)
		return;
	build();
	is_u64(POOL_PAGES - pool.free, needed, "pages used are those computed");
	ok(all_default(false), "all of RAM and all below 4 GiB is mapped");
	ok(pool_is_whole(), "no page lost");
	is_u64(walk(5 * GIB).size, largest, "largest page");
	ok(!walk(9 * GIB).present, "nothing above RAM");
	is_u64(walk(0).size, 4096, "fixed MTRRs need small pages");
	ok(!ept01_walk(&ept, l1pa(L0_BASE), &(struct ept01_translation){ 0 }), "L0 is absent");
}

static void test_sizes(void)
{
	start(POOL_PAGES);
	/* PML4, PDPT, PD and PT of the first GiB, PD of the second, PT of L0's end. */
	is_u64(ept01_pages_needed(&settings, &mtrr), 6, "pages with 1 GiB pages");
	is_u64(ept01_pool_pages(&settings, &mtrr), 6 + EPT01_SPARE_PAGES, "pool");
	settings.ept_vpid &= ~EPT_CAP_1G;
	is_u64(ept01_pages_needed(&settings, &mtrr), 12, "pages with 2 MiB pages");
	settings.top_of_ram = BIT(40);
	is_u64(ept01_pool_pages(&settings, &mtrr), EPT01_POOL_PAGES_MAX, "pool for 1 TiB");
	settings.ept_vpid = FULL_CAPS;
	is_u64(ept01_pages_needed(&settings, &mtrr), 7, "pages for 1 TiB");
	settings.top_of_ram = BIT(60);
	settings.physical_address_width = 52;
	mtrr.physical_address_width = 52;
	build();
	is_u64(ept.eager_end, BIT(48), "four levels map 48 bits");
	is_u64(walk(BIT(48) - 1).size, GIB, "up to the last byte");
	ok(ept01_map_on_demand(&ept, l1pa(BIT(48))) == EPT01_REFUSED, "and no more");
	ok(!ept01_walk(&ept, l1pa(BIT(48)), &(struct ept01_translation){ 0 }), "nor in a walk");
}

static void test_pointer(void)
{
	start(POOL_PAGES);
	build();
	is_u64(ept01_pointer(&ept), ept.root.v | 3 << 3 | 6, "write-back, four levels");
	settings.use_accessed_dirty = true;
	page_pool_init(&pool, hpa(POOL_BASE), POOL_PAGES);
	build();
	is_u64(ept01_pointer(&ept), ept.root.v | BIT(6) | 3 << 3 | 6, "accessed and dirty flags");
	settings.ept_vpid &= ~(EPT_CAP_AD | EPT_CAP_WB);
	page_pool_init(&pool, hpa(POOL_BASE), POOL_PAGES);
	build();
	is_u64(ept01_pointer(&ept), ept.root.v | 3 << 3, "a processor without both");
}

static void test_walk(void)
{
	start(POOL_PAGES);
	build();
	is_walk(0x1234, 0x1234, 7, 4096, MEMORY_TYPE_WB);
	is_walk(0xfffff, 0xfffff, 7, 4096, MEMORY_TYPE_WP);
	is_walk(0x234567, 0x234567, 7, 2 * MIB, MEMORY_TYPE_WB);
	is_walk(0xfee00000, 0xfee00000, 7, GIB, MEMORY_TYPE_UC);
	is_walk(7 * GIB + 5, 7 * GIB + 5, 7, GIB, MEMORY_TYPE_WB);
}

static void test_on_demand(void)
{
	u64 generation;

	start(POOL_PAGES);
	build();
	generation = ept.generation;
	is_u64(ept01_map_on_demand(&ept, l1pa(100 * GIB + 5)), EPT01_DONE, "an address above RAM");
	is_walk(100 * GIB + 7, 100 * GIB + 7, 7, GIB, MEMORY_TYPE_WB);
	is_u64(ept01_map_on_demand(&ept, l1pa(100 * GIB + 6)), EPT01_PRESENT, "again");
	is_u64(ept01_map_on_demand(&ept, l1pa(0x1000)), EPT01_PRESENT, "an address in RAM");
	is_u64(ept01_map_on_demand(&ept, l1pa(L0_BASE)), EPT01_REFUSED, "L0's first byte");
	is_u64(ept01_map_on_demand(&ept, l1pa(L0_BASE + L0_SIZE - 1)), EPT01_REFUSED, "its last");
	is_u64(ept01_map_on_demand(&ept, l1pa(BIT(40))), EPT01_REFUSED, "beyond the width");
	is_u64(ept01_map_on_demand(&ept, l1pa(BIT(40) - 1)), EPT01_DONE, "the last byte");
	is_u64(ept.generation, generation, "nothing cached became wrong");
	ok(pool_is_whole(), "no page lost");
}

static void test_permission(void)
{
	u64 generation;

	start(POOL_PAGES);
	build();
	generation = ept.generation;
	is_u64(ept01_set_permission(&ept, l1pa(5 * GIB + 0x5000), EPT_READ), EPT01_DONE, "RO");
	ok(ept.generation > generation, "generation");
	is_walk(5 * GIB + 0x5678, 5 * GIB + 0x5678, EPT_READ, 4096, MEMORY_TYPE_WB);
	is_walk(5 * GIB + 0x4fff, 5 * GIB + 0x4fff, 7, 4096, MEMORY_TYPE_WB);
	is_walk(5 * GIB + 0x6000, 5 * GIB + 0x6000, 7, 4096, MEMORY_TYPE_WB);
	is_walk(5 * GIB + 2 * MIB, 5 * GIB + 2 * MIB, 7, 2 * MIB, MEMORY_TYPE_WB);
	ok(all_default(false) && pool_is_whole(), "all the rest is as before");

	is_u64(ept01_map_on_demand(&ept, l1pa(5 * GIB + 0x5000)), EPT01_PRESENT, "still there");
	is_u64(ept01_set_permission(&ept, l1pa(5 * GIB + 0x5000), 0), EPT01_DONE, "taken away");
	ok(!walk(5 * GIB + 0x5000).present, "is gone");
	is_u64(ept01_map_on_demand(&ept, l1pa(5 * GIB + 0x5000)), EPT01_REFUSED, "stays away");
	generation = ept.generation;
	ept01_restore(&ept, l1pa(5 * GIB + 0x5000));
	ok(ept.generation > generation, "generation");
	is_walk(5 * GIB + 0x5000, 5 * GIB + 0x5000, 7, GIB, MEMORY_TYPE_WB);
	generation = ept.generation;
	ept01_restore(&ept, l1pa(5 * GIB + 0x5000));
	is_u64(ept.generation, generation, "nothing to restore");

	ept01_set_permission(&ept, l1pa(0xa0000), EPT_READ | EPT_WRITE);
	is_walk(0xa0000, 0xa0000, 3, 4096, MEMORY_TYPE_UC);
	is_u64(ept01_set_permission(&ept, l1pa(0xa0000), EPT_RWX), EPT01_DONE, "all rights");
	is_walk(0xa0000, 0xa0000, 7, 4096, MEMORY_TYPE_UC);
	is_u64(ept01_set_permission(&ept, l1pa(100 * GIB), EPT_READ), EPT01_DONE, "an absent page");
	is_walk(100 * GIB, 100 * GIB, 1, 4096, MEMORY_TYPE_WB);
	ok(!walk(100 * GIB + 4096).present, "its neighbour stays absent");
	is_u64(ept01_map_on_demand(&ept, l1pa(100 * GIB + 4096)), EPT01_DONE, "until it is used");
	is_walk(100 * GIB, 100 * GIB, 1, 4096, MEMORY_TYPE_WB);
	is_walk(100 * GIB + 4096, 100 * GIB + 4096, 7, 4096, MEMORY_TYPE_WB);
}

static void test_refusals(void)
{
	start(POOL_PAGES);
	build();
	for (u64 rights = 0; rights < 16; rights++) {
		bool legal = rights < 8 && rights != 2 && rights != 6 && rights != 4;

		ok((ept01_set_permission(&ept, l1pa(GIB), rights) == EPT01_DONE) == legal,
		   "rights %llu", rights);
		ok((ept01_map_page(&ept, l1pa(GIB), hpa(0), rights, 6) == EPT01_DONE) == legal,
		   "page with rights %llu", rights);
	}
	for (u64 type = 0; type < 9; type++)
		ok((ept01_map_page(&ept, l1pa(GIB), hpa(0), 7, (enum memory_type)type) ==
		    EPT01_DONE) == (type < 2 || (type >= 4 && type <= 6)),
		   "memory type %llu", type);
	ept.settings.ept_vpid |= EPT_CAP_EXECUTE_ONLY;
	is_u64(ept01_set_permission(&ept, l1pa(GIB), EPT_EXECUTE), EPT01_DONE, "execute-only");
	is_u64(ept01_set_permission(&ept, l1pa(0x1001), 1), EPT01_REFUSED, "between pages");
	is_u64(ept01_set_permission(&ept, l1pa(BIT(40)), 1), EPT01_REFUSED, "beyond the width");
	is_u64(ept01_set_permission(&ept, l1pa(L0_BASE), 1), EPT01_REFUSED, "L0's memory");
	is_u64(ept01_set_permission(&ept, l1pa(L0_BASE), 7), EPT01_REFUSED, "with all rights");
	is_u64(ept01_map_page(&ept, l1pa(0x1000), hpa(8), 7, 6), EPT01_REFUSED, "not to a page");
	is_u64(ept01_map_page(&ept, l1pa(0x1008), hpa(0), 7, 6), EPT01_REFUSED, "not from a page");
	ept01_restore(&ept, l1pa(BIT(40)));
	ept01_restore(&ept, l1pa(1));
	ept01_restore(&ept, l1pa(GIB));
	ok(all_default(false) && pool_is_whole(), "refusals change nothing");
}

static void test_map_page(void)
{
	start(POOL_PAGES);
	build();
	is_u64(ept01_map_page(&ept, l1pa(0xfee00000), hpa(0x12345000), 1, MEMORY_TYPE_WB),
	       EPT01_DONE, "a page elsewhere");
	is_walk(0xfee00008, 0x12345008, 1, 4096, MEMORY_TYPE_WB);
	is_u64(ept01_set_permission(&ept, l1pa(0xfee00000), 0), EPT01_DONE, "without rights");
	ok(!walk(0xfee00000).present, "is gone");
	is_u64(ept01_set_permission(&ept, l1pa(0xfee00000), 7), EPT01_DONE, "with all rights");
	is_walk(0xfee00008, 0x12345008, 7, 4096, MEMORY_TYPE_WB);
	mtrr.def_type = 0;
	ept01_retype(&ept, &mtrr);
	is_walk(0xfee00008, 0x12345008, 7, 4096, MEMORY_TYPE_WB);
	is_walk(0xfee01008, 0xfee01008, 7, 4096, MEMORY_TYPE_UC);
	ept01_restore(&ept, l1pa(0xfee00000));
	is_walk(0xfee00008, 0xfee00008, 7, GIB, MEMORY_TYPE_UC);

	is_u64(ept01_map_page(&ept, l1pa(L0_BASE), hpa(0x5000), 1, MEMORY_TYPE_WB), EPT01_DONE,
	       "a hidden page can lead elsewhere");
	is_walk(L0_BASE, 0x5000, 1, 4096, MEMORY_TYPE_WB);
	ok(!walk(L0_BASE + 4096).present, "its neighbour stays hidden");
	is_u64(ept01_set_permission(&ept, l1pa(L0_BASE), 3), EPT01_DONE, "and get rights");
	is_walk(L0_BASE, 0x5000, 3, 4096, MEMORY_TYPE_WB);
	ept01_restore(&ept, l1pa(L0_BASE));
	ok(all_default(false) && pool_is_whole(), "hidden again");
}

static void test_retype(void)
{
	u64 generation;

	start(POOL_PAGES);
	build();
	ept01_set_permission(&ept, l1pa(GIB), 1);
	ept01_set_permission(&ept, l1pa(GIB + 4096), 0);
	generation = ept.generation;
	mtrr.fixed[2] = 0x0101010101010101;
	mtrr.variable[3].base = (5 * GIB + 0x123000) | MEMORY_TYPE_UC;
	mtrr.variable[3].mask = (low_bits(40) & ~0xfffULL) | MTRR_PHYSMASK_VALID;
	mtrr.variable[4].base = GIB | MEMORY_TYPE_WT;
	mtrr.variable[4].mask = (low_bits(40) & ~(512 * MIB - 1)) | MTRR_PHYSMASK_VALID;
	ept01_retype(&ept, &mtrr);
	ok(ept.generation > generation, "generation");
	generation = ept.generation;
	ept01_retype(&ept, &mtrr);
	is_u64(ept.generation, generation, "the same MTRRs again change nothing");
	is_walk(5 * GIB + 0x123000, 5 * GIB + 0x123000, 7, 4096, MEMORY_TYPE_UC);
	is_walk(5 * GIB + 0x124000, 5 * GIB + 0x124000, 7, 4096, MEMORY_TYPE_WB);
	is_walk(0xa0000, 0xa0000, 7, 4096, MEMORY_TYPE_WC);
	is_walk(GIB, GIB, 1, 4096, MEMORY_TYPE_WT);
	ok(!walk(GIB + 4096).present, "a page taken away stays away");
	is_walk(GIB + 2 * MIB, GIB + 2 * MIB, 7, 2 * MIB, MEMORY_TYPE_WT);
	ept01_set_permission(&ept, l1pa(GIB + 4096), 1);
	is_walk(GIB + 4096, GIB + 4096, 1, 4096, MEMORY_TYPE_WT);
	ept01_restore(&ept, l1pa(GIB));
	ept01_restore(&ept, l1pa(GIB + 4096));
	ok(all_default(false) && pool_is_whole(), "all types are those of the MTRRs");
}

static void test_page_entry_flags(void)
{
	l1pa_t page = l1pa(0x604000);
	u64 *entry;

	start(POOL_PAGES);
	build();
	entry = ept01_page_entry(&ept, page);
	ept01_set_permission(&ept, page, EPT_READ);
	ok(*entry & EPT_DIRTY, "a change of an entry that somebody holds: perhaps written");
	ept01_page_release(&ept, page);
	ok(*entry & EPT_DIRTY, "one given back keeps it");
	ept01_set_permission(&ept, page, EPT_READ | EPT_EXECUTE);
	ok(!(*entry & EPT_DIRTY), "until it changes: nobody asks");
	ok(ept01_page_entry(&ept, page) == entry, "it can be had again");
}

/* What a CPU that has cached the way to @table, of 4 KiB pages from @base on, still finds there. */
static bool is_stale_but_right(const u64 *table, u64 base)
{
	bool right = !(table[0] & 7) || (table[0] & EPT_ADDRESS) == base;

	for (u64 i = 1; i < 512; i++)
		right &= (table[i] & EPT_ADDRESS) == base + i * 4096 && (table[i] & 7) == 7;
	return right;
}

/* The entry that is large again, with the flags of its parts; then pieces again. */
static void check_flags_of_large(u64 base)
{
	unsigned int level;
	u64 entry = *ept01_find_entry(&ept, base, &level);

	is_u64(level, 2, "2 MiB");
	is_u64(entry & (EPT_ACCESSED | EPT_DIRTY | LENT), EPT_ACCESSED | EPT_DIRTY | LENT,
	       "with the flags of all parts");
	is_u64(entry & (PINNED | OVERRIDDEN), 0, "and no others");
	ok(ept01_is_lent(ept01_page_entry(&ept, l1pa(base))), "which they inherit");
	ept01_page_release(&ept, l1pa(base));
}

static void test_join(void)
{
	const u64 base = 0x600000;
	struct ept01_translation t;
	u64 *first, *second, generation, *table;
	unsigned int used, free;

	start(POOL_PAGES);
	settings.ept_vpid &= ~EPT_CAP_1G;
	build();
	free = pool.free;
	first = ept01_page_entry(&ept, l1pa(base + 0x3000));
	second = ept01_page_entry(&ept, l1pa(base + 0x5000));
	table = first - 3;
	used = pool.free;
	generation = ept.generation;
	is_u64(used, free - 1, "a table for both");
	*first |= EPT_ACCESSED;
	second[3] |= EPT_DIRTY;
	ept01_lend(&ept, l1pa(base + 0x9000), &t);
	ept01_page_release(&ept, l1pa(base + 0x3000));
	is_u64(walk(base).size, 4096, "one of two is given back");
	ept01_page_release(&ept, l1pa(base + 0x5000));
	is_walk(base + 0x3123, base + 0x3123, 7, 2 * MIB, MEMORY_TYPE_WB);
	is_u64(ept.generation, generation, "no translation has changed");
	ok(pool.free == used && ept.evicted_count == 1 && pool_is_whole(), "the table waits");
	ok(is_stale_but_right(table, base), "for CPUs that still walk it");
	ept01_set_permission(&ept, l1pa(0x900000), EPT_READ);
	ok(is_stale_but_right(table, base), "whatever else is split meanwhile");
	ept01_restore(&ept, l1pa(0x900000));
	table[0] |= EPT_DIRTY; /* such a CPU is late */
	ept01_flushed(&ept);
	ok(pool.free == free && pool_is_whole(), "then it is free");
	check_flags_of_large(base);
	ept01_flushed(&ept);
	is_u64(pool.free, free, "free again");
}

/* Up to the largest page, and not while something in it differs. */
static void test_join_not(void)
{
	const u64 base = 5 * GIB;
	unsigned int free;

	start(POOL_PAGES);
	build();
	free = pool.free;
	ept01_page_entry(&ept, l1pa(base + 0x3000));
	ept01_set_permission(&ept, l1pa(base + 0x4000), EPT_READ);
	ept01_page_release(&ept, l1pa(base + 0x3000));
	is_u64(walk(base).size, 4096, "not with other rights in it");
	ept01_map_page(&ept, l1pa(base + 0x5000), hpa(base + 0x5000), 7, MEMORY_TYPE_WB);
	ept01_restore(&ept, l1pa(base + 0x4000));
	is_u64(walk(base).size, 4096, "nor with a page of its own, to the same place");
	ept01_page_entry(&ept, l1pa(base + 2 * MIB));
	ept01_restore(&ept, l1pa(base + 0x5000));
	is_u64(walk(base).size, 2 * MIB, "2 MiB");
	ept01_page_release(&ept, l1pa(base + 2 * MIB));
	is_u64(walk(base).size, GIB, "1 GiB");
	ept01_flushed(&ept);
	ok(pool.free == free && pool_is_whole(), "no page is lost");

	ept01_page_entry(&ept, l1pa(0x9000));
	ept01_page_release(&ept, l1pa(0x9000));
	is_u64(walk(0).size, 4096, "not where memory types differ");
	ept01_set_permission(&ept, l1pa(L0_BASE + L0_SIZE), EPT_READ);
	ept01_restore(&ept, l1pa(L0_BASE + L0_SIZE));
	is_u64(walk(L0_BASE + L0_SIZE).size, 4096, "nor around L0's memory");
	ept01_set_permission(&ept, l1pa(100 * GIB), EPT_READ);
	ept01_restore(&ept, l1pa(100 * GIB));
	ok(!walk(100 * GIB + 4096).present, "nor where most of it is absent");
	ok(all_default(false), "all the rest is as before");
}

static void test_lending(void)
{
	struct ept01_translation t;
	struct ept01_range change;
	u64 *entry, generation;

	start(POOL_PAGES);
	build();
	ok(ept01_walk(&ept, l1pa(0x600000), &t) && !t.lent, "nothing is lent at first");
	ok(ept01_lend(&ept, l1pa(0x612345), &t) && t.address.v == 0x612345, "a walk");
	ok(!ept01_lend(&ept, l1pa(L0_BASE), &t), "of what is L1's");
	ok(ept01_walk(&ept, l1pa(0x600000), &t) && t.lent, "a large page is lent as a whole");
	entry = ept01_page_entry(&ept, l1pa(0x601000));
	ok(entry && ept01_is_lent(entry), "and so are its parts");
	ok(ept01_walk(&ept, l1pa(0x800000), &t) && !t.lent, "but not what lies behind");
	generation = ept.generation;
	ept01_recall(&ept, l1pa(0x601000));
	ok(!ept01_is_lent(entry), "taken back");
	ok(ept01_walk(&ept, l1pa(0x7ff000), &t) && !t.lent, "with all of the 2 MiB");
	is_u64(ept.generation, generation + 1, "as a change");
	ok(ept01_change(&ept, ept.generation, &change) && change.base == 0x600000 &&
		   change.size == 2 * MIB,
	   "of these 2 MiB");
	for (unsigned int i = 0; i < EPT01_CHANGES; i++)
		ept01_set_permission(&ept, l1pa(0x900000), i % 2 ? EPT_RWX : EPT_READ);
	ok(!ept01_change(&ept, generation + 1, &change), "which is forgotten after a while");
	ok(ept01_change(&ept, ept.generation, &change) && change.base == 0x900000 &&
		   change.size == 4096,
	   "the last is known");
}

int main(void)
{
	fake_physmap_add(POOL_BASE, NULL, POOL_PAGES * 4096);
	test_build(FULL_CAPS, GIB);
	test_build(FULL_CAPS & ~EPT_CAP_1G, 2 * MIB);
	test_build(FULL_CAPS & ~(EPT_CAP_1G | EPT_CAP_2M), 4096);
	test_sizes();
	test_pointer();
	test_walk();
	test_on_demand();
	test_permission();
	test_refusals();
	test_map_page();
	test_retype();
	test_page_entry_flags();
	test_join();
	test_join_not();
	test_lending();
	fake_physmap_reset();
	return tap_end();
}
