/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of EPT12 in all settings, at all levels, for all accesses, against an oracle that is
 * written apart; through ept12_walk() and through ept02_handle_violation().
 */
/* sources: nested/ept02/ept12.c nested/ept02/ept02.c nested/ept02/tables.c
 * nested/ept02/violation.c nested/ept02/resync.c nested/ept02/memory_type.c
 * nested/test/tracker_always.c */
#include "nested/test/ept_world.h"

#define L2_ADDRESS 0x0123456789ULL /* no index is the same as another, or 0 */
#define WALK_5	   (4 << 3)
#define WALK_4	   (3 << 3)

static struct ept02 ept;
static unsigned long seen_fates[3];

/* The tables lead to each other: table n - 1 is for level n. */
static u64 *entry_at(int level, u64 l2)
{
	return &world_memory[level - 1][l2 >> (3 + 9 * level) & 511];
}

static void chain(u64 l2)
{
	int level;

	for (level = 5; level > 1; level--)
		*entry_at(level, l2) = world_table((unsigned int)level - 2) | 7;
	*entry_at(1, l2) = 0x300000 | 7 | 6 << 3;
}

static u64 eptp(int levels, u64 flags)
{
	return world_table((unsigned int)levels - 1) | (u64)(levels - 1) << 3 | 6 | flags;
}

/* Stops early if there is much to say. */
static void must(bool good, const char *what, u64 entry, int level, u64 access)
{
	agree(good, "%s: entry 0x%llx level %d access %llu caps 0x%llx width %d", what, entry,
	      level, access, world_caps.ept_vpid, world_caps.physical_address_width);
	if (tap_failed > 20)
		exit(1);
}

static void compare(const struct ept12_rules *rules, u64 eptp12, u64 entry, int level, u64 access)
{
	struct oracle o = oracle_walk(eptp12, L2_ADDRESS);
	struct ept12_translation t;
	u64 q = access | 0x180 | 0x38; /* bits 5:3 of the processor must not come through */
	enum ept12_result r;
	enum ept02_result r2;
	struct ept02_outcome out;

	if (o.fate == ORACLE_OK && access & ~o.rights12)
		o.fate = ORACLE_VIOLATION;
	seen_fates[o.fate]++;
	r = ept12_walk(rules, eptp12, l2pa(L2_ADDRESS), q, &t);
	must(r == (o.fate == ORACLE_OK		? EPT12_OK
		   : o.fate == ORACLE_VIOLATION ? EPT12_VIOLATION
						: EPT12_MISCONFIGURATION),
	     "walk: result", entry, level, access);
	if (o.fate == ORACLE_VIOLATION)
		must(t.qualification == (access | 0x180 | o.rights12 << 3), "walk: qualification",
		     entry, level, access);
	if (o.fate == ORACLE_OK)
		must(t.address.v == o.l1_address && t.page_size == o.size12 &&
			     t.rights == o.rights12 && t.ignore_pat == o.ignore_pat,
		     "walk: translation", entry, level, access);

	r2 = ept02_handle_violation(&ept, ept02_context(&ept, eptp12), l2pa(L2_ADDRESS), q, &out);
	if (o.fate == ORACLE_MISCONFIGURATION) {
		must(r2 == EPT02_REFLECT_MISCONFIGURATION, "EPT02: misconfiguration", entry, level,
		     access);
	} else if (o.fate == ORACLE_VIOLATION) {
		must(r2 == EPT02_REFLECT_VIOLATION, "EPT02: violation", entry, level, access);
		must(out.qualification == (access | 0x180 | o.rights12 << 3),
		     "EPT02: qualification", entry, level, access);
	} else if (access & ~o.rights) {
		must(r2 == EPT02_L0_OWNED && out.l1_address.v == o.l1_address, "EPT02: L0's", entry,
		     level, access);
	} else {
		struct hardware h = hardware_walk(ept02_context(&ept, eptp12)->eptp02, L2_ADDRESS);

		must(r2 == EPT02_FIXED, "EPT02: fixed", entry, level, access);
		must(h.rights == o.rights && h.host == o.host && h.type == o.type &&
			     h.ignore_pat == o.ignore_pat,
		     "EPT02: translation", entry, level, access);
	}
}

