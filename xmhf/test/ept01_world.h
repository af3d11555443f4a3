/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PC for the tests of EPT01: its pool and MTRRs, a walk of the tables that shares no code with
 * what is tested, from the EPT pointer as a processor would, and what each address should be.
 */
#pragma once

#include <string.h>

#include "xmhf/lib/bug.h"
#include "xmhf/memory/ept01.h"
#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"

#define WORLD_UNUSED __attribute__((unused))

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
WORLD_UNUSED static void start(unsigned int pages)
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

WORLD_UNUSED static void build(void)
{
	ept01_build(&ept, &settings, &mtrr, &pool);
}

/* What the processor finds: SDM "The EPT Translation Mechanism". */
struct found {
	bool present, broken;
	u64 address, rights, type, size;
};

WORLD_UNUSED static struct found walk(u64 address)
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

WORLD_UNUSED static bool is_hidden(u64 address)
{
	for (unsigned int i = 0; i < settings.hidden_count; i++)
		if (address >= settings.hidden[i].base &&
		    address - settings.hidden[i].base < settings.hidden[i].size)
			return true;
	return false;
}

/* Claim: EPT01 says of @address what it should without overrides; absent too if @may_be_absent. */
WORLD_UNUSED static bool is_default(u64 address, bool may_be_absent)
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

/* Pages that a test has changed. */
static bool (*is_excepted)(u64 page);

/* Addresses around everything interesting. */
WORLD_UNUSED static bool all_default(bool may_be_absent)
{
	static const u64 places[] = {
		0,   0x80000, 0xa0000,		 0xc0000, 0xf8000, MIB,	    2 * MIB, 4 * MIB,
		GIB, L0_BASE, L0_BASE + L0_SIZE, 2 * GIB, 3 * GIB, 4 * GIB, 5 * GIB, 8 * GIB,
	};
	bool good = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		for (s64 d = -4; d < 4; d++) {
			u64 address = places[i] + (u64)d * 4096;

			if (address < 8 * GIB && !(is_excepted && is_excepted(address)) &&
			    !is_default(address, may_be_absent)) {
				printf("# wrong at %llx\n", address);
				good = false;
			}
		}
	return good;
}

/* Every page of the pool is free, waiting, or reached exactly once. */
WORLD_UNUSED static unsigned int count_reached(u64 table, int level, u8 *reached)
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

WORLD_UNUSED static bool pool_is_whole(void)
{
	static u8 reached[POOL_PAGES];

	memset(reached, 0, sizeof(reached));
	return count_reached(ept.root.v, 4, reached) + pool.free + ept.evicted_count == pool.count;
}

WORLD_UNUSED static void is_walk(u64 address, u64 to, u64 rights, u64 size, u64 type)
{
	struct ept01_translation t = { .address = { 1 } };
	bool found = ept01_walk(&ept, l1pa(address), &t);

	ok(found && t.address.v == to && t.rights == rights && t.page_size == size &&
		   (u64)t.type == type,
	   "%llx leads to %llx rights %llu size %llx type %llu", address, to, rights, size, type);
}
