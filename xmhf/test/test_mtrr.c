/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/memory/mtrr.c */
/* MTRRs: legal values, precedences, and random registers against a page-by-page oracle. */
#include "xmhf/memory/mtrr.h"

#include <string.h>

#include "xmhf/lib/bug.h"
#include "xmhf/test/tap.h"

void bug_stop(const char *file, int line, const char *claim)
{
	printf("not ok - %s:%d: %s\n", file, line, claim);
	exit(1);
}

#define ON (MTRR_DEF_TYPE_ENABLE | MTRR_DEF_TYPE_FIXED_ENABLE)

/* 36 bits, 8 variable ranges, all features, everything zero. */
static struct mtrr_state empty(void)
{
	struct mtrr_state state;

	memset(&state, 0, sizeof(state));
	state.cap = 8 | MTRRCAP_FIX | MTRRCAP_WC;
	state.physical_address_width = 36;
	return state;
}

static void set_range(struct mtrr_state *state, unsigned int i, u64 base, u64 size, u64 type)
{
	state->variable[i].base = base | type;
	state->variable[i].mask =
		(low_bits(state->physical_address_width) & ~(size - 1)) | MTRR_PHYSMASK_VALID;
}

static void is_type(const struct mtrr_state *state, u64 address, u64 type, u64 end)
{
	u64 got_end = 0;
	u64 got = mtrr_type(state, address, &got_end);

	ok(got == type && got_end == end, "%llx is type %llu until %llx, got %llu until %llx",
	   address, type, end, got, got_end);
}

static void test_msrs(void)
{
	struct mtrr_state state = empty();
	u64 value = 1;

	is_u64(mtrr_variable_count(&state), 8, "variable ranges");
	ok(mtrr_is_mtrr_msr(&state, 0xfe), "IA32_MTRRCAP");
	ok(mtrr_is_mtrr_msr(&state, 0x2ff), "IA32_MTRR_DEF_TYPE");
	ok(!mtrr_is_mtrr_msr(&state, 0x1ff), "below the first variable one");
	ok(mtrr_is_mtrr_msr(&state, 0x200) && mtrr_is_mtrr_msr(&state, 0x20f), "variable ones");
	ok(!mtrr_is_mtrr_msr(&state, 0x210), "beyond the last variable one");
	ok(!mtrr_is_mtrr_msr(&state, 0x251) && !mtrr_is_mtrr_msr(&state, 0x277), "IA32_PAT");
	for (unsigned int i = 0; i < MTRR_FIXED_COUNT; i++) {
		ok(mtrr_is_mtrr_msr(&state, mtrr_fixed_msr(i)), "fixed %u", i);
		mtrr_set(&state, mtrr_fixed_msr(i), value + i);
		is_u64(state.fixed[i], value + i, "set fixed");
	}
	ok(mtrr_fixed_msr(0) == 0x250 && mtrr_fixed_msr(2) == 0x259 && mtrr_fixed_msr(10) == 0x26f,
	   "numbers of fixed ones");
	mtrr_set(&state, 0x205, 7);
	is_u64(state.variable[2].mask, 7, "set mask");
	is_u64(mtrr_get(&state, 0x205), 7, "get mask");
	mtrr_set(&state, 0x204, 9);
	is_u64(state.variable[2].base, 9, "set base");
	mtrr_set(&state, 0x2ff, 11);
	is_u64(state.def_type, 11, "set default");
	mtrr_set(&state, 0xfe, 3);
	is_u64(mtrr_get(&state, 0xfe), 3, "set capabilities");
	ok(!mtrr_is_mtrr_msr(&state, 0x250), "no fixed ones without the capability");
	ok(!mtrr_is_mtrr_msr(&state, 0x206) && mtrr_is_mtrr_msr(&state, 0x205), "fewer variable");
	state.cap = 0xff;
	is_u64(mtrr_variable_count(&state), MTRR_VARIABLE_MAX, "count is bounded");
	ok(mtrr_is_mtrr_msr(&state, 0x24f) && !mtrr_is_mtrr_msr(&state, 0x250), "last possible");
}

