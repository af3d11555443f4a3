/* SPDX-License-Identifier: BSD-2-Clause */
// clang-format off
/* sources: xmhf/memory/ept01.c xmhf/memory/mtrr.c xmhf/memory/page_pool.c xmhf/test/fake_physmap.c */
// clang-format on
/*
 * EPT01: the tables are read by a walk of this file, from the EPT pointer as a processor would,
 * and compared with what each address should be.
 */
#include "xmhf/memory/ept01.h"

#include <string.h>

#include "xmhf/lib/bug.h"
#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"

#define POOL_BASE  0x7fc00000ULL
#define POOL_PAGES 2048
#define L0_BASE	   0x7fc00000ULL
#define L0_SIZE	   0x003ff000ULL /* ends between large pages */
#define FULL_CAPS  (EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_AD)

void bug_stop(const char *file, int line, const char *claim)
{
	printf("not ok - %s:%d: %s\n", file, line, claim);
	exit(1);
}

static struct page_pool pool;
static struct ept01 ept;
static struct ept01_settings settings;
static struct mtrr_state mtrr;

/* A PC with 6 GiB of RAM: 2 GiB below 4 GiB, devices above that uncached. */
static void start(unsigned int pages)
{
	memset(&mtrr, 0, sizeof(mtrr));
	mtrr.cap = 8 | MTRRCAP_FIX | MTRRCAP_WC;
	mtrr.physical_address_width = 40;
	mtrr.def_type = MTRR_DEF_TYPE_ENABLE | MTRR_DEF_TYPE_FIXED_ENABLE | MEMORY_TYPE_WB;
	for (unsigned int i = 0; i < 2; i++)
		mtrr.fixed[i] = 0x0606060606060606;
	mtrr.fixed[10] = 0x0505050505050505;
	mtrr.variable[0].base = 2 * GIB | MEMORY_TYPE_UC;
	mtrr.variable[0].mask = (low_bits(40) & ~(2 * GIB - 1)) | MTRR_PHYSMASK_VALID;
	settings = (struct ept01_settings){
		.top_of_ram = 8 * GIB,
		.ept_vpid = FULL_CAPS,
		.physical_address_width = 40,
		.hidden_count = 1,
		.hidden = { { L0_BASE, L0_SIZE } },
	};
	page_pool_init(&pool, hpa(POOL_BASE), pages);
}

static void build(void)
{
	ept01_build(&ept, &settings, &mtrr, &pool);
}

/* What the processor finds: SDM "The EPT Translation Mechanism". */
struct found {
	bool present, broken;
	u64 address, rights, type, size;
};

static struct found walk(u64 address)
{
	u64 pointer = ept01_pointer(&ept), table = pointer & EPTP_ADDRESS;

	if ((pointer & EPTP_WALK_LENGTH) != 3 << 3)
		return (struct found){ .broken = true };
	for (int level = 4;; level--) {
		u64 size = 4096ULL << 9 * (level - 1);
		const u64 *entries = hpa_to_pointer(hpa(table));
		u64 e = entries[address / size % 512];

		if (!(e & 7))
			return (struct found){ .present = false };
		if ((e & 3) == 2)
			return (struct found){ .broken = true };
		if (level > 1 && !(e & BIT(7))) {
			if (e & 0x78)
				return (struct found){ .broken = true };
			table = e & EPT_ADDRESS;
			continue;
		}
		if ((level == 3 && !(settings.ept_vpid & EPT_CAP_1G)) || level == 4 ||
		    (level == 2 && !(settings.ept_vpid & EPT_CAP_2M)) || e & BIT(6) ||
		    (e & EPT_ADDRESS & (size - 1)))
			return (struct found){ .broken = true };
		return (struct found){ true,  false,	  (e & EPT_ADDRESS) + address % size,
				       e & 7, e >> 3 & 7, size };
	}
}

static bool is_hidden(u64 address)
{
	for (unsigned int i = 0; i < settings.hidden_count; i++)
		if (address >= settings.hidden[i].base &&
		    address - settings.hidden[i].base < settings.hidden[i].size)
			return true;
	return false;
}

