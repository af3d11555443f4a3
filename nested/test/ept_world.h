/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small world for the tests of EPT02: L1's memory as far as it holds EPT12, EPT01 as arrays, and
 * two walkers that share no code with what is tested: one of EPT12 followed by EPT01,
 * as the SDM tells, one of the tables of EPT02 as the processor would read them.
 */
#pragma once

#include <string.h>

#include "nested/ept02/ept02.h"
#include "xmhf/lib/bug.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"

#define WORLD_UNUSED __attribute__((unused))

/* L1's memory: 4 GiB of addresses; that which holds tables exists. */
#define WORLD_L1_SIZE	  (4 * GIB)
#define WORLD_TABLE_COUNT 64
#define WORLD_TABLES	  0x10000000ULL
#define WORLD_HOST_OFFSET 0x4000000000ULL
#define WORLD_POOL_HOST	  0x7f00000000ULL

static u64 world_memory[WORLD_TABLE_COUNT][512] __attribute__((aligned(4096)));
static bool world_table_gone[WORLD_TABLE_COUNT]; /* taken away from L1 */

/* EPT01: the level of the page for each GiB and each 2 MiB; rights and type for each 4 KiB. */
static u8 world_level_1g[4], world_level_2m[2048];
static u8 world_rights[1 << 20], world_type[1 << 20];

/* Called at every look into L1's memory and into EPT01, where a test sets it. */
static void (*world_hook)(void);

static struct vmx_caps world_caps;     /* shown to L1 */
static struct vmx_caps world_hardware; /* of the processor */

WORLD_UNUSED void bug_stop(const char *file, int line, const char *claim)
{
	printf("not ok - %s:%d: %s\n", file, line, claim);
	fflush(stdout);
	abort();
}

void *l1_memory_view(l1pa_t address, u64 size)
{
	u64 page = (address.v - WORLD_TABLES) / 4096;

	if (world_hook)
		world_hook();
	if (address.v < WORLD_TABLES || page >= WORLD_TABLE_COUNT || world_table_gone[page] ||
	    address.v % 4096 + size > 4096)
		return NULL;
	return (u8 *)world_memory[page] + address.v % 4096;
}

bool l1_memory_may_write(l1pa_t address)
{
	(void)address;
	return true;
}

void l1_memory_write(l1pa_t address, const void *in, u64 size)
{
	void *view = l1_memory_view(address, size);

	if (view)
		memcpy(view, in, size);
}

/* What the test says that EPT01's change to a generation changed. */
static struct ept01_range world_change;
static u64 world_changes_known;

bool ept02_lower_change(u64 generation, struct ept01_range *out)
{
	(void)generation;
	*out = world_change;
	return world_changes_known && world_changes_known--;
}

/* First 4 KiB page of the EPT01 page that holds page @number, and its size in pages. */
static u64 world_lower_first(u64 number, u64 *pages)
{
	if (world_level_1g[number >> 18] == 3)
		*pages = 1 << 18;
	else if (world_level_2m[number >> 9] == 2)
		*pages = 1 << 9;
	else
		*pages = 1;
	return number & ~(*pages - 1);
}

/* Host address of an address of L1: pages of 4 KiB change places in EPT01, larger ones do not. */
static u64 world_host(u64 address)
{
	u64 pages, first = world_lower_first(address >> 12, &pages);

	if (pages == 1)
		first ^= 5;
	return WORLD_HOST_OFFSET + first * 4096 + (address & (pages * 4096 - 1));
}

bool ept02_lower_lookup(l1pa_t address, struct ept01_translation *out)
{
	u64 pages, first;

	if (world_hook)
		world_hook();
	if (address.v >= WORLD_L1_SIZE)
		return false;
	first = world_lower_first(address.v >> 12, &pages);
	out->address = hpa(world_host(address.v));
	out->rights = world_rights[first];
	out->page_size = pages * 4096;
	out->type = (enum memory_type)world_type[first];
	return out->rights;
}

static WORLD_UNUSED u64 world_table(unsigned int number)
{
	return WORLD_TABLES + number * 4096ULL;
}