static void try_entry(const struct ept12_rules *rules, int levels, int level, u64 entry)
{
	u64 access;

	*entry_at(level, L2_ADDRESS) = entry;
	for (access = 1; access < 8; access <<= 1)
		compare(rules, eptp(levels, 0), entry, level, access);
}

static void try_level(const struct ept12_rules *rules, int levels, int level)
{
	u64 bases[3] = { 0, 0x40000000, level > 1 ? world_table((unsigned int)level - 2) : 0x7000 };
	unsigned int base, low, bit;

	for (base = 0; base < 3; base++)
		for (low = 0; low < 4096; low++)
			try_entry(rules, levels, level, bases[base] | low);
	for (low = 0; low < 256; low++)
		for (bit = 12; bit < 64; bit++)
			try_entry(rules, levels, level, bases[base - 1] ^ BIT(bit) ^ low);
	chain(L2_ADDRESS);
}

static void test_all_entries(int levels)
{
	static const u8 widths[] = { 40, 52, 36 };
	unsigned int variant, level;

	for (variant = 0; variant < 24; variant++) {
		struct ept12_rules rules;

		world_init();
		world_caps.ept_vpid &=
			~((variant & 1 ? EPT_CAP_EXECUTE_ONLY : 0) |
			  (variant & 2 ? EPT_CAP_2M : 0) | (variant & 4 ? EPT_CAP_1G : 0));
		world_caps.physical_address_width = widths[variant / 8];
		ept12_rules_init(&rules, &world_caps);
		world_start(&ept, 20, false);
		chain(L2_ADDRESS);
		for (level = 1; (int)level <= levels; level++) {
			try_level(&rules, levels, (int)level);
			world_agreements("all entries of a level");
		}
	}
}

static void test_beyond(void)
{
	struct ept12_rules rules;
	struct ept12_translation t;
	struct ept02_outcome out;

	world_init();
	world_start(&ept, 20, false);
	ept12_rules_init(&rules, &world_caps);
	chain(L2_ADDRESS);
	is_u64(ept12_walk(&rules, eptp(4, 0), l2pa(L2_ADDRESS | BIT(48)), 0x38 | 1, &t),
	       EPT12_VIOLATION, "bit 48 with four levels");
	is_u64(t.qualification, 1, "its qualification");
	is_u64(ept02_handle_violation(&ept, ept02_context(&ept, eptp(4, 0)),
				      l2pa(L2_ADDRESS | BIT(48)), 0x38 | 1, &out),
	       EPT02_REFLECT_VIOLATION, "bit 48 with four levels, by EPT02");
	is_u64(out.qualification, 1, "its qualification");
	is_u64(ept12_walk(&rules, eptp(5, 0), l2pa(L2_ADDRESS), 1, &t), EPT12_OK, "five levels");
	is_u64(ept12_walk(&rules, eptp(5, 0), l2pa(L2_ADDRESS | BIT(48)), 1, &t), EPT12_VIOLATION,
	       "bit 48 with five levels: another entry, absent");
	is_u64(ept12_walk(&rules, 0x9999000 | 6 | WALK_4, l2pa(L2_ADDRESS), 1, &t),
	       EPT12_MISCONFIGURATION, "a root outside of L1's memory reads as ones");
	world_table_gone[1] = true;
	is_u64(ept12_walk(&rules, eptp(4, 0), l2pa(L2_ADDRESS), 1, &t), EPT12_MISCONFIGURATION,
	       "so does a table");
}