/* Claim: EPT01 says of @address what it should without overrides; absent too if @may_be_absent. */
static bool is_default(u64 address, bool may_be_absent)
{
	struct found f = walk(address);
	u64 end;

	if (f.broken)
		return false;
	if (!f.present)
		return is_hidden(address) || may_be_absent;
	return !is_hidden(address) && f.address == address && f.rights == 7 &&
	       f.type == (u64)mtrr_type(&mtrr, address, &end);
}

/* What the random test did to its pages. */
#define PLACES 40
static u64 place[PLACES];
static struct model {
	bool overridden, own_page;
	u64 to, rights, type;
} model[PLACES];

static bool is_overridden(u64 page)
{
	for (unsigned int i = 0; i < PLACES; i++)
		if (place[i] == page && model[i].overridden)
			return true;
	return false;
}

/* Addresses around everything interesting. */
static bool all_default(bool may_be_absent)
{
	static const u64 places[] = {
		0,   0x80000, 0xa0000,		 0xc0000, 0xf8000, MIB,	    2 * MIB, 4 * MIB,
		GIB, L0_BASE, L0_BASE + L0_SIZE, 2 * GIB, 3 * GIB, 4 * GIB, 5 * GIB, 8 * GIB,
	};
	bool good = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		for (s64 d = -4; d < 4; d++) {
			u64 address = places[i] + (u64)d * 4096;

			if (address < 8 * GIB && !is_overridden(address) &&
			    !is_default(address, may_be_absent)) {
				printf("# wrong at %llx\n", address);
				good = false;
			}
		}
	return good;
}

/* Every page of the pool is free, waiting, or reached exactly once. */
static unsigned int count_reached(u64 table, int level, u8 *reached)
{
	const u64 *entries = hpa_to_pointer(hpa(table));
	unsigned int count = 1;

	if (reached[(table - POOL_BASE) / 4096]++)
		return POOL_PAGES;
	for (int i = 0; level > 1 && i < 512; i++)
		if (entries[i] & 7 && !(entries[i] & BIT(7)))
			count += count_reached(entries[i] & EPT_ADDRESS, level - 1, reached);
	return count;
}

static bool pool_is_whole(void)
{
	static u8 reached[POOL_PAGES];

	memset(reached, 0, sizeof(reached));
	return count_reached(ept.root.v, 4, reached) + pool.free + ept.evicted_count == pool.count;
}

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