static WORLD_UNUSED void world_fill_lower(u8 rights, u8 type)
{
	memset(world_level_1g, 3, sizeof(world_level_1g));
	memset(world_level_2m, 2, sizeof(world_level_2m));
	memset(world_rights, rights, sizeof(world_rights));
	memset(world_type, type, sizeof(world_type));
}

static WORLD_UNUSED void world_init(void)
{
	memset(world_memory, 0, sizeof(world_memory));
	memset(world_table_gone, 0, sizeof(world_table_gone));
	world_fill_lower(7, 6);
	memset(&world_caps, 0, sizeof(world_caps));
	world_caps.ept_vpid = EPT_CAP_EXECUTE_ONLY | EPT_CAP_WALK_4 | EPT_CAP_WALK_5 | EPT_CAP_WB |
			      EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_AD;
	world_caps.physical_address_width = 40;
	world_hardware = world_caps;
}

/* What a processor makes of an address of L2. */
enum oracle_fate {
	ORACLE_OK,
	ORACLE_VIOLATION,
	ORACLE_MISCONFIGURATION,
};

struct oracle {
	enum oracle_fate fate;
	u64 rights12;	/* 0 if an entry was not present */
	u64 rights;	/* composed with EPT01; 0 if EPT01 has nothing */
	u64 l1_address; /* of the byte */
	u64 host;	/* of the byte, if rights */
	u64 type, ignore_pat, size12;
	u64 written_allowed; /* with A/D flags: 1 if the dirty flag is set already */
};

/* The rules of "EPT Misconfigurations", one `if` each. */
static bool oracle_misconfigured(const struct vmx_caps *caps, u64 e, int level, bool *is_page)
{
	bool r = e & 1, w = e & 2, x = e & 4;
	u64 type = e >> 3 & 7, width = caps->physical_address_width;
	bool has_1g = caps->ept_vpid >> 17 & 1, has_2m = caps->ept_vpid >> 16 & 1;
	int bit;

	*is_page = level == 1 || (level == 2 && (e & 0x80)) || (level == 3 && (e & 0x80));
	if (w && !r)
		return true;
	if (x && !r && !(caps->ept_vpid & 1))
		return true;
	for (bit = 51; bit >= (int)width; bit--)
		if (e >> bit & 1)
			return true;
	if (level >= 4 && (e & 0xf8))
		return true;
	if (level == 3 && (e & 0x80) && (!has_1g || (e & 0x3ffff000)))
		return true;
	if (level == 2 && (e & 0x80) && (!has_2m || (e & 0x1ff000)))
		return true;
	if ((level == 3 || level == 2) && !(e & 0x80) && (e & 0x78))
		return true;
	return *is_page && (type == 2 || type == 3 || type == 7);
}

static WORLD_UNUSED u64 oracle_type(u64 type12, u64 type01)
{
	/* MTRR type by row, PAT type by column, in the order UC WC WT WP WB. */
	static const char *const table[] = { "UCUUU", "UCUUC", "UCTPT", "UCTPP", "UCTPB" };
	static const char order[] = { 0, 1, 9, 9, 2, 3, 4, 9 };
	static const char *const names = "UC..TPB";

	return (u64)(strchr(names, table[(int)order[type01]][(int)order[type12]]) - names);
}

