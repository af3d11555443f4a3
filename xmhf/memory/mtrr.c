/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory type range registers.  SDM "Memory Type Range Registers (MTRRs)". */
#include "xmhf/memory/mtrr.h"

#include "xmhf/lib/bug.h"

/* Eight ranges of @range_size each, from @base on: SDM "Fixed Range MTRRs". */
static const struct {
	u32 msr;
	u64 base, range_size;
} fixed_registers[MTRR_FIXED_COUNT] = {
	{ MSR_IA32_MTRR_FIX64K_00000, 0x00000, 64 * KIB },
	{ MSR_IA32_MTRR_FIX16K_80000, 0x80000, 16 * KIB },
	{ MSR_IA32_MTRR_FIX16K_A0000, 0xa0000, 16 * KIB },
	{ MSR_IA32_MTRR_FIX4K_C0000, 0xc0000, 4 * KIB },
	{ MSR_IA32_MTRR_FIX4K_C8000, 0xc8000, 4 * KIB },
	{ MSR_IA32_MTRR_FIX4K_D0000, 0xd0000, 4 * KIB },
	{ MSR_IA32_MTRR_FIX4K_D8000, 0xd8000, 4 * KIB },
	{ MSR_IA32_MTRR_FIX4K_E0000, 0xe0000, 4 * KIB },
	{ MSR_IA32_MTRR_FIX4K_E8000, 0xe8000, 4 * KIB },
	{ MSR_IA32_MTRR_FIX4K_F0000, 0xf0000, 4 * KIB },
	{ MSR_IA32_MTRR_FIX4K_F8000, 0xf8000, 4 * KIB },
};

#define FIXED_END	  MIB
#define RANGES_PER_FIXED  8
#define TYPE_OF_RANGE(i)  FIELD(8 * (i) + 7, 8 * (i))
#define PHYSBASE_RESERVED FIELD(11, 8)
#define PHYSMASK_RESERVED FIELD(10, 0)
#define ADDRESS		  FIELD(51, 12) /* of both registers of a variable range */

/* What an MSR number stands for. */
enum kind { NO_MTRR, CAP, DEF_TYPE, FIXED, VARIABLE_BASE, VARIABLE_MASK };

struct place {
	enum kind kind;
	unsigned int index; /* in fixed[] or variable[] */
};

u32 mtrr_fixed_msr(unsigned int i)
{
	bug_if(i >= MTRR_FIXED_COUNT);
	return fixed_registers[i].msr;
}

unsigned int mtrr_variable_count(const struct mtrr_state *state)
{
	return (unsigned int)min_u64(field_get(state->cap, MTRRCAP_VCNT), MTRR_VARIABLE_MAX);
}

static struct place find_fixed(u32 index)
{
	for (unsigned int i = 0; i < MTRR_FIXED_COUNT; i++)
		if (fixed_registers[i].msr == index)
			return (struct place){ FIXED, i };
	return (struct place){ NO_MTRR, 0 };
}

static struct place find(const struct mtrr_state *state, u32 index)
{
	u32 offset = index - MSR_IA32_MTRR_PHYSBASE0;

	if (index == MSR_IA32_MTRRCAP)
		return (struct place){ CAP, 0 };
	if (index == MSR_IA32_MTRR_DEF_TYPE)
		return (struct place){ DEF_TYPE, 0 };
	if (index >= MSR_IA32_MTRR_PHYSBASE0 && offset / 2 < mtrr_variable_count(state))
		return (struct place){ offset % 2 ? VARIABLE_MASK : VARIABLE_BASE, offset / 2 };
	if (state->cap & MTRRCAP_FIX)
		return find_fixed(index);
	return (struct place){ NO_MTRR, 0 };
}

bool mtrr_is_mtrr_msr(const struct mtrr_state *state, u32 index)
{
	return find(state, index).kind != NO_MTRR;
}

/* Claim: MTRRs accept @type, which excludes the types that SDM "Memory Types That Can Be
 * Encoded in MTRRs" reserves, and WC where the processor has none. */
static bool is_type(const struct mtrr_state *state, u64 type)
{
	return type == MEMORY_TYPE_UC || type == MEMORY_TYPE_WT || type == MEMORY_TYPE_WP ||
	       type == MEMORY_TYPE_WB || (type == MEMORY_TYPE_WC && state->cap & MTRRCAP_WC);
}

static bool are_fixed_types(const struct mtrr_state *state, u64 value)
{
	for (unsigned int i = 0; i < RANGES_PER_FIXED; i++)
		if (!is_type(state, field_get(value, TYPE_OF_RANGE(i))))
			return false;
	return true;
}

static bool fits_width(const struct mtrr_state *state, u64 value)
{
	return !(value & ~low_bits(state->physical_address_width));
}

