/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/memory/e820.c */
/* The memory map: each rule, and random maps compared with an array of bytes. */
#include "xmhf/memory/e820.h"

#include "xmhf/lib/bits.h"
#include "xmhf/test/tap.h"

static void is_range(const struct memory_map *map, unsigned int i, u64 base, u64 size, u32 type)
{
	const struct memory_range *r = &map->range[i];

	ok(i < map->count && r->base == base && r->size == size && r->type == type,
	   "range %u is %llx+%llx type %u", i, base, size, type);
}

static void test_add(void)
{
	struct memory_map map;

	memory_map_init(&map);
	is_u64(memory_map_add(&map, 0x100000, 0x1000, MEMORY_RAM), MEMORY_MAP_OK, "add");
	is_u64(memory_map_add(&map, 0, 0x9f000, MEMORY_RAM), MEMORY_MAP_OK, "add below");
	is_u64(map.count, 2, "two ranges");
	is_range(&map, 0, 0, 0x9f000, MEMORY_RAM);
	is_range(&map, 1, 0x100000, 0x1000, MEMORY_RAM);

	memory_map_add(&map, 0x9f000, 0x61000, MEMORY_RAM);
	is_u64(map.count, 1, "neighbours of one type are one range");
	is_range(&map, 0, 0, 0x101000, MEMORY_RAM);

	memory_map_add(&map, 0x9f000, 0x1000, MEMORY_ACPI);
	is_u64(map.count, 3, "a higher type splits RAM");
	is_range(&map, 1, 0x9f000, 0x1000, MEMORY_ACPI);
	memory_map_add(&map, 0x9e000, 0x3000, MEMORY_RESERVED);
	is_u64(map.count, 5, "a middle type wins over RAM and loses to ACPI");
	is_range(&map, 1, 0x9e000, 0x1000, MEMORY_RESERVED);
	is_range(&map, 2, 0x9f000, 0x1000, MEMORY_ACPI);
	is_range(&map, 3, 0xa0000, 0x1000, MEMORY_RESERVED);

	memory_map_init(&map);
	memory_map_add(&map, 0x1000, 0x1000, 0);
	is_range(&map, 0, 0x1000, 0x1000, MEMORY_RESERVED);
}

static void test_odd_sizes(void)
{
	struct memory_map map;

	memory_map_init(&map);
	is_u64(memory_map_add(&map, 0x1000, 0, MEMORY_RAM), MEMORY_MAP_EMPTY, "size 0");
	is_u64(memory_map_add(&map, ~0ULL, 2, MEMORY_RAM), MEMORY_MAP_WRAPS, "wraps around");
	is_u64(memory_map_add(&map, 1, ~0ULL, MEMORY_RAM), MEMORY_MAP_WRAPS, "ends at 2^64");
	is_u64(map.count, 0, "nothing was added");
	is_u64(memory_map_add(&map, 0, ~0ULL, MEMORY_RAM), MEMORY_MAP_OK, "the largest range");
	is_u64(memory_map_total_ram(&map), ~0ULL, "its size");
}

static void test_full(void)
{
	struct memory_map map, before;

	memory_map_init(&map);
	for (unsigned int i = 0; i < MEMORY_MAP_CAPACITY; i++)
		if (memory_map_add(&map, i * 0x2000ULL, 0x1000, MEMORY_RAM) != MEMORY_MAP_OK)
			ok(0, "range %u has room", i);
	is_u64(map.count, MEMORY_MAP_CAPACITY, "the capacity");
	before = map;
	is_u64(memory_map_add(&map, 0x1000000, 1, MEMORY_RAM), MEMORY_MAP_FULL, "one more");
	is_u64(memory_map_add(&map, 0x10, 1, MEMORY_ACPI), MEMORY_MAP_FULL, "a split");
	is_u64(memory_map_reserve(&map, 0x10, 1), MEMORY_MAP_FULL, "a reservation");
	ok(map.count == before.count &&
		   !__builtin_memcmp(map.range, before.range, sizeof(map.range)),
	   "a full map stays as it was");
	is_u64(memory_map_add(&map, 0x1000, 0x1000, MEMORY_RAM), MEMORY_MAP_OK, "a merge has room");
	is_u64(map.count, MEMORY_MAP_CAPACITY - 1, "and makes room");
	memory_map_init(&map);
	ok(!memory_map_total_ram(&map) && !memory_map_top_of_ram(&map) &&
		   !memory_map_is_ram(&map, 0, 1),
	   "nothing of an earlier map is left");
}

