/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/device/multiboot.c xmhf/memory/e820.c xmhf/test/fake_physmap.c */
/* Multiboot information of both versions, good and damaged. */
#include "xmhf/device/multiboot.h"

#include <string.h>

#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"
#include "xmhf/x86/multiboot.h"

#define INFO 0x10000

static struct boot_info info;

static void is_error(const char *got, const char *part)
{
	ok(part ? got && strstr(got, part) : !got, "error is \"%s\", expected \"%s\"",
	   got ? got : "none", part ? part : "none");
}

/* Multiboot 1: the structure, and memory at fixed places. */
static struct multiboot1_info mbi;
static struct multiboot1_mmap_entry mmap1[3];

static void good1(void)
{
	mbi = (struct multiboot1_info){
		.flags = MULTIBOOT1_INFO_BOOT_DEVICE | MULTIBOOT1_INFO_CMDLINE |
			 MULTIBOOT1_INFO_MMAP | MULTIBOOT1_INFO_LOADER_NAME |
			 MULTIBOOT1_INFO_MEMORY,
		.mem_lower = 1,
		.mem_upper = 1,
		.boot_device = 0x81ffffff,
		.cmdline = 0x20000,
		.mmap_length = sizeof(mmap1),
		.mmap_addr = 0x30000,
		.boot_loader_name = 0x40000,
	};
	mmap1[0] = (struct multiboot1_mmap_entry){ 20, 0, 0, 0x9fc00, 0, MEMORY_RAM };
	mmap1[1] = (struct multiboot1_mmap_entry){ 20, 0x100000, 0, 0x7ff00000, 0, MEMORY_RAM };
	mmap1[2] = (struct multiboot1_mmap_entry){ 20, 0, 1, 0, 2, MEMORY_RAM };
}

static const char *parse1_with(const char *cmdline)
{
	fake_physmap_reset();
	fake_physmap_add(INFO, &mbi, sizeof(mbi));
	fake_physmap_add(0x20000, cmdline, strlen(cmdline) + 1);
	fake_physmap_add(0x30000, mmap1, sizeof(mmap1));
	fake_physmap_add(0x40000, "GRUB 2.06", 10);
	return multiboot_parse(MULTIBOOT1_LOADER_MAGIC, INFO, &info);
}

static void test_good1(void)
{
	good1();
	is_error(parse1_with("/xmhf.elf\tserial=off"), NULL);
	is_u64(info.multiboot_version, 1, "version");
	ok(!strcmp(info.cmdline, "/xmhf.elf serial=off"), "command line '%s'", info.cmdline);
	ok(!info.cmdline_truncated, "whole command line");
	ok(!strcmp(info.loader_name, "GRUB 2.06"), "loader '%s'", info.loader_name);
	is_u64((u64)info.boot_drive, 0x81, "drive");
	is_u64(info.rsdp, 0, "RSDP");
	is_u64(info.map.count, 3, "ranges");
	is_u64(info.map.range[2].base, 4 * GIB, "base above 4 GiB");
	is_u64(info.map.range[2].size, 8 * GIB, "size above 4 GiB");

	mmap1[1].size = 20 + sizeof(mmap1[2]);
	is_error(parse1_with(""), NULL);
	is_u64(info.map.count, 2, "a longer entry is stepped over as a whole");
	good1();
	mmap1[2].length_high = 0xffffffff;
	mmap1[1].length_low = 0;
	is_error(parse1_with(""), NULL);
	is_u64(info.ignored_ranges, 2, "empty and wrapping ranges");
}

static void test_flags1(void)
{
	good1();
	mbi.flags &= ~(MULTIBOOT1_INFO_BOOT_DEVICE | MULTIBOOT1_INFO_CMDLINE |
		       MULTIBOOT1_INFO_LOADER_NAME);
	is_error(parse1_with("serial=off"), NULL);
	ok(info.boot_drive == -1 && !info.cmdline[0] && !info.loader_name[0],
	   "fields without their flag are not read");
	mbi.flags = MULTIBOOT1_INFO_MEMORY;
	mbi.mem_lower = 640;
	mbi.mem_upper = 0xfc00;
	is_error(parse1_with(""), NULL);
	is_u64(memory_map_total_ram(&info.map), 640 * KIB + 63 * MIB, "sizes instead of a map");
	is_u64(memory_map_top_of_ram(&info.map), 64 * MIB, "upper memory starts at 1 MiB");
	mbi.flags = 0;
	is_error(parse1_with(""), "no memory map");
}

static void test_long_cmdline(void)
{
	char text[BOOT_CMDLINE_SIZE + 1];

	memset(text, 'a', sizeof(text));
	text[BOOT_CMDLINE_SIZE - 1] = '\0';
	good1();
	is_error(parse1_with(text), NULL);
	ok(strlen(info.cmdline) == BOOT_CMDLINE_SIZE - 1 && !info.cmdline_truncated, "just fits");
	text[BOOT_CMDLINE_SIZE - 1] = 'a';
	text[BOOT_CMDLINE_SIZE] = '\0';
	is_error(parse1_with(text), NULL);
	ok(strlen(info.cmdline) == BOOT_CMDLINE_SIZE - 1 && info.cmdline_truncated, "is cut off");
}