static void test_writes(void)
{
	struct mtrr_state state = empty();

	for (u64 type = 0; type < 256; type++) {
		bool legal = type == 0 || type == 1 || type == 4 || type == 5 || type == 6;

		ok(mtrr_write_is_valid(&state, 0x2ff, ON | type) == legal, "default type %llu",
		   type);
		ok(mtrr_write_is_valid(&state, 0x200, 0x100000 | type) == legal, "base type %llu",
		   type);
		for (unsigned int i = 0; i < 8; i++)
			ok(mtrr_write_is_valid(&state, 0x26f,
					       (0x0606060606060606 & ~(0xffULL << 8 * i)) |
						       type << 8 * i) == legal,
			   "type %llu in byte %u", type, i);
	}
	for (unsigned int i = 0; i < 64; i++) {
		ok(mtrr_write_is_valid(&state, 0x2ff, BIT(i)) ==
			   (i == 0 || i == 2 || i == 10 || i == 11),
		   "default type bit %u", i);
		if (i >= 8)
			ok(mtrr_write_is_valid(&state, 0x20e, BIT(i)) == (i >= 12 && i < 36),
			   "base bit %u", i);
		ok(mtrr_write_is_valid(&state, 0x20f, BIT(i)) == (i >= 11 && i < 36), "mask bit %u",
		   i);
	}
	ok(!mtrr_write_is_valid(&state, 0xfe, state.cap), "IA32_MTRRCAP is read-only");
	ok(!mtrr_write_is_valid(&state, 0x210, 0), "a register that does not exist");
	state.cap &= ~MTRRCAP_WC;
	ok(!mtrr_write_is_valid(&state, 0x2ff, 1) && !mtrr_write_is_valid(&state, 0x200, 1) &&
		   !mtrr_write_is_valid(&state, 0x250, 1),
	   "no WC without the capability");
}

static void test_default(void)
{
	struct mtrr_state state = empty();

	state.def_type = MEMORY_TYPE_WB;
	set_range(&state, 0, 0, GIB, MEMORY_TYPE_WT);
	is_type(&state, 0, MEMORY_TYPE_UC, BIT(36));
	state.def_type |= MTRR_DEF_TYPE_ENABLE;
	is_type(&state, 0, MEMORY_TYPE_WT, GIB);
	is_type(&state, GIB, MEMORY_TYPE_WB, BIT(36));
	is_type(&state, BIT(36), MEMORY_TYPE_UC, ~0ULL);
	state.variable[0].mask &= ~MTRR_PHYSMASK_VALID;
	is_type(&state, 0, MEMORY_TYPE_WB, BIT(36));
	state.def_type = MTRR_DEF_TYPE_ENABLE | 3;
	is_type(&state, 0, MEMORY_TYPE_UC, BIT(36));
	state.def_type = MTRR_DEF_TYPE_ENABLE | MEMORY_TYPE_WB;
	set_range(&state, 7, 0, BIT(36), MEMORY_TYPE_WP);
	is_type(&state, 5 * GIB, MEMORY_TYPE_WP, BIT(36));
	set_range(&state, 8, 0, GIB, MEMORY_TYPE_WT);
	is_type(&state, 0, MEMORY_TYPE_WP, BIT(36));
}

static void test_fixed(void)
{
	struct mtrr_state state = empty();

	state.def_type = ON | MEMORY_TYPE_WT;
	for (unsigned int i = 0; i < 2; i++)
		state.fixed[i] = 0x0606060606060606;
	state.fixed[2] = 0x0000000000000001;
	is_type(&state, 0, MEMORY_TYPE_WB, 0xa0000);
	is_type(&state, 0x9ffff, MEMORY_TYPE_WB, 0xa0000);
	is_type(&state, 0xa0000, MEMORY_TYPE_WC, 0xa4000);
	is_type(&state, 0xa4000, MEMORY_TYPE_UC, MIB);
	is_type(&state, MIB, MEMORY_TYPE_WT, BIT(36));
	state.fixed[10] = 0x0500000000000000;
	is_type(&state, 0xff000, MEMORY_TYPE_WP, MIB);
	is_type(&state, 0xfefff, MEMORY_TYPE_UC, 0xff000);
	set_range(&state, 0, 0, GIB, MEMORY_TYPE_UC);
	is_type(&state, 0, MEMORY_TYPE_WB, 0xa0000);
	state.def_type &= ~MTRR_DEF_TYPE_FIXED_ENABLE;
	is_type(&state, 0, MEMORY_TYPE_UC, GIB);
	state.def_type |= MTRR_DEF_TYPE_FIXED_ENABLE;
	state.cap &= ~MTRRCAP_FIX;
	is_type(&state, 0, MEMORY_TYPE_UC, GIB);
	state.cap |= MTRRCAP_FIX;
	state.def_type &= ~MTRR_DEF_TYPE_ENABLE;
	is_type(&state, 0, MEMORY_TYPE_UC, BIT(36));
	state.def_type |= ON;
	state.fixed[0] = 0x0606060606060602;
	is_type(&state, 0, MEMORY_TYPE_UC, 0x10000);
}

