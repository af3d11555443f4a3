/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/vmexit/int15.c xmhf/memory/e820.c */
/* INT 15h as a boot loader calls it. */
#include "xmhf/vmexit/int15.h"

#include <string.h>

#include "xmhf/lib/bits.h"
#include "xmhf/test/tap.h"

static struct memory_map map;
static struct int15_answer answer;

static bool call(u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	struct int15_registers in = { eax, ebx, ecx, edx };

	memset(&answer, 0x5a, sizeof(answer));
	return int15_answer(&map, &in, &answer);
}

static void pc(void)
{
	memory_map_init(&map);
	memory_map_add(&map, 0, 0x9fc00, MEMORY_RAM);
	memory_map_add(&map, 0x9fc00, 0x400, MEMORY_RESERVED);
	memory_map_add(&map, MIB, 2 * GIB - MIB, MEMORY_RAM);
	memory_map_add(&map, 4 * GIB, 2 * GIB, MEMORY_RAM);
	memory_map_reserve(&map, 2 * GIB - 4 * MIB, 4 * MIB);
}

static void is_failure(const char *what)
{
	ok(answer.carry && (answer.registers.eax & 0xff00) == 0x8600 && !answer.size,
	   "%s fails with AH=86h", what);
}

static void test_e820(void)
{
	u32 next = 0;

	pc();
	for (unsigned int i = 0; i < map.count; i++) {
		u64 base, size;
		u32 type;

		ok(call(0xe820, next, 20, E820_SIGNATURE), "ours");
		memcpy(&base, answer.bytes, 8);
		memcpy(&size, answer.bytes + 8, 8);
		memcpy(&type, answer.bytes + 16, 4);
		ok(!answer.carry && answer.size == 20 && answer.registers.ecx == 20 &&
			   answer.registers.eax == E820_SIGNATURE &&
			   answer.registers.edx == E820_SIGNATURE,
		   "range %u is answered", i);
		ok(base == map.range[i].base && size == map.range[i].size &&
			   type == map.range[i].type,
		   "range %u is that of the map", i);
		next = answer.registers.ebx;
		ok((next == 0) == (i == map.count - 1), "the last one ends the list");
	}
	call(0xe820, map.count - 1, 20, E820_SIGNATURE);
	ok(!answer.carry, "the last range");
	call(0xe820, map.count, 20, E820_SIGNATURE);
	is_failure("a range after the last");
	call(0xe820, ~0U, 20, E820_SIGNATURE);
	is_failure("any wild continuation");
	call(0xe820, 0, 19, E820_SIGNATURE);
	is_failure("a buffer that is too small");
	call(0xe820, 0, 20, E820_SIGNATURE + 1);
	is_failure("a wrong signature");
	is_u64(answer.registers.ecx, 20, "other registers stay");
	call(0x1234e820, 0, 20, E820_SIGNATURE);
	ok(!answer.carry, "the high half of EAX does not matter");
}

static void test_long_e820(void)
{
	u32 attributes;

	pc();
	call(0xe820, 0, 23, E820_SIGNATURE);
	is_u64(answer.size, 20, "a buffer for the short form");
	ok(!answer.bytes[20], "and nothing after it");
	call(0xe820, 0, 24, E820_SIGNATURE);
	ok(answer.size == 24 && answer.registers.ecx == 24, "the long form");
	memcpy(&attributes, answer.bytes + 20, 4);
	is_u64(attributes, 1, "attributes");
	call(0xe820, 0, 4096, E820_SIGNATURE);
	ok(answer.size == 24 && answer.registers.ecx == 24, "and no longer one");
	memory_map_init(&map);
	call(0xe820, 0, 24, E820_SIGNATURE);
	is_failure("an empty map");
}

static void test_e801(void)
{
	pc();
	ok(call(0xabcde801, 0x11110000, 0x22220000, 0x33330000), "ours");
	is_u64(answer.registers.eax, 0xabcd3c00, "EAX: 15 MiB in KiB, high half kept");
	is_u64(answer.registers.ebx, 0x11110000 + 0x8000 - 0x100 - 0x40, "EBX: 64-KiB blocks");
	is_u64(answer.registers.ecx, 0x22223c00, "ECX");
	is_u64(answer.registers.edx, 0x33330000 + 0x8000 - 0x100 - 0x40, "EDX");
	ok(!answer.carry && !answer.size, "no carry, no bytes");
	ok(call(0xe881, 0x11110000, 1, 2), "ours");
	ok(answer.registers.eax == 0x3c00 && answer.registers.ebx == 0x7ec0 &&
		   answer.registers.ecx == 0x3c00 && answer.registers.edx == 0x7ec0 &&
		   !answer.carry,
	   "32-bit registers");
	memory_map_reserve(&map, 2 * MIB, MIB);
	call(0xe801, 0, 0, 0);
	is_u64(answer.registers.eax, 0x400, "a hole below 16 MiB ends the first count");
	is_u64(answer.registers.ebx, 0x7ec0, "not the second");
	memory_map_reserve(&map, 16 * MIB, 0x1000);
	call(0xe801, 0, 0, 0);
	is_u64(answer.registers.ebx, 0, "no RAM at 16 MiB");
	memory_map_init(&map);
	memory_map_add(&map, 0, 8 * GIB, MEMORY_RAM);
	call(0xe801, 0, 0, 0);
	is_u64(answer.registers.ebx, 0xff00, "at most 4 GiB");
	memory_map_init(&map);
	call(0xe801, 0, 0, 0);
	is_u64(answer.registers.ebx, 0, "nothing of an earlier map");
	memory_map_init(&map);
	memory_map_add(&map, 0, MIB, MEMORY_RAM);
	call(0xe801, 0, 0, 0);
	is_u64(answer.registers.eax, 0, "RAM that ends at 1 MiB");
}

static void test_88(void)
{
	pc();
	ok(call(0xabcd88ff, 1, 2, 3), "ours, AL does not matter");
	is_u64(answer.registers.eax, 0xabcdfc00, "at most 63 MiB");
	ok(!answer.carry && answer.registers.ebx == 1 && answer.registers.ecx == 2 &&
		   answer.registers.edx == 3,
	   "other registers stay");
	memory_map_reserve(&map, 5 * MIB, MIB);
	call(0x8800, 0, 0, 0);
	is_u64(answer.registers.eax, 0x1000, "up to the hole");
}

static void test_others(void)
{
	unsigned int ours = 0;

	pc();
	for (u32 ax = 0; ax < 0x10000; ax++)
		ours += call(ax, 0, 24, E820_SIGNATURE);
	is_u64(ours, 4 + 3 * 256, "four functions of AX, three of AH");
	ok(!call(0x2401, 0, 0, 0) && !call(0xe980, 0, 0, 0) && !call(0xc000, 0, 0, 0),
	   "A20, EDD, configuration are the BIOS's");
	call(0xda88, 0, 0, 0);
	is_failure("DA88h");
	call(0x8a00, 0, 0, 0);
	is_failure("8Ah");
	call(0xc700, 0, 0, 0);
	is_failure("C7h");
}

int main(void)
{
	test_e820();
	test_long_e820();
	test_e801();
	test_88();
	test_others();
	return tap_end();
}
