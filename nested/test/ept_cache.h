/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A processor that walks EPT02 and caches translations, links too, as long as it may: until they
 * are dropped by INVEPT or, for one address, by an EPT violation there.
 */
#pragma once

#include "nested/test/ept_world.h"

#define CACHED 64
#define LARGE  0x80

struct cached {
	u64 root, prefix, entry, rights; /* rights ANDed from the root on; 0: unused */
	int level;
};

static struct cached cache[CACHED];
static unsigned int cache_next;

static void cache_put(u64 root, u64 l2, int level, u64 entry, u64 rights)
{
	cache[cache_next++ % CACHED] =
		(struct cached){ root, l2 >> (3 + 9 * level), entry, rights, level };
}

static const struct cached *cache_find(u64 root, u64 l2, bool deepest)
{
	const struct cached *found = NULL;
	unsigned int i;

	for (i = 0; i < CACHED; i++) {
		const struct cached *c = &cache[i];

		if (c->rights && c->root == root && l2 >> (3 + 9 * c->level) == c->prefix &&
		    (!found || (c->level < found->level) == deepest))
			found = c;
	}
	return found;
}

static void cache_drop(u64 root, u64 l2, bool all)
{
	unsigned int i;

	for (i = 0; i < CACHED; i++)
		if (cache[i].root == root &&
		    (all || l2 >> (3 + 9 * cache[i].level) == cache[i].prefix))
			cache[i].rights = 0;
}

/* The processor's access: true if it goes on, with the translation. */
static bool processor(u64 eptp02, u64 l2, u64 access, bool deepest, struct hardware *h)
{
	u64 root = eptp02 & 0xffffffffff000ULL, entry = root, rights = 7;
	const struct cached *c = cache_find(root, l2, deepest);
	int level = 4;

	if (c) {
		entry = c->entry;
		rights = c->rights;
		level = c->level - 1;
	}
	while (!c || (level > 0 && !(entry & LARGE))) {
		entry = hardware_table(entry & 0xffffffffff000ULL)[l2 >> (3 + 9 * level) & 511];
		rights &= entry;
		if (!(entry & 7) || access & ~rights)
			return false;
		cache_put(root, l2, level, entry, rights);
		level--;
		c = cache;
	}
	if (access & ~rights)
		return false;
	*h = (struct hardware){ .rights = rights, .size = 1ULL << (12 + 9 * level) };
	h->host = (entry & 0xffffffffff000ULL & ~(h->size - 1)) | (l2 & (h->size - 1));
	h->type = entry >> 3 & 7;
	h->ignore_pat = entry >> 6 & 1;
	return true;
}