/* Accessed and dirty flags: which are set by which access. */
static void test_flags_by_walk(void)
{
	struct ept12_rules rules;
	struct ept12_translation t;
	int level;

	world_init();
	ept12_rules_init(&rules, &world_caps);
	chain(L2_ADDRESS);
	ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 0, &t);
	ept12_walk(&rules, eptp(4, 0), l2pa(L2_ADDRESS), 2, &t);
	for (level = 1; level <= 4; level++)
		is_u64(*entry_at(level, L2_ADDRESS) & 0x300, 0, "no flags: no access, or no A/D");
	*entry_at(1, L2_ADDRESS) &= ~4ULL;
	is_u64(ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 4, &t), EPT12_VIOLATION,
	       "fetch refused");
	for (level = 1; level <= 4; level++)
		is_u64(*entry_at(level, L2_ADDRESS) & 0x300, 0, "no flags: access refused");
	ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 1, &t);
	for (level = 1; level <= 4; level++)
		is_u64(*entry_at(level, L2_ADDRESS) & 0x300, 0x100, "read: accessed");
	is_u64(*entry_at(5, L2_ADDRESS) & 0x300, 0, "not on the path");
	ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 2, &t);
	is_u64(*entry_at(1, L2_ADDRESS) & 0x300, 0x300, "write: dirty");
	is_u64(*entry_at(2, L2_ADDRESS) & 0x300, 0x100, "write: dirty in the page's entry only");

	/* A read of L2's paging structures counts as a write. */
	chain(L2_ADDRESS);
	*entry_at(1, L2_ADDRESS) = 0x300000 | 1 | 6 << 3;
	is_u64(ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 1 | 0x80, &t),
	       EPT12_VIOLATION, "paging-structure read of a read-only page, A/D on");
	is_u64(t.qualification, 3 | 0x80 | 1 << 3, "its qualification");
	ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 2 | 0x80, &t);
	is_u64(t.qualification, 3 | 0x80 | 1 << 3, "that of a paging-structure write");
	is_u64(ept12_walk(&rules, eptp(4, 0), l2pa(L2_ADDRESS), 1 | 0x80, &t), EPT12_OK,
	       "the same with A/D off");
	is_u64(ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 1 | 0x180, &t), EPT12_OK,
	       "read of the page itself, A/D on");
}

/* Another CPU changes a bit that is ignored in the root's entry, and takes back its flag. */
static void disturb(void)
{
	*entry_at(4, L2_ADDRESS) = (*entry_at(4, L2_ADDRESS) ^ BIT(52)) & ~EPT_ACCESSED;
}

static void test_disturbed(void)
{
	struct ept12_rules rules;
	struct ept12_translation t;
	struct ept02_outcome out;
	int level;

	world_init();
	world_start(&ept, 20, false);
	ept12_rules_init(&rules, &world_caps);
	chain(L2_ADDRESS);
	world_hook = disturb;
	is_u64(ept12_walk(&rules, eptp(4, EPTP_AD), l2pa(L2_ADDRESS), 2, &t), EPT12_RETRY,
	       "changed in the middle of every walk");
	for (level = 1; level <= 4; level++)
		is_u64(*entry_at(level, L2_ADDRESS) & 0x300, 0, "no flags set");
	is_u64(ept12_walk(&rules, eptp(4, 0), l2pa(L2_ADDRESS), 2, &t), EPT12_OK,
	       "without flags to set it does not matter");
	/* EPT02 looks for tables in the first round only. */
	is_u64(ept02_handle_violation(&ept, ept02_context(&ept, eptp(4, EPTP_AD)), l2pa(L2_ADDRESS),
				      2 | 0x180, &out),
	       EPT02_FIXED, "EPT02");
	is_u64(ept.statistics.retried, 1, "in the second round");
	world_hook = NULL;
	is_u64(hardware_walk(ept02_context(&ept, eptp(4, EPTP_AD))->eptp02, L2_ADDRESS).rights, 7,
	       "EPT02 is filled");
	for (level = 1; level <= 3; level++)
		is_u64(*entry_at(level, L2_ADDRESS) & 0x100, 0x100, "accessed");
}

int main(void)
{
	test_all_entries(4);
	printf("# four levels: ok %lu, violation %lu, misconfiguration %lu\n", seen_fates[0],
	       seen_fates[1], seen_fates[2]);
	ok(seen_fates[0] > 1000 && seen_fates[1] > 1000 && seen_fates[2] > 1000, "all seen");
	test_all_entries(5);
	test_beyond();
	test_flags_by_walk();
	test_disturbed();
	return tap_end();
}
