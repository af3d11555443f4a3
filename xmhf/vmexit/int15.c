/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory-size functions of INT 15h.  A function that this file does not answer must
 * not be able to report L0's memory as free: those that some BIOSes have besides are
 * answered with "not supported".
 */
#include "xmhf/vmexit/int15.h"

#include "xmhf/lib/bits.h"
#include "xmhf/lib/string.h"

#define NOT_SUPPORTED 0x86 /* in AH, with CF */
#define LOW_WORD      FIELD(15, 0)
#define HIGH_BYTE     FIELD(15, 8)

/* An address range descriptor; the attributes only in the longer form. */
struct descriptor {
	u64 base, length;
	u32 type;
	u32 attributes;
};
#define SHORT_SIZE	20
#define LONG_SIZE	24
#define ATTRIBUTE_VALID BIT32(0) /* ACPI 3: the range is not to be ignored */

_Static_assert(sizeof(struct descriptor) == LONG_SIZE, "as the BIOS stores it");

static u32 set_low_word(u32 value, u64 word)
{
	return (u32)field_set(value, LOW_WORD, word);
}

static void fail(struct int15_answer *answer)
{
	answer->registers.eax = (u32)field_set(answer->registers.eax, HIGH_BYTE, NOT_SUPPORTED);
	answer->carry = true;
}

static void answer_e820(const struct memory_map *map, const struct int15_registers *in,
			struct int15_answer *answer)
{
	struct descriptor descriptor = { .attributes = ATTRIBUTE_VALID };

	if (in->edx != E820_SIGNATURE || in->ecx < SHORT_SIZE || in->ebx >= map->count) {
		fail(answer);
		return;
	}
	descriptor.base = map->range[in->ebx].base;
	descriptor.length = map->range[in->ebx].size;
	descriptor.type = map->range[in->ebx].type;
	answer->size = in->ecx >= LONG_SIZE ? LONG_SIZE : SHORT_SIZE;
	memcpy(answer->bytes, &descriptor, answer->size);
	answer->registers.eax = E820_SIGNATURE;
	answer->registers.ebx = in->ebx + 1 < map->count ? in->ebx + 1 : 0;
	answer->registers.ecx = answer->size;
}

/* Bytes of RAM from @start on without a gap, at most up to @end. */
static u64 contiguous_ram(const struct memory_map *map, u64 start, u64 end)
{
	for (unsigned int i = 0; i < map->count; i++) {
		const struct memory_range *range = &map->range[i];

		if (range->type == MEMORY_RAM && range->base <= start &&
		    start - range->base < range->size)
			return min_u64(range->base + range->size, end) - start;
	}
	return 0;
}

/* KiB from 1 MiB to 16 MiB, and blocks of 64 KiB from 16 MiB to 4 GiB. */
static void count_e801(const struct memory_map *map, u64 *kib, u64 *blocks)
{
	*kib = contiguous_ram(map, MIB, 16 * MIB) / KIB;
	*blocks = contiguous_ram(map, 16 * MIB, 4 * GIB) / (64 * KIB);
}

static void answer_e801(const struct memory_map *map, struct int15_answer *answer)
{
	struct int15_registers *out = &answer->registers;
	u64 kib, blocks;

	count_e801(map, &kib, &blocks);
	out->eax = set_low_word(out->eax, kib);
	out->ebx = set_low_word(out->ebx, blocks);
	out->ecx = set_low_word(out->ecx, kib);
	out->edx = set_low_word(out->edx, blocks);
}

/* E801h in 32-bit registers. */
static void answer_e881(const struct memory_map *map, struct int15_answer *answer)
{
	u64 kib, blocks;

	count_e801(map, &kib, &blocks);
	answer->registers =
		(struct int15_registers){ (u32)kib, (u32)blocks, (u32)kib, (u32)blocks };
}

static void answer_88(const struct memory_map *map, struct int15_answer *answer)
{
	u64 kib = contiguous_ram(map, MIB, 64 * MIB) / KIB;

	answer->registers.eax = set_low_word(answer->registers.eax, kib);
}

/* bios_stub.S knows these functions, too: it asks for no others. */
bool int15_answer(const struct memory_map *map, const struct int15_registers *in,
		  struct int15_answer *answer)
{
	u32 function = in->eax & LOW_WORD;

	memset(answer, 0, sizeof(*answer));
	answer->registers = *in;
	switch (function) {
	case 0xe820:
		answer_e820(map, in, answer);
		return true;
	case 0xe801:
		answer_e801(map, answer);
		return true;
	case 0xe881:
		answer_e881(map, answer);
		return true;
	case 0xda88:
		fail(answer);
		return true;
	}
	switch (field_get(function, HIGH_BYTE)) {
	case 0x88:
		answer_88(map, answer);
		return true;
	case 0x8a:
	case 0xc7:
		fail(answer);
		return true;
	}
	return false;
}