static WORLD_UNUSED struct oracle oracle_walk(u64 eptp12, u64 l2)
{
	struct oracle o = { .fate = ORACLE_OK, .rights12 = 7, .written_allowed = 1 };
	int level = (int)(eptp12 >> 3 & 7) + 1;
	u64 table = eptp12 & 0xffffffffff000ULL, entry, pages, first;
	bool is_page;

	if (l2 >> (level * 9 + 12)) {
		o.fate = ORACLE_VIOLATION;
		o.rights12 = 0;
		return o;
	}
	for (;; level--) {
		u64 *view = l1_memory_view(l1pa(table), 4096);

		entry = view ? view[l2 >> (3 + 9 * level) & 511] : ~0ULL;
		if (!(entry & 7)) {
			o.fate = ORACLE_VIOLATION;
			o.rights12 = 0;
			return o;
		}
		o.rights12 &= entry;
		if (oracle_misconfigured(&world_caps, entry, level, &is_page)) {
			o.fate = ORACLE_MISCONFIGURATION;
			return o;
		}
		if (is_page)
			break;
		table = entry & 0xffffffffff000ULL;
	}
	o.size12 = 1ULL << (3 + 9 * level);
	o.l1_address = (entry & 0xffffffffff000ULL & ~(o.size12 - 1)) | (l2 & (o.size12 - 1));
	o.ignore_pat = entry >> 6 & 1;
	o.written_allowed = !(eptp12 & 64) || (entry >> 9 & 1);
	if (o.l1_address >= WORLD_L1_SIZE)
		return o;
	first = world_lower_first(o.l1_address >> 12, &pages);
	o.rights = o.rights12 & world_rights[first];
	o.host = world_host(o.l1_address);
	o.type = oracle_type(entry >> 3 & 7, world_type[first]);
	return o;
}

/* EPT02 as the processor reads it. */
static u64 *pool_memory;

struct hardware {
	u64 rights, host, type, ignore_pat, size;
	bool misconfigured;
};

static WORLD_UNUSED u64 *hardware_table(u64 host)
{
	return pool_memory + (host - WORLD_POOL_HOST) / 8;
}

static WORLD_UNUSED struct hardware hardware_walk(u64 eptp02, u64 l2)
{
	struct hardware h = { .rights = 7 };
	int level = (int)(eptp02 >> 3 & 7) + 1;
	u64 entry = eptp02;

	for (;; level--) {
		bool is_page;

		entry = hardware_table(entry & 0xffffffffff000ULL)[l2 >> (3 + 9 * level) & 511];
		h.rights &= entry;
		if (!(entry & 7))
			return h;
		if (oracle_misconfigured(&world_hardware, entry, level, &is_page)) {
			h.misconfigured = true;
			return h;
		}
		if (is_page)
			break;
	}
	h.size = 1ULL << (3 + 9 * level);
	h.host = (entry & 0xffffffffff000ULL & ~(h.size - 1)) | (l2 & (h.size - 1));
	h.type = entry >> 3 & 7;
	h.ignore_pat = entry >> 6 & 1;
	return h;
}

/* A struct ept02 over a pool of @tables tables. */
static WORLD_UNUSED void world_start(struct ept02 *ept, unsigned int tables, bool prefetch)
{
	struct ept02_config config = {
		.memory_address = hpa(WORLD_POOL_HOST),
		.memory_pages = tables * 2 + 1 + tables / 40,
		.shown = &world_caps,
		.hardware_ept_vpid = world_hardware.ept_vpid,
		.prefetch = prefetch,
	};

	free(pool_memory);
	pool_memory = aligned_alloc(4096, config.memory_pages * 4096);
	memset(pool_memory, 0x5a, config.memory_pages * 4096);
	config.memory = pool_memory;
	if (!ept02_init(ept, &config))
		bug_stop(__FILE__, __LINE__, "ept02_init");
}

/* A small generator of pseudo-random numbers. */
static u64 world_seed = 1;

static WORLD_UNUSED u64 world_random(u64 below)
{
	world_seed ^= world_seed << 13;
	world_seed ^= world_seed >> 7;
	world_seed ^= world_seed << 17;
	return (world_seed >> 11) % below;
}

/*
 * What is compared so often that it is not counted as a check of its own: only if it fails.
 * world_agreements() counts all of them since the last call as one.
 */
static unsigned long world_agreed;
#define agree(claim, ...) ((claim) ? (void)world_agreed++ : (void)ok(false, __VA_ARGS__))
#define agree_u64(got, expected, name)                                                  \
	agree((got) == (expected), "%s: got 0x%llx, expected 0x%llx", name, (u64)(got), \
	      (u64)(expected))

