/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory map.  A change builds a new map from the old one in one pass over its
 * sorted ranges, so that a change without room leaves the old one as it was.
 */
#include "xmhf/memory/e820.h"

#include "xmhf/lib/bits.h"

/* The range that is being put into a map. */
struct change {
	u64 start, end;
	u32 type;
	bool wins_always;
};

void memory_map_init(struct memory_map *map)
{
	map->count = 0;
}

static u64 range_end(const struct memory_range *range)
{
	return range->base + range->size;
}

/* Appends [start, end), which lies above all of @map; false if there is no room. */
static bool append(struct memory_map *map, u64 start, u64 end, u32 type)
{
	struct memory_range *last = map->count ? &map->range[map->count - 1] : NULL;

	if (start >= end)
		return true;
	if (last && range_end(last) == start && last->type == type) {
		last->size += end - start;
		return true;
	}
	if (map->count == MEMORY_MAP_CAPACITY)
		return false;
	map->range[map->count++] = (struct memory_range){ start, end - start, type };
	return true;
}

static u32 winner(const struct change *change, u32 old_type)
{
	return change->wins_always || change->type > old_type ? change->type : old_type;
}

/* Appends the old range [start, end) and the part of @change up to its end; moves @change on. */
static bool append_old(struct memory_map *map, const struct memory_range *old,
		       struct change *change)
{
	u64 start = old->base, end = range_end(old);
	u64 gap_end = min_u64(start, change->end);
	u64 common_start = max_u64(start, change->start);
	u64 common_end = min_u64(end, change->end);

	if (end <= change->start)
		return append(map, start, end, old->type);
	if (!append(map, start, min_u64(end, change->start), old->type) ||
	    !append(map, change->start, gap_end, change->type) ||
	    !append(map, common_start, common_end, winner(change, old->type)) ||
	    !append(map, max_u64(start, change->end), end, old->type))
		return false;
	change->start = max_u64(change->start, min_u64(end, change->end));
	return true;
}

static enum memory_map_result apply(struct memory_map *map, struct change change)
{
	struct memory_map next = { .count = 0 };

	for (unsigned int i = 0; i < map->count; i++)
		if (!append_old(&next, &map->range[i], &change))
			return MEMORY_MAP_FULL;
	if (!append(&next, change.start, change.end, change.type))
		return MEMORY_MAP_FULL;
	*map = next;
	return MEMORY_MAP_OK;
}

static enum memory_map_result put(struct memory_map *map, u64 base, u64 size, u32 type,
				  bool wins_always)
{
	if (size == 0)
		return MEMORY_MAP_EMPTY;
	if (base + size < base)
		return MEMORY_MAP_WRAPS;
	return apply(map, (struct change){ base, base + size, type, wins_always });
}

enum memory_map_result memory_map_add(struct memory_map *map, u64 base, u64 size, u32 type)
{
	return put(map, base, size, type ? type : MEMORY_RESERVED, false);
}

enum memory_map_result memory_map_reserve(struct memory_map *map, u64 base, u64 size)
{
	return put(map, base, size, MEMORY_RESERVED, true);
}

bool memory_map_find_top(const struct memory_map *map, u64 size, u64 align, u64 limit, u64 *base)
{
	for (unsigned int i = map->count; i-- > 0;) {
		const struct memory_range *range = &map->range[i];
		u64 end = min_u64(range_end(range), limit);

		if (range->type != MEMORY_RAM || end < size)
			continue;
		*base = align_down(end - size, align);
		if (*base >= range->base)
			return true;
	}
	return false;
}

bool memory_map_is_ram(const struct memory_map *map, u64 base, u64 size)
{
	for (unsigned int i = 0; i < map->count; i++) {
		const struct memory_range *range = &map->range[i];

		if (range->type == MEMORY_RAM && range->base <= base && size <= range->size &&
		    base - range->base <= range->size - size)
			return true;
	}
	return false;
}

u64 memory_map_total_ram(const struct memory_map *map)
{
	u64 total = 0;

	for (unsigned int i = 0; i < map->count; i++)
		if (map->range[i].type == MEMORY_RAM)
			total += map->range[i].size;
	return total;
}

u64 memory_map_top_of_ram(const struct memory_map *map)
{
	u64 top = 0;

	for (unsigned int i = 0; i < map->count; i++)
		if (map->range[i].type == MEMORY_RAM)
			top = range_end(&map->range[i]);
	return top;
}