static void is_walk(u64 address, u64 to, u64 rights, u64 size, u64 type)
{
	struct ept01_translation t = { .address = { 1 } };
	bool found = ept01_walk(&ept, l1pa(address), &t);

	ok(found && t.address.v == to && t.rights == rights && t.page_size == size &&
		   (u64)t.type == type,
	   "%llx leads to %llx rights %llu size %llx type %llu", address, to, rights, size, type);
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
	is_walk(5 * GIB + 0x5000, 5 * GIB + 0x5000, 7, 4096, MEMORY_TYPE_WB);
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
	is_walk(0xfee00008, 0xfee00008, 7, 4096, MEMORY_TYPE_UC);

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

/* Repeats an operation until it needs no eviction; counts evictions. */
static unsigned int flushes;
#define UNTIL_DONE(result, call)                             \
	while (((result) = (call)) == EPT01_FLUSH) {         \
		ept01_flushed(&ept);                         \
		if (++flushes > 1000000)                     \
			bug_stop(__FILE__, __LINE__, #call); \
	}

static void test_eviction(void)
{
	enum ept01_result result;
	u64 generation;

	start(24);
	settings.physical_address_width = mtrr.physical_address_width = 46;
	build();
	ok(all_default(false), "RAM fits the pool");
	ept01_set_permission(&ept, l1pa(BIT(45)), EPT_READ);
	flushes = 0;
	generation = ept.generation;
	for (u64 i = 1; i < 100; i++) {
		UNTIL_DONE(result, ept01_map_on_demand(&ept, l1pa(i << 39)));
		if (i != 64 && (result != EPT01_DONE || !is_default((i << 39) + 8, false)))
			ok(0, "address %llx, result %u", i << 39, (unsigned int)result);
	}
	ok(flushes > 3 && ept.generation == generation + flushes, "evicted %u times", flushes);
	ok(all_default(false), "RAM stayed mapped");
	is_walk(BIT(45), BIT(45), 1, 4096, MEMORY_TYPE_WB);
	ok(pool_is_whole(), "no page lost");
}

static void test_flush_protocol(void)
{
	enum ept01_result result = EPT01_DONE;
	u64 last = 0;
	struct found before;

	start(24);
	settings.physical_address_width = mtrr.physical_address_width = 46;
	build();
	for (u64 i = 1; result == EPT01_DONE; i++)
		result = ept01_map_on_demand(&ept, l1pa(last = i << 39));
	is_u64(result, EPT01_FLUSH, "the pool runs out");
	ok(ept.evicted_count > 3 && !pool.free && pool_is_whole(), "tables wait");
	before = walk(last);
	is_u64(ept01_map_on_demand(&ept, l1pa(last)), EPT01_FLUSH, "and wait");
	ok(!before.present && !pool.free, "and are not used");
	ept01_flushed(&ept);
	ok(pool.free > 3 && !ept.evicted_count && pool_is_whole(), "until they are flushed");
	is_u64(ept01_map_on_demand(&ept, l1pa(last)), EPT01_DONE, "then they are");
}

static void test_full(void)
{
	enum ept01_result result = EPT01_DONE;
	unsigned int count = 0;

	start(40);
	settings.physical_address_width = mtrr.physical_address_width = 46;
	build();
	flushes = 0;
	while (result == EPT01_DONE && count < 1000) {
		u64 page = 6 * GIB + count * 2 * MIB;

		UNTIL_DONE(result, ept01_set_permission(&ept, l1pa(page), EPT_READ));
		count += result == EPT01_DONE;
	}
	is_u64(result, EPT01_FULL, "overrides fill the pool");
	ok(count >= 40 - 8 && pool_is_whole(), "with %u tables", count);
	for (u64 i = 1; i < 100; i++) {
		UNTIL_DONE(result, ept01_map_on_demand(&ept, l1pa(i << 39)));
		if (result != EPT01_DONE)
			ok(0, "address %llx, result %u", i << 39, (unsigned int)result);
	}
	UNTIL_DONE(result, ept01_map_on_demand(&ept, l1pa(0x1000)));
	ok(is_default(0x1000, false), "other addresses can always be mapped");
	for (unsigned int i = 0; i < count; i++) {
		struct found f = walk(6 * GIB + i * 2 * MIB);

		if (!f.present || f.rights != EPT_READ)
			ok(0, "override %u is kept", i);
	}
	UNTIL_DONE(result, ept01_set_permission(&ept, l1pa(6 * GIB + 4096), 1));
	is_u64(result, EPT01_DONE, "an override in a table that is there");
	for (unsigned int i = 0; i < count; i++)
		ept01_restore(&ept, l1pa(6 * GIB + i * 2 * MIB));
	UNTIL_DONE(result, ept01_set_permission(&ept, l1pa(2 * GIB + 64 * MIB), EPT_READ));
	is_u64(result, EPT01_DONE, "ended overrides give room");
	ok(all_default(true) && pool_is_whole(), "no page lost");
}

/* A pool shared with others, in a machine too large for the pages EPT01 may take. */
/* Entries given away for their flags stay where they are, whatever is evicted around them. */
static void test_page_entries(void)
{
	u64 *entry[64], page[64];
	unsigned int count = 0, evictions = 0;
	bool same = true;

	start(40);
	settings.physical_address_width = 46;
	build();
	while (count < 64) {
		page[count] = (4 + 2 * count) * MIB + 0x3000;
		entry[count] = ept01_page_entry(&ept, l1pa(page[count]));
		if (!entry[count])
			break;
		count++;
	}
	ok(count > 8 && count < 64, "the pool has room for %u entries, not for all", count);
	for (u64 i = 1; i < 100; i++) {
		if (ept01_map_on_demand(&ept, l1pa(i * 512 * GIB)) == EPT01_FLUSH) {
			evictions++;
			ept01_flushed(&ept);
		}
	}
	ok(evictions, "tables were evicted");
	for (u64 i = 0; i < 20; i++) {
		if (ept01_set_permission(&ept, l1pa((401 + 2 * i) * MIB), EPT_READ) == EPT01_FLUSH)
			ept01_flushed(&ept);
	}
	for (unsigned int i = 0; i < count; i++) {
		u64 was = *entry[i];

		*entry[i] = 0;
		same &= !walk(page[i]).present;
		*entry[i] = was;
		same &= walk(page[i]).address == page[i];
	}
	ok(same, "all entries are still in use");
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
	ept01_page_release(entry);
	ept01_restore(&ept, page);
	ok(!(*entry & EPT_DIRTY), "of one given back: nobody asks");
	ok(ept01_page_entry(&ept, page) == entry, "it can be had again");
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

static void test_shared_pool(void)
{
	enum ept01_result result;
	u64 others;

	start(POOL_PAGES);
	settings.ept_vpid &= ~EPT_CAP_1G;
	settings.physical_address_width = mtrr.physical_address_width = 46;
	settings.top_of_ram = 1800 * GIB;
	build();
	others = POOL_PAGES - EPT01_POOL_PAGES_MAX;
	ok(pool.free >= others, "at least %llu pages are left, got %u", others, pool.free);
	is_u64(ept.pages, POOL_PAGES - pool.free, "pages in use");
	flushes = 0;
	for (u64 i = 1; i < 1800; i++) {
		UNTIL_DONE(result, ept01_map_on_demand(&ept, l1pa(i * GIB)));
		if (result != EPT01_DONE && result != EPT01_PRESENT && !is_hidden(i * GIB))
			ok(0, "GiB %llu, result %u", i, (unsigned int)result);
		if (!is_default(i * GIB, false))
			ok(0, "GiB %llu is mapped", i);
	}
	ok(flushes && pool.free >= others && pool_is_whole(), "the rest by evicting");
	is_u64(ept.pages, POOL_PAGES - pool.free, "pages in use");
}

/* Splitting for new types without a free page. */
static void test_retype_full(void)
{
	enum ept01_result result;

	start(EPT01_POOL_PAGES_MIN);
	build();
	ok(all_default(true) && pool_is_whole(), "a small pool maps what it can");
	for (u64 page = 0; page < 8 * GIB; page += 33 * MIB)
		if (!is_hidden(page)) {
			UNTIL_DONE(result, ept01_map_on_demand(&ept, l1pa(page)));
			if (!is_default(page, false))
				ok(0, "page %llx", page);
		}
	for (unsigned int i = 1; i < 8; i++) {
		mtrr.variable[i].base = (i * GIB + i * 5 * MIB + i * 4096) | MEMORY_TYPE_UC;
		mtrr.variable[i].mask = (low_bits(40) & ~0xfffULL) | MTRR_PHYSMASK_VALID;
	}
	ept01_retype(&ept, &mtrr);
	ok(all_default(true) && pool_is_whole(), "no wrong type, no page lost");
	for (unsigned int i = 1; i < 8; i++) {
		u64 page = i * GIB + i * 5 * MIB + i * 4096;

		UNTIL_DONE(result, ept01_map_on_demand(&ept, l1pa(page)));
		ok(is_default(page, false), "the page of range %u", i);
	}
}

/* Random operations on few pages, with a model of what each should be. */
static u32 random32(void)
{
	static u32 state = 99;

	state ^= state << 13;
	state ^= state >> 17;
	return state ^= state << 5;
}

static bool obeys(const struct model *m, u64 page)
{
	struct found f = walk(page + 0x123);
	u64 end;

	if (!m->overridden)
		return is_default(page + 0x123, true);
	if (f.broken || f.present != (m->rights != 0))
		return false;
	return !f.present || (f.address == m->to + 0x123 && f.rights == m->rights &&
			      f.type == (m->own_page ? m->type : mtrr_type(&mtrr, page, &end)));
}

static enum ept01_result random_step(u64 page, struct model *m)
{
	static const u8 rights_of[] = { 0, 1, 3, 5, 7 };
	u64 rights = rights_of[random32() % 5];
	u64 to = (u64)(random32() % 1000) << 12;
	enum ept01_result result = EPT01_DONE;

	switch (random32() % 8) {
	case 0:
		UNTIL_DONE(result, ept01_set_permission(&ept, l1pa(page), rights));
		if (result == EPT01_DONE && m->own_page)
			m->rights = rights;
		else if (result == EPT01_DONE)
			*m = (struct model){ rights != 7, false, page, rights, 0 };
		break;
	case 1:
		UNTIL_DONE(result, ept01_map_page(&ept, l1pa(page), hpa(to), rights, 4));
		if (result == EPT01_DONE)
			*m = (struct model){ true, true, to, rights, 4 };
		break;
	case 2:
	case 3:
		ept01_restore(&ept, l1pa(page));
		*m = (struct model){ .overridden = false };
		break;
	case 4:
		mtrr.variable[random32() % 8].base = (page & ~0xfffULL) | (random32() % 2 ? 6 : 0);
		mtrr.variable[random32() % 8].mask =
			(low_bits(46) & ~((4096ULL << random32() % 20) - 1)) |
			(random32() % 2 ? MTRR_PHYSMASK_VALID : 0);
		ept01_retype(&ept, &mtrr);
		break;
	default:
		UNTIL_DONE(result, ept01_map_on_demand(&ept, l1pa(page)));
		if (result == EPT01_FULL || (result == EPT01_REFUSED &&
					     !(m->overridden ? m->rights == 0 : is_hidden(page))))
			ok(0, "page %llx can be mapped, result %u", page, (unsigned int)result);
		else if (result == EPT01_DONE && !walk(page).present)
			ok(0, "page %llx was mapped", page);
	}
	return result;
}

static void test_random(unsigned int pages, u64 caps)
{
	bool good = true;

	start(pages);
	settings.ept_vpid = caps;
	settings.physical_address_width = mtrr.physical_address_width = 46;
	build();
	for (unsigned int i = 0; i < PLACES; i++)
		place[i] = i < 8 ? L0_BASE - 4 * 4096 + i * 4096ULL
				 : ((u64)(i % 5) << 40 | (u64)(i % 3) << 31 | (u64)(i % 4) << 21 |
				    (u64)i << 12);
	memset(model, 0, sizeof(model));
	flushes = 0;
	for (unsigned int step = 0; step < 3000 && good; step++) {
		unsigned int i = random32() % PLACES;

		random_step(place[i], &model[i]);
		for (unsigned int j = 0; j < PLACES; j++)
			if (!obeys(&model[j], place[j])) {
				printf("# step %u, page %llx\n", step, place[j]);
				good = false;
			}
		if (step % 16 == 0)
			good &= all_default(true) && pool_is_whole();
	}
	ok(good, "3000 random steps in %u pages: all as the model says", pages);
	ok(pages > 100 || flushes, "with evictions");
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
	test_eviction();
	test_flush_protocol();
	test_full();
	test_page_entries();
	test_page_entry_flags();
	test_lending();
	test_shared_pool();
	test_retype_full();
	test_random(EPT01_POOL_PAGES_MIN, FULL_CAPS);
	test_random(12, FULL_CAPS);
	test_random(20, FULL_CAPS & ~EPT_CAP_1G);
	test_random(30, FULL_CAPS & ~(EPT_CAP_1G | EPT_CAP_2M));
	test_random(300, FULL_CAPS);
	fake_physmap_reset();
	return tap_end();
}