static void test_reserve(void)
{
	struct memory_map map;

	memory_map_init(&map);
	memory_map_add(&map, 0, 0x10000, MEMORY_RAM);
	memory_map_add(&map, 0x8000, 0x1000, MEMORY_NVS);
	is_u64(memory_map_reserve(&map, 0x7000, 0x2000), MEMORY_MAP_OK, "reserve");
	is_u64(map.count, 3, "one hole");
	is_range(&map, 0, 0, 0x7000, MEMORY_RAM);
	is_range(&map, 1, 0x7000, 0x2000, MEMORY_RESERVED);
	is_range(&map, 2, 0x9000, 0x7000, MEMORY_RAM);
	is_u64(memory_map_total_ram(&map), 0xe000, "RAM left");
	memory_map_reserve(&map, 0x20000, 0x1000);
	is_range(&map, 3, 0x20000, 0x1000, MEMORY_RESERVED);
	is_u64(memory_map_top_of_ram(&map), 0x10000, "top of RAM is not top of map");
}

static void test_find_top(void)
{
	struct memory_map map;
	u64 base = 1;

	memory_map_init(&map);
	ok(!memory_map_find_top(&map, 1, 1, ~0ULL, &base), "no RAM, no block");
	memory_map_add(&map, 0, 0xa0000, MEMORY_RAM);
	memory_map_add(&map, 0x100000, 0x7ff01000 - 0x100000, MEMORY_RAM);
	memory_map_add(&map, 0x7ff01000, 0x100000, MEMORY_RESERVED);
	memory_map_add(&map, 4 * GIB, GIB, MEMORY_RAM);

	ok(memory_map_find_top(&map, 4 * MIB, 2 * MIB, 4 * GIB, &base), "below 4 GiB");
	is_u64(base, 0x7fa00000, "aligned down, below the reserved range");
	ok(memory_map_find_top(&map, 4 * MIB, 2 * MIB, ~0ULL, &base), "anywhere");
	is_u64(base, 5 * GIB - 4 * MIB, "the top");
	ok(memory_map_find_top(&map, 0x1000, 0x1000, 0x100000, &base), "below 1 MiB");
	is_u64(base, 0x9f000, "the top of low RAM");
	ok(memory_map_find_top(&map, 0xa0000, 0x1000, 0xa0000, &base), "all of low RAM");
	is_u64(base, 0, "at 0");
	ok(!memory_map_find_top(&map, 0xa1000, 0x1000, 0x100000, &base), "too large");
	ok(memory_map_find_top(&map, GIB, GIB, ~0ULL, &base) && base == 4 * GIB, "exact fit");
	ok(memory_map_find_top(&map, GIB + 1, 1, ~0ULL, &base) && base == 0x7ff01000 - GIB - 1,
	   "falls to a lower range");
	memory_map_init(&map);
	memory_map_add(&map, 0x1000, 0x1000, MEMORY_RAM);
	ok(!memory_map_find_top(&map, 0x1000, 0x2000, ~0ULL, &base), "alignment has no room");
}

static void test_is_ram(void)
{
	struct memory_map map;

	memory_map_init(&map);
	memory_map_add(&map, 0x1000, 0x2000, MEMORY_RAM);
	memory_map_add(&map, 0x3000, 0x1000, MEMORY_RESERVED);
	ok(memory_map_is_ram(&map, 0x1000, 0x2000), "all of it");
	ok(memory_map_is_ram(&map, 0x2fff, 1), "last byte");
	ok(!memory_map_is_ram(&map, 0x2fff, 2), "one byte too far");
	ok(!memory_map_is_ram(&map, 0xfff, 2), "one byte too early");
	ok(!memory_map_is_ram(&map, 0x3000, 1), "reserved");
	ok(!memory_map_is_ram(&map, 0x1001, ~0ULL), "a size that wraps around");
}

/* Random operations on a small space against one type per byte. */
#define SPACE 64
static void test_model(void)
{
	unsigned int state = 1;
	bool good = true;

	for (unsigned int round = 0; round < 2000; round++) {
		u32 model[SPACE + 1] = { 0 };
		struct memory_map map;

		memory_map_init(&map);
		for (unsigned int step = 0; step < 12; step++) {
			u32 r = state = state * 1664525 + 1013904223;
			u64 base = (r >> 8) % SPACE, size = (r >> 16) % (SPACE - base) + 1;
			u32 type = (r >> 28) % 5 + 1;

			if (type == 5)
				memory_map_reserve(&map, base, size);
			else
				memory_map_add(&map, base, size, type);
			for (u64 a = base; a < base + size; a++)
				model[a] = type == 5	     ? MEMORY_RESERVED
					   : type > model[a] ? type
							     : model[a];
		}
		u64 at = 0;
		for (unsigned int i = 0; i < map.count; i++) {
			const struct memory_range *r = &map.range[i];

			for (; at < r->base; at++)
				good &= model[at] == 0;
			good &= r->base >= at && r->size > 0;
			for (at = r->base; at < r->base + r->size; at++)
				good &= model[at] == r->type;
			good &= i == 0 || r[-1].base + r[-1].size < r->base ||
				r[-1].type != r->type;
		}
		for (; at < SPACE; at++)
			good &= model[at] == 0;
	}
	ok(good, "2000 random maps are what a byte array says, sorted and merged");
}

int main(void)
{
	test_add();
	test_odd_sizes();
	test_full();
	test_reserve();
	test_find_top();
	test_is_ram();
	test_model();
	return tap_end();
}