static void test_precedence(void)
{
	static const u8 types[] = { 0, 1, 4, 5, 6 };

	for (unsigned int a = 0; a < 5; a++) {
		for (unsigned int b = 0; b < 5; b++) {
			struct mtrr_state state = empty();
			u64 both = types[a] == types[b] ? types[a]
				   : types[a] + types[b] == 4 + 6 && types[a] != types[b]
					   ? MEMORY_TYPE_WT
					   : MEMORY_TYPE_UC;

			state.def_type = ON | MEMORY_TYPE_WB;
			set_range(&state, 2, 0, 2 * GIB, types[a]);
			set_range(&state, 5, GIB, GIB, types[b]);
			is_type(&state, 4 * MIB, types[a], GIB);
			is_type(&state, GIB + MIB, both, 2 * GIB);
		}
	}
}

/* Types page by page, straight from the SDM's definitions, in a space of 4 MiB. */
#define PAGES 1024
static unsigned int oracle(const struct mtrr_state *s, u64 address)
{
	bool seen[8] = { false };
	unsigned int count = 0, only = 0;

	if (!(s->def_type & MTRR_DEF_TYPE_ENABLE))
		return MEMORY_TYPE_UC;
	if (address < MIB && s->def_type & MTRR_DEF_TYPE_FIXED_ENABLE) {
		if (address < 0x80000)
			return (u8)(s->fixed[0] >> 8 * (address >> 16));
		if (address < 0xc0000)
			return (u8)(s->fixed[1 + (address >> 17 & 1)] >> 8 * (address >> 14 & 7));
		return (u8)(s->fixed[3 + (address >> 15 & 7)] >> 8 * (address >> 12 & 7));
	}
	for (unsigned int i = 0; i < 8; i++) {
		u64 mask = s->variable[i].mask & ~0xfffULL, base = s->variable[i].base & ~0xfffULL;

		if (s->variable[i].mask & MTRR_PHYSMASK_VALID && (address & mask) == (base & mask))
			seen[s->variable[i].base & 7] = true;
	}
	for (unsigned int t = 0; t < 8; t++)
		if (seen[t]) {
			count++;
			only = t;
		}
	if (!count)
		return s->def_type & 7;
	if (count == 1)
		return only;
	return count == 2 && seen[MEMORY_TYPE_WB] && seen[MEMORY_TYPE_WT] ? MEMORY_TYPE_WT
									  : MEMORY_TYPE_UC;
}

static u32 random32(void)
{
	static u32 state = 12345;

	state ^= state << 13;
	state ^= state >> 17;
	return state ^= state << 5;
}

static u64 random_type(void)
{
	return (const u8[]){ 0, 1, 4, 5, 6, 6, 6, 4 }[random32() % 8];
}

static void randomize(struct mtrr_state *s)
{
	*s = empty();
	s->physical_address_width = 22;
	s->def_type = random_type() | (random32() % 8 ? MTRR_DEF_TYPE_ENABLE : 0) |
		      (random32() % 2 ? MTRR_DEF_TYPE_FIXED_ENABLE : 0);
	for (unsigned int i = 0; i < MTRR_FIXED_COUNT; i++)
		for (unsigned int j = 0; j < 8; j++)
			s->fixed[i] |= random_type() << 8 * j;
	for (unsigned int i = 0; i < 8; i++) {
		u64 size = 0x1000ULL << random32() % 11;
		u64 mask = random32() % 4 ? ~(size - 1) : (u64)random32() << 12;

		s->variable[i].base = (random32() % PAGES * 0x1000ULL) | random_type();
		s->variable[i].mask =
			(mask & 0x3ff000) | (random32() % 3 ? 0 : MTRR_PHYSMASK_VALID);
	}
}

static void test_oracle(void)
{
	unsigned long wrong_types = 0, wrong_ends = 0, bad_ends = 0;

	for (unsigned int round = 0; round < 300; round++) {
		unsigned int types[PAGES];
		struct mtrr_state s;

		randomize(&s);
		for (u64 p = 0; p < PAGES; p++)
			types[p] = oracle(&s, p << 12);
		for (u64 p = 0; p < PAGES; p++) {
			u64 end;

			wrong_types +=
				mtrr_type(&s, (p << 12) + random32() % 4096, &end) != types[p];
			bad_ends += end <= p << 12 || end & 0xfff || end > BIT(22);
			for (u64 q = p; q < end >> 12 && q < PAGES; q++)
				wrong_ends += types[q] != types[p];
		}
	}
	is_u64(wrong_types, 0, "wrong types");
	is_u64(wrong_ends, 0, "types that differ before the end");
	is_u64(bad_ends, 0, "ends that make no progress");
}

int main(void)
{
	test_msrs();
	test_writes();
	test_default();
	test_fixed();
	test_precedence();
	test_oracle();
	return tap_end();
}
