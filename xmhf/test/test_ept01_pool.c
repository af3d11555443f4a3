/* SPDX-License-Identifier: BSD-2-Clause */
// clang-format off
/* sources: xmhf/memory/ept01.c xmhf/memory/ept01_default.c xmhf/memory/ept01_override.c xmhf/memory/ept01_tables.c
 * xmhf/memory/mtrr.c xmhf/memory/page_pool.c xmhf/test/fake_physmap.c */
// clang-format on
/*
 * EPT01 with little memory for its tables: eviction, what may not be evicted, and random changes
 * with a model of what each page should be.
 */
#include "xmhf/memory/ept01_entry.h"
#include "xmhf/test/ept01_world.h"

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

/* A pool shared with others, in a machine too large for the pages EPT01 may take. */
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

/* What the random test did to its pages. */
#define PLACES 40
static u64 place[PLACES];
static struct model {
	bool overridden, own_page;
	u64 to, rights, type;
} model[PLACES];

/* Entries that it was given for their flags. */
static u64 *held[PLACES];

static void hold_or_release(unsigned int i)
{
	if (held[i]) {
		ept01_page_release(&ept, l1pa(place[i]));
		held[i] = NULL;
	} else {
		held[i] = ept01_page_entry(&ept, l1pa(place[i]));
	}
}

static bool is_held_still(unsigned int i)
{
	unsigned int level;

	return !held[i] || ept01_find_entry(&ept, place[i], &level) == held[i];
}

static bool is_overridden(u64 page)
{
	for (unsigned int i = 0; i < PLACES; i++)
		if (place[i] == page && model[i].overridden)
			return true;
	return false;
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
	memset(held, 0, sizeof(held));
	flushes = 0;
	for (unsigned int step = 0; step < 3000 && good; step++) {
		unsigned int i = random32() % PLACES;

		if (random32() % 4)
			random_step(place[i], &model[i]);
		else
			hold_or_release(i);
		for (unsigned int j = 0; j < PLACES; j++)
			if (!obeys(&model[j], place[j]) || !is_held_still(j)) {
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
	test_eviction();
	test_flush_protocol();
	test_full();
	test_page_entries();
	test_shared_pool();
	test_retype_full();
	is_excepted = is_overridden;
	test_random(EPT01_POOL_PAGES_MIN, FULL_CAPS);
	test_random(12, FULL_CAPS);
	test_random(20, FULL_CAPS & ~EPT_CAP_1G);
	test_random(30, FULL_CAPS & ~(EPT_CAP_1G | EPT_CAP_2M));
	test_random(300, FULL_CAPS);
	fake_physmap_reset();
	return tap_end();
}
