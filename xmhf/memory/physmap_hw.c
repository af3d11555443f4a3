/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's window on physical memory. */
#include "xmhf/memory/physmap.h"

#include "xmhf/x86/cpu.h"

/* The loader's tables map 4 GiB; init.c raises this when L0's own tables map more. */
static u64 physmap_end = 4 * GIB;

void physmap_set_end(u64 end)
{
	physmap_end = end;
}

const void *physmap_view(u64 address, u64 size)
{
	if (address >= physmap_end || size > physmap_end - address)
		return NULL;
	return (const void *)(uptr)(PHYSMAP_BASE + address);
}

void *hpa_to_pointer(hpa_t page)
{
	return (void *)(uptr)(PHYSMAP_BASE + page.v);
}
