/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory map in the terms of INT 15h AX=E820h.  Pure.  ACPI specification "System
 * Address Map Interfaces".
 * A map is at all times sorted by address, free of overlaps, and without neighbours that
 * could be one range.  Where ranges were given that overlap, the higher type number
 * wins, as in Linux: memory is RAM only where nobody objects.
 * Changing a map takes 3 KiB of stack.
 */
#pragma once

#include "xmhf/lib/types.h"

enum memory_range_type {
	MEMORY_RAM = 1,
	MEMORY_RESERVED = 2,
	MEMORY_ACPI = 3,
	MEMORY_NVS = 4,
	MEMORY_UNUSABLE = 5,
};

#define MEMORY_MAP_CAPACITY 128

struct memory_range {
	u64 base, size;
	u32 type;
};

struct memory_map {
	unsigned int count;
	struct memory_range range[MEMORY_MAP_CAPACITY];
};

enum memory_map_result {
	MEMORY_MAP_OK,
	MEMORY_MAP_EMPTY, /* size 0: nothing to add */
	MEMORY_MAP_WRAPS, /* base + size does not fit 64 bits: the range was ignored */
	MEMORY_MAP_FULL,  /* no room: the map is as before */
};

/** Makes @map empty. */
void memory_map_init(struct memory_map *map);

/** Adds a range in any order.  Type 0, which no specification defines, counts as reserved. */
enum memory_map_result memory_map_add(struct memory_map *map, u64 base, u64 size, u32 type);

/** Makes the range MEMORY_RESERVED, whatever it was before. */
enum memory_map_result memory_map_reserve(struct memory_map *map, u64 base, u64 size);

/**
 * The highest RAM block of @size bytes, its base a multiple of @align (a power of two),
 * its end at or below @limit.  Returns false if there is none.
 */
bool memory_map_find_top(const struct memory_map *map, u64 size, u64 align, u64 limit, u64 *base);

/** Claim: all of the @size bytes at @base are RAM; @size is not 0. */
bool memory_map_is_ram(const struct memory_map *map, u64 base, u64 size);

/** Bytes of RAM. */
u64 memory_map_total_ram(const struct memory_map *map);

/** The end of the highest RAM; 0 if there is no RAM. */
u64 memory_map_top_of_ram(const struct memory_map *map);