static WORLD_UNUSED void world_agreements(const char *what)
{
	ok(world_agreed, "%s: %lu agreements", what, world_agreed);
	if (getenv("TAP_VERBOSE"))
		printf("# %s: %lu agreements\n", what, world_agreed);
	world_agreed = 0;
}

/* Tables reachable from @table; complains of one that is reached twice or owned by another. */
static WORLD_UNUSED u64 world_count_tables(const struct ept02 *ept, const struct ept02_table *table,
					   unsigned int context, u8 *reached)
{
	u64 count = 1;
	unsigned int i;

	agree(!reached[table - ept->tables]++, "table reached once");
	agree(table->context == context, "table owned by its context");
	for (i = 0; i < 512 && table->level > 1; i++) {
		u64 e = table->entries[i];
		const struct ept02_table *below;

		if (!(e & 7) || e & 0x80)
			continue;
		below = &ept->tables[((e & 0xffffffffff000ULL) - WORLD_POOL_HOST) / 4096];
		agree(below->parent == table && below->parent_index == i &&
			      below->level + 1 == table->level,
		      "link and parent agree");
		agree(table->used & BIT(i / 8), "used line is marked");
		count += world_count_tables(ept, below, context, reached);
	}
	return count;
}

/* The pool holds every table once; free tables are clear. */
static WORLD_UNUSED void world_check_pool(const struct ept02 *ept)
{
	static u8 reached[4096];
	u64 used = 0, free_tables = 0;
	const struct ept02_table *t;
	unsigned int i, n;

	memset(reached, 0, sizeof(reached));
	for (i = 0; i < EPT02_CONTEXTS; i++) {
		if (ept->contexts[i].root)
			used += world_count_tables(ept, ept->contexts[i].root, i, reached);
	}
	for (t = ept->free; t; t = t->parent, free_tables++) {
		u64 bits = 0;

		agree(!reached[t - ept->tables]++, "free table is not in use");
		for (n = 0; n < 512; n++)
			bits |= t->entries[n] | t->seen[n];
		agree(!bits, "free table is clear");
	}
	agree_u64(used, ept->tables_count - ept->free_count, "tables in use");
	agree_u64(free_tables, ept->free_count, "free tables");
}

/* A touch by L2: one EPT violation. */
static WORLD_UNUSED enum ept02_result world_touch(struct ept02 *ept, u64 eptp12, u64 l2, u64 access,
						  struct ept02_outcome *out)
{
	return ept02_handle_violation(ept, ept02_context(ept, eptp12), l2pa(l2), access | 0x180,
				      out);
}

/* Touches, and expects the composed translation of it. */
static WORLD_UNUSED void world_touch_and_check(struct ept02 *ept, u64 eptp12, u64 l2, u64 access)
{
	struct oracle o = oracle_walk(eptp12, l2);
	struct ept02_outcome out;
	enum ept02_result r = world_touch(ept, eptp12, l2, access, &out);
	enum ept02_result want = o.fate == ORACLE_MISCONFIGURATION ? EPT02_REFLECT_MISCONFIGURATION
				 : o.fate == ORACLE_VIOLATION || access & ~o.rights12
					 ? EPT02_REFLECT_VIOLATION
				 : access & ~o.rights ? EPT02_L0_OWNED
						      : EPT02_FIXED;
	struct hardware h = hardware_walk(ept02_context(ept, eptp12)->eptp02, l2);

	agree(r == want, "0x%llx access %llu: result %d, expected %d", l2, access, r, want);
	agree(!h.misconfigured, "0x%llx: not misconfigured", l2);
	if (r == EPT02_REFLECT_VIOLATION)
		agree_u64(out.qualification, access | 0x180 | o.rights12 << 3, "qualification");
	if (r != EPT02_FIXED)
		return;
	o = oracle_walk(eptp12, l2); /* flags may be set now */
	agree_u64(h.rights, o.written_allowed ? o.rights : o.rights & ~2ULL, "rights");
	agree_u64(h.host, o.host, "host address");
	agree_u64(h.type, o.type, "memory type");
	agree_u64(h.ignore_pat, o.ignore_pat, "ignore PAT");
}