bool mtrr_write_is_valid(const struct mtrr_state *state, u32 index, u64 value)
{
	switch (find(state, index).kind) {
	case DEF_TYPE:
		return is_type(state, field_get(value, MTRR_DEF_TYPE_TYPE)) &&
		       !(value &
			 ~(MTRR_DEF_TYPE_TYPE | MTRR_DEF_TYPE_FIXED_ENABLE | MTRR_DEF_TYPE_ENABLE));
	case FIXED:
		return are_fixed_types(state, value);
	case VARIABLE_BASE:
		return is_type(state, field_get(value, MTRR_PHYSBASE_TYPE)) &&
		       !(value & PHYSBASE_RESERVED) && fits_width(state, value);
	case VARIABLE_MASK:
		return !(value & PHYSMASK_RESERVED) && fits_width(state, value);
	case CAP:
	case NO_MTRR:
		break;
	}
	return false;
}

static u64 *find_register(struct mtrr_state *state, u32 index)
{
	struct place place = find(state, index);

	bug_if(place.kind == NO_MTRR);
	switch (place.kind) {
	case DEF_TYPE:
		return &state->def_type;
	case FIXED:
		return &state->fixed[place.index];
	case VARIABLE_BASE:
		return &state->variable[place.index].base;
	case VARIABLE_MASK:
		return &state->variable[place.index].mask;
	case CAP:
	case NO_MTRR:
		break;
	}
	return &state->cap;
}

u64 mtrr_get(const struct mtrr_state *state, u32 index)
{
	return *find_register((struct mtrr_state *)state, index);
}

void mtrr_set(struct mtrr_state *state, u32 index, u64 value)
{
	*find_register(state, index) = value;
}

/* The type that a fixed-range MTRR gives to @address below 1 MiB; the end of its range. */
static enum memory_type fixed_type(const struct mtrr_state *state, u64 address, u64 *end)
{
	unsigned int i = MTRR_FIXED_COUNT - 1;
	unsigned int range;

	while (address < fixed_registers[i].base)
		i--;
	range = (unsigned int)((address - fixed_registers[i].base) / fixed_registers[i].range_size);
	*end = fixed_registers[i].base + (range + 1) * fixed_registers[i].range_size;
	return (enum memory_type)field_get(state->fixed[i], TYPE_OF_RANGE(range));
}

/* The same, with all following ranges of the same type in one. */
static enum memory_type merged_fixed_type(const struct mtrr_state *state, u64 address, u64 *end)
{
	enum memory_type type = fixed_type(state, address, end);
	u64 next_end;

	while (*end < FIXED_END && fixed_type(state, *end, &next_end) == type)
		*end = next_end;
	return type;
}

/*
 * Claim: variable range @i holds @address.  What it says stays true up to @end, found
 * from the lowest bit of the mask, below which addresses are not compared.
 */
static bool holds(const struct mtrr_state *state, unsigned int i, u64 address, u64 *end)
{
	u64 width = low_bits(state->physical_address_width);
	u64 mask = state->variable[i].mask & ADDRESS & width;
	u64 base = state->variable[i].base & mask;
	u64 block = mask & -mask; /* 0: the range is all of memory */
	bool is_contiguous = mask == (width & -block);

	*end = width + 1;
	if (!block)
		return true;
	if ((address & mask) == base) {
		*end = align_down(address, block) + block;
		return true;
	}
	if (is_contiguous && address < base)
		*end = base;
	else if (!is_contiguous)
		*end = align_down(address, block) + block;
	return false;
}

/* SDM "MTRR Precedences": the type where ranges of types @a and @b overlap. */
static enum memory_type combine(enum memory_type a, enum memory_type b)
{
	if (a == b)
		return a;
	if ((a == MEMORY_TYPE_WT && b == MEMORY_TYPE_WB) ||
	    (a == MEMORY_TYPE_WB && b == MEMORY_TYPE_WT))
		return MEMORY_TYPE_WT;
	return MEMORY_TYPE_UC; /* the SDM: UC wins; undefined for other pairs */
}

static enum memory_type variable_type(const struct mtrr_state *state, u64 address, u64 *end)
{
	enum memory_type type = (enum memory_type)field_get(state->def_type, MTRR_DEF_TYPE_TYPE);
	bool found = false;

	*end = low_bits(state->physical_address_width) + 1;
	for (unsigned int i = 0; i < mtrr_variable_count(state); i++) {
		enum memory_type one =
			(enum memory_type)field_get(state->variable[i].base, MTRR_PHYSBASE_TYPE);
		u64 range_end;

		if (!(state->variable[i].mask & MTRR_PHYSMASK_VALID))
			continue;
		if (holds(state, i, address, &range_end)) {
			type = found ? combine(type, one) : one;
			found = true;
		}
		*end = min_u64(*end, range_end);
	}
	return type;
}

enum memory_type mtrr_type(const struct mtrr_state *state, u64 address, u64 *end)
{
	enum memory_type type;

	if (address > low_bits(state->physical_address_width)) {
		*end = ~0ULL;
		return MEMORY_TYPE_UC;
	}
	*end = low_bits(state->physical_address_width) + 1;
	if (!(state->def_type & MTRR_DEF_TYPE_ENABLE))
		return MEMORY_TYPE_UC;
	if (address < FIXED_END && state->cap & MTRRCAP_FIX &&
	    state->def_type & MTRR_DEF_TYPE_FIXED_ENABLE)
		type = merged_fixed_type(state, address, end);
	else
		type = variable_type(state, address, end);
	return is_type(state, type) ? type : MEMORY_TYPE_UC;
}