static void test_bad1(void)
{
	struct multiboot1_mmap_entry many[MEMORY_MAP_CAPACITY + 1];

	good1();
	is_error(multiboot_parse(0x12345678, INFO, &info), "not started");
	is_error(multiboot_parse(MULTIBOOT1_LOADER_MAGIC, ~0ULL - 8, &info), "outside");
	mbi.cmdline = 0xfffffff0;
	is_error(parse1_with(""), "outside");
	good1();
	mbi.boot_loader_name = 0x50000;
	is_error(parse1_with(""), "outside");
	good1();
	mbi.mmap_addr = 0x50000;
	is_error(parse1_with(""), "outside");
	good1();
	mbi.mmap_length = 0x10001;
	is_error(parse1_with(""), "too long");
	good1();
	mmap1[1].size = 19;
	is_error(parse1_with(""), "too short");
	good1();
	mmap1[2].size = 21;
	is_error(parse1_with(""), "ends inside");
	mmap1[2].size = 0xffffffff;
	is_error(parse1_with(""), "ends inside");
	good1();
	mbi.mmap_length--;
	is_error(parse1_with(""), "ends inside");
	mbi.mmap_length = sizeof(mmap1[0]) + 3;
	is_error(parse1_with(""), "ends inside");
	good1();
	mbi.mmap_length = sizeof(many);
	mbi.mmap_addr = 0x60000;
	for (u32 i = 0; i <= MEMORY_MAP_CAPACITY; i++)
		many[i] = (struct multiboot1_mmap_entry){ 20, i << 16, 0, 0x1000, 0, MEMORY_RAM };
	parse1_with("");
	fake_physmap_add(0x60000, many, sizeof(many));
	is_error(multiboot_parse(MULTIBOOT1_LOADER_MAGIC, INFO, &info), "too many ranges");
}

/* Multiboot 2: a growing block of tags. */
static u8 block[512];
static u32 block_size;

static void tag(u32 type, const void *bytes, u32 size)
{
	struct multiboot2_tag header = { type, (u32)sizeof(header) + size };

	memcpy(block + block_size, &header, sizeof(header));
	if (size)
		memcpy(block + block_size + sizeof(header), bytes, size);
	block_size = (block_size + header.size + 7) & ~7U;
}

static const char *parse2(void)
{
	struct multiboot2_info header = { block_size, 0 };

	memcpy(block, &header, sizeof(header));
	fake_physmap_reset();
	fake_physmap_add(INFO, block, block_size);
	return multiboot_parse(MULTIBOOT2_LOADER_MAGIC, INFO, &info);
}

static struct {
	struct multiboot2_mmap header;
	struct multiboot2_mmap_entry entries[2];
} mmap2;

static void start2(void)
{
	memset(block, 0, sizeof(block));
	block_size = sizeof(struct multiboot2_info);
	mmap2.header = (struct multiboot2_mmap){ sizeof(mmap2.entries[0]), 0 };
	mmap2.entries[0] = (struct multiboot2_mmap_entry){ 0, 0x9fc00, MEMORY_RAM, 0 };
	mmap2.entries[1] = (struct multiboot2_mmap_entry){ GIB, 5 * GIB, MEMORY_NVS, 0 };
}

static void test_good2(void)
{
	struct multiboot2_boot_device device = { 0x80, 0, ~0U };

	start2();
	tag(MULTIBOOT2_TAG_CMDLINE, "log=ring", 9);
	tag(MULTIBOOT2_TAG_LOADER_NAME, "GRUB", 5);
	tag(77, "whatever", 3);
	tag(MULTIBOOT2_TAG_BOOT_DEVICE, &device, sizeof(device));
	tag(MULTIBOOT2_TAG_MMAP, &mmap2, sizeof(mmap2));
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), NULL);
	is_u64(info.multiboot_version, 2, "version");
	ok(!strcmp(info.cmdline, "log=ring"), "command line '%s'", info.cmdline);
	ok(!strcmp(info.loader_name, "GRUB"), "loader '%s'", info.loader_name);
	is_u64((u64)info.boot_drive, 0x80, "drive");
	is_u64(info.map.count, 2, "ranges");
	is_u64(info.map.range[1].size, 5 * GIB, "size of the second");
	is_u64(info.map.range[1].type, MEMORY_NVS, "type of the second");
}

static void test_rsdp2(void)
{
	u8 rsdp[36] = { 0 };
	u64 old_at, new_at;

	start2();
	old_at = INFO + block_size + 8;
	tag(MULTIBOOT2_TAG_ACPI_OLD, rsdp, 20);
	tag(MULTIBOOT2_TAG_MMAP, &mmap2, sizeof(mmap2));
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), NULL);
	is_u64(info.rsdp, old_at, "old RSDP");

	start2();
	new_at = INFO + block_size + 8;
	tag(MULTIBOOT2_TAG_ACPI_NEW, rsdp, 36);
	tag(MULTIBOOT2_TAG_ACPI_OLD, rsdp, 20);
	tag(MULTIBOOT2_TAG_MMAP, &mmap2, sizeof(mmap2));
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), NULL);
	is_u64(info.rsdp, new_at, "the new RSDP is preferred");
}

