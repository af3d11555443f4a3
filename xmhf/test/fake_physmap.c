/* SPDX-License-Identifier: BSD-2-Clause */
/* Host-physical memory for host tests. */
#include "xmhf/test/fake_physmap.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 64

static struct range {
	u64 address, size;
	u8 *bytes;
} ranges[RANGES_MAX];
static unsigned int range_count;

/* Views handed out, so that they can be freed: each starts with the previous one. */
static struct view {
	struct view *previous;
	u8 bytes[];
} * last_view;

void fake_physmap_reset(void)
{
	while (last_view) {
		struct view *previous = last_view->previous;

		free(last_view);
		last_view = previous;
	}
	while (range_count)
		free(ranges[--range_count].bytes);
}

void *fake_physmap_add(u64 address, const void *bytes, u64 size)
{
	struct range *range = &ranges[range_count++];

	if (range_count > RANGES_MAX)
		abort();
	*range = (struct range){ address, size, calloc(1, size ? size : 1) };
	if (bytes && size)
		memcpy(range->bytes, bytes, size);
	return range->bytes;
}

static u8 *find(u64 address, u64 size)
{
	for (unsigned int i = 0; i < range_count; i++) {
		const struct range *range = &ranges[i];

		if (address >= range->address && size <= range->size &&
		    address - range->address <= range->size - size)
			return range->bytes + (address - range->address);
	}
	return NULL;
}

const void *physmap_view(u64 address, u64 size)
{
	const u8 *bytes = find(address, size);
	struct view *view;

	if (!bytes)
		return NULL;
	view = malloc(sizeof(*view) + size);
	view->previous = last_view;
	last_view = view;
	return memcpy(view->bytes, bytes, size);
}

void *hpa_to_pointer(hpa_t page)
{
	void *bytes = find(page.v, 4096);

	if (!bytes)
		abort();
	return bytes;
}
