/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/device/multiboot.c xmhf/memory/e820.c xmhf/test/fake_physmap.c */
/*
 * Any bytes as Multiboot information: no wild read, and the result is a proper map and
 * proper strings.  The first byte chooses the version; the rest is memory at 64 KiB.
 */
#include "xmhf/device/multiboot.h"

#include <stdlib.h>
#include <string.h>

#include "xmhf/test/fake_physmap.h"
#include "xmhf/x86/multiboot.h"

#define INFO 0x10000

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_map(const struct memory_map *map)
{
	for (unsigned int i = 0; i < map->count; i++) {
		const struct memory_range *r = &map->range[i];

		if (!r->size || r->base + r->size < r->base)
			abort();
		if (i && r[-1].base + r[-1].size > r->base)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct boot_info info;
	const char *error;

	if (size < 1)
		return 0;
	fake_physmap_reset();
	fake_physmap_add(INFO, data + 1, size - 1);
	error = multiboot_parse(data[0] & 1 ? MULTIBOOT1_LOADER_MAGIC : MULTIBOOT2_LOADER_MAGIC,
				INFO, &info);
	if (!memchr(info.cmdline, 0, sizeof(info.cmdline)) ||
	    !memchr(info.loader_name, 0, sizeof(info.loader_name)))
		abort();
	check_map(&info.map);
	if (!error && !memory_map_total_ram(&info.map))
		abort();
	fake_physmap_reset();
	return 0;
}
