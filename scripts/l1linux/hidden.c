/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's memory, which L1 must neither be offered as RAM nor be able to read or
 * write: the firmware's memory map and /dev/mem.  (/dev/mem only gives what is not RAM.)
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypercall.h"
#include "l1probe.h"

#define PAGE	      4096u
#define MEMMAP	      "/sys/firmware/memmap"
#define MOST_REGIONS  128
#define PAGES_PROBED  3u
#define SECRET_TO_PUT 0x5ec2e7f00dcafe01ull

struct region {
	u64 start, last;
	char type[64];
};

static bool read_word(int number, const char *name, const char *format, void *word)
{
	char path[64];
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), MEMMAP "/%d/%s", number, name);
	file = fopen(path, "r");
	if (!file)
		return false;
	found = fscanf(file, format, word) == 1;
	fclose(file);
	return found;
}

static bool read_region(int number, struct region *region)
{
	return read_word(number, "start", "%lx", &region->start) &&
	       read_word(number, "end", "%lx", &region->last) &&
	       read_word(number, "type", "%63[^\n]", region->type);
}

static void check_memory_map(u64 base, u64 size)
{
	struct region region;
	bool offered = false;
	int count = 0;

	for (; count < MOST_REGIONS && read_region(count, &region); count++) {
		bool overlaps = region.start < base + size && base <= region.last;

		printf("PROBE memmap %016lx-%016lx %s%s\n", region.start, region.last, region.type,
		       overlaps ? " (hypervisor)" : "");
		offered = offered || (overlaps && strcmp(region.type, "System RAM") == 0);
	}
	check(count > 0, "the firmware's memory map can be read");
	check(!offered, "the firmware's memory map does not offer the hypervisor's memory as RAM");
}

static bool reads_ones(const volatile u64 *words)
{
	return words[0] == ~0ull && words[PAGE / sizeof(u64) / 2] == ~0ull &&
	       words[PAGE / sizeof(u64) - 1] == ~0ull;
}

static void check_page(int file, const char *which, u64 address)
{
	volatile u64 *words =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)address);

	if (!check(words != MAP_FAILED, "%s page (%#lx) can be mapped", which, address))
		return;
	check(reads_ones(words), "%s page reads as ones", which);
	words[0] = SECRET_TO_PUT;
	check(reads_ones(words), "%s page still reads as ones after a write", which);
	munmap((void *)words, PAGE);
}

static void check_pages(u64 base, u64 size)
{
	int file = open("/dev/mem", O_RDWR | O_SYNC);

	if (!check(file >= 0, "/dev/mem can be opened"))
		return;
	check_page(file, "first", base);
	check_page(file, "middle", base + (size / 2 & ~(u64)(PAGE - 1)));
	check_page(file, "last", base + size - PAGE);
	close(file);
}

void check_hidden_memory(void)
{
	struct hypercall_result before = hypercall(HYPERCALL_HIDDEN_MEMORY, 0, 0), after;

	if (!check(!before.undefined && before.status == HYPERCALL_OK, "hypercall HIDDEN_MEMORY"))
		return;
	printf("PROBE hidden base=%#lx size=%#lx refused=%lu\n", before.b, before.c, before.d);
	if (!check(before.c >= PAGE && before.b % PAGE == 0 && before.c % PAGE == 0,
		   "the hypervisor's memory is whole pages"))
		return;
	check_memory_map(before.b, before.c);
	check_pages(before.b, before.c);
	after = hypercall(HYPERCALL_HIDDEN_MEMORY, 0, 0);
	check(after.d >= before.d + PAGES_PROBED,
	      "the hypervisor counted the refused accesses (%lu)", after.d - before.d);
}
