/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small L1 memory for tests: l1_memory.h over an array, at physical address 0 to
 * WORLD_BYTES; everything above is not L1's.
 */
#pragma once

#include <string.h>
#include "xmhf/memory/l1_memory.h"
#include "xmhf/lib/bits.h"
#include "xmhf/lib/bug.h"

#define WORLD_BYTES (128 * KIB)

static _Alignas(4096) unsigned char world[WORLD_BYTES];

void *l1_memory_view(l1pa_t address, u64 size)
{
	bug_if((address.v & 0xfff) + size > 4096);
	if (address.v >= WORLD_BYTES || size > WORLD_BYTES - address.v)
		return NULL;
	return world + address.v;
}

void l1_memory_read(l1pa_t address, void *out, u64 size)
{
	void *view = l1_memory_view(address, size);

	if (view)
		memcpy(out, view, size);
	else
		memset(out, 0xff, size);
}

void *l1_memory_view_for_writing(l1pa_t address, u64 size)
{
	return l1_memory_view(address, size);
}

void l1_memory_write(l1pa_t address, const void *in, u64 size)
{
	void *view = l1_memory_view(address, size);

	if (view)
		memcpy(view, in, size);
}

/* For what writes in place. */
void l1_memory_written(l1pa_t address);
void l1_memory_written(l1pa_t address)
{
	(void)address;
}

_Noreturn void bug_stop(const char *file, int line, const char *claim)
{
	(void)file, (void)line, (void)claim;
	__builtin_trap();
}

#include "nested/insn/operand_space.h"

/* EPT12 of the tests: L2's memory is L1's from world_l2_base on; nothing is there elsewhere. */
static u64 world_l2_base, world_l2_size;

bool operand_space_translate(u64 physical, u64 linear, enum l1_access access, bool is_final,
			     l1pa_t *out, struct l1_fault *fault)
{
	*out = l1pa(physical + world_l2_base);
	if (physical < world_l2_size)
		return true;
	*fault = (struct l1_fault){ 0 };
	fault->ept.refused = 1;
	fault->ept.physical = physical;
	fault->ept.linear = linear;
	fault->ept.qualification = (u64)is_final << 8 | (access == L1_ACCESS_WRITE ? 2 : 1);
	return false;
}
