/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory-size functions of INT 15h as L1 calls them: in real mode and in virtual-8086
 * mode.  The answers must agree with each other, and must not offer L0's memory.
 */
#include "xmhf/test/l1/frame.h"

#define E820_SIGNATURE 0x534d4150U
#define BUFFER	       0x7000U
#define MOST_RANGES    32
#define FLAGS_CARRY    1U
#define RAM	       1U
#define PATTERN	       0xa5U

struct range {
	u64 base, size;
	u32 type, attributes;
};

struct map {
	u32 count;
	struct range range[MOST_RANGES];
};

typedef void call(struct bios_registers *registers);

static void real_int15(struct bios_registers *registers)
{
	bios_call(0x15, registers);
}

static struct range *buffer(void)
{
	return (struct range *)(uptr)BUFFER;
}

static void fill_buffer(void)
{
	for (u32 i = 0; i < 64; i++)
		((volatile u8 *)(uptr)BUFFER)[i] = PATTERN;
}

/* Bytes of the buffer that were written. */
static u32 written(void)
{
	u32 n = 64;

	while (n && ((volatile u8 *)(uptr)BUFFER)[n - 1] == PATTERN)
		n--;
	return n;
}

static bool next_range(call *int15, u32 size, u32 *next, struct bios_registers *r)
{
	*r = (struct bios_registers){ .eax = 0xe820, .ebx = *next, .ecx = size };
	r->edx = E820_SIGNATURE;
	r->edi = BUFFER & 0xf;
	r->es = BUFFER >> 4;
	fill_buffer();
	int15(r);
	*next = r->ebx;
	return !(r->eflags & FLAGS_CARRY);
}

static bool read_map(call *int15, u32 size, struct map *map)
{
	struct bios_registers r;
	u32 next = 0;

	map->count = 0;
	do {
		if (!next_range(int15, size, &next, &r) || r.eax != E820_SIGNATURE)
			return false;
		if (r.ecx < 20 || r.ecx > size || written() > r.ecx)
			return false;
		map->range[map->count++] = *buffer();
	} while (next && map->count < MOST_RANGES);
	return next == 0;
}

static bool same_maps(const struct map *a, const struct map *b)
{
	if (a->count != b->count)
		return false;
	for (u32 i = 0; i < a->count; i++) {
		if (a->range[i].base != b->range[i].base || a->range[i].size != b->range[i].size ||
		    a->range[i].type != b->range[i].type)
			return false;
	}
	return true;
}

static void print_map(const struct map *map)
{
	for (u32 i = 0; i < map->count; i++)
		say("range %x:%x size %x type %u", (u32)(map->range[i].base >> 32),
		    (u32)map->range[i].base, (u32)map->range[i].size, map->range[i].type);
}

static bool is_ram(const struct map *map, u64 address)
{
	for (u32 i = 0; i < map->count; i++) {
		if (map->range[i].type == RAM && address >= map->range[i].base &&
		    address - map->range[i].base < map->range[i].size)
			return true;
	}
	return false;
}

static u64 ram_behind(const struct map *map, u64 address)
{
	for (u32 i = 0; i < map->count; i++) {
		if (map->range[i].type == RAM && address >= map->range[i].base &&
		    address - map->range[i].base < map->range[i].size)
			return map->range[i].base + map->range[i].size - address;
	}
	return 0;
}

/* L0's place, if there is one: hypercall 1. */
static void check_hidden(const struct map *map)
{
	u32 eax = 0x584d4846, ebx = 1, ecx = 0, edx = 0;

	if (try_vmcall(&eax, &ebx, &ecx, &edx) != NO_TRAP || eax) {
		ok(!is_ram(map, ~0ULL), "nothing is hidden, or what is hidden is not RAM");
		return;
	}
	ok(!is_ram(map, ebx) && !is_ram(map, ebx + ecx - 1) && !is_ram(map, ebx + ecx / 2),
	   "nothing is hidden, or what is hidden is not RAM");
}

static void check_e820(call *int15, const char *mode, struct map *map)
{
	static struct map longer;
	struct bios_registers r;
	u32 next = 0;

	ok(read_map(int15, 20, map) && map->count >= 4, "E820 with 20 bytes, %s", mode);
	ok(read_map(int15, 24, &longer) && same_maps(map, &longer), "E820 with 24 bytes, %s", mode);
	ok(!is_ram(map, *(u16 *)0x413 * 1024ULL), "RAM ends where base memory does, %s", mode);
	r = (struct bios_registers){ .eax = 0xe820, .ecx = 20, .es = BUFFER >> 4 };
	int15(&r);
	ok(r.eflags & FLAGS_CARRY, "E820 without its signature fails, %s", mode);
	next = 200;
	ok(!next_range(int15, 20, &next, &r) || next == 0, "E820 ends behind the last range, %s",
	   mode);
}

static void check_e801(call *int15, const char *mode, const struct map *map)
{
	struct bios_registers r = { .eax = 0xe801 };
	u64 low = ram_behind(map, 0x100000), high = ram_behind(map, 0x1000000);
	u32 kib = low >= 0xf00000 ? 0x3c00 : (u32)low / 1024;
	u32 blocks = (u32)(high >> 16);

	int15(&r);
	ok(!(r.eflags & FLAGS_CARRY) && (r.eax & 0xffff) == kib && (r.ecx & 0xffff) == kib,
	   "E801 counts the first 16 MiB, %s", mode);
	/* Bochs' BIOS counts up to the end of memory, ACPI tables included: one block more. */
	ok((r.ebx & 0xffff) == (r.edx & 0xffff) && (r.ebx & 0xffff) - blocks <= 1,
	   "E801 counts what follows, %s", mode);
}

static void check_88(call *int15, const char *mode, const struct map *map)
{
	struct bios_registers r = { .eax = 0x8800, .ebx = 0x12345678 };
	u64 kib = ram_behind(map, 0x100000) / 1024;

	int15(&r);
	ok(!(r.eflags & FLAGS_CARRY) && (r.eax & 0xffff) <= kib && (r.eax & 0xffff) >= 0x3c00,
	   "88h counts no more than there is, %s", mode);
	ok(r.ebx == 0x12345678, "88h changes no other register, %s", mode);
}

static void check_other(call *int15, const char *mode)
{
	struct bios_registers r = { .eax = 0xc000 };

	int15(&r);
	ok(!(r.eflags & FLAGS_CARRY) && (r.eax >> 8 & 0xff) == 0,
	   "another function goes to the BIOS, %s", mode);
	r = (struct bios_registers){ .eax = 0x7777 };
	int15(&r);
	ok(r.eflags & FLAGS_CARRY, "an unknown function fails, %s", mode);
}

void test_main(void)
{
	static struct map real, v86;

	check_e820(real_int15, "real mode", &real);
	print_map(&real);
	check_hidden(&real);
	check_e801(real_int15, "real mode", &real);
	check_88(real_int15, "real mode", &real);
	check_other(real_int15, "real mode");
	check_e820(v86_int15_call, "virtual-8086 mode", &v86);
	check_e801(v86_int15_call, "virtual-8086 mode", &v86);
	check_88(v86_int15_call, "virtual-8086 mode", &v86);
	check_other(v86_int15_call, "virtual-8086 mode");
	ok(same_maps(&real, &v86), "both modes see the same map");
}