static void test_basic_memory2(void)
{
	struct multiboot2_basic_memory basic = { 640, 0x400 };

	start2();
	tag(MULTIBOOT2_TAG_BASIC_MEMORY, &basic, sizeof(basic));
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), NULL);
	is_u64(memory_map_total_ram(&info.map), 640 * KIB + MIB, "sizes instead of a map");
	block_size -= 8;
	tag(MULTIBOOT2_TAG_MMAP, &mmap2, sizeof(mmap2));
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), NULL);
	is_u64(memory_map_total_ram(&info.map), 0x9fc00, "the map is preferred");
}

/* One tag of @size bytes of @bytes, then the end tag. */
static const char *parse_tag(u32 type, const void *bytes, u32 size)
{
	start2();
	tag(type, bytes, size);
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	return parse2();
}

static void test_bad2(void)
{
	struct multiboot2_tag bad = { MULTIBOOT2_TAG_END, 7 };
	struct multiboot2_info header = { 0x100001, 0 };
	u32 words[3] = { 0x1ff, 0, 0 };

	start2();
	is_error(multiboot_parse(MULTIBOOT2_LOADER_MAGIC, INFO + 4, &info), "not aligned");
	is_error(multiboot_parse(MULTIBOOT2_LOADER_MAGIC, 0x7000000, &info), "outside");
	tag(MULTIBOOT2_TAG_MMAP, &mmap2, sizeof(mmap2));
	is_error(parse2(), "no end tag");
	memcpy(block + block_size, &bad, sizeof(bad));
	block_size += 8;
	is_error(parse2(), "bad size");
	bad.size = 9;
	memcpy(block + block_size - 8, &bad, sizeof(bad));
	is_error(parse2(), "bad size");
	bad.size = 8;
	memcpy(block + block_size - 8, &bad, sizeof(bad));
	is_error(parse2(), NULL);
	fake_physmap_reset();
	fake_physmap_add(INFO, &header, sizeof(header));
	is_error(multiboot_parse(MULTIBOOT2_LOADER_MAGIC, INFO, &info), "too long");
	header.total_size = 64;
	fake_physmap_reset();
	fake_physmap_add(INFO, &header, sizeof(header));
	is_error(multiboot_parse(MULTIBOOT2_LOADER_MAGIC, INFO, &info), "outside");

	is_error(parse_tag(MULTIBOOT2_TAG_BASIC_MEMORY, words, 7), "memory size is too short");
	is_error(parse_tag(MULTIBOOT2_TAG_BOOT_DEVICE, words, 11), "boot device is too short");
	parse_tag(MULTIBOOT2_TAG_BOOT_DEVICE, words, 12);
	ok(info.boot_drive == -1, "a boot device that is no BIOS drive");
	words[0] = 0xff;
	parse_tag(MULTIBOOT2_TAG_BOOT_DEVICE, words, 12);
	ok(info.boot_drive == 0xff, "the highest BIOS drive");
	is_error(parse_tag(MULTIBOOT2_TAG_MMAP, words, 7), "memory map is too short");
	is_error(parse_tag(MULTIBOOT2_TAG_MMAP, "\x17\0\0\0\0\0\0\0", 8), "entries that are too");
	start2();
	tag(MULTIBOOT2_TAG_MMAP, &mmap2, sizeof(mmap2) - 1);
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), "ends inside");
	start2();
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), "no memory map");
	is_error(parse_tag(MULTIBOOT2_TAG_CMDLINE, "abcd", 4), "no memory map");
	ok(!strcmp(info.cmdline, "abcd"), "a string without NUL ends with its tag");
	start2();
	tag(MULTIBOOT2_TAG_CMDLINE, "abcdefgh", 8);
	tag(77, NULL, 0);
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), "no memory map");
	ok(!strcmp(info.cmdline, "abcdefgh"), "not with the next tag: '%s'", info.cmdline);
	start2();
	tag(MULTIBOOT2_TAG_CMDLINE, "abcdefgh", 9);
	tag(MULTIBOOT2_TAG_CMDLINE, "xy", 3);
	tag(MULTIBOOT2_TAG_END, NULL, 0);
	is_error(parse2(), "no memory map");
	ok(!strcmp(info.cmdline, "xy"), "the last of two command lines: '%s'", info.cmdline);
	is_error(parse_tag(MULTIBOOT2_TAG_CMDLINE, "", 0), "no memory map");
	ok(!info.cmdline[0], "an empty string tag");
}

int main(void)
{
	test_good1();
	test_flags1();
	test_long_cmdline();
	test_bad1();
	test_good2();
	test_rsdp2();
	test_basic_memory2();
	test_bad2();
	fake_physmap_reset();
	return tap_end();
}
