/* SPDX-License-Identifier: BSD-2-Clause */
/* What world.c and world_ept.c share; nobody else includes it. */
#pragma once

#include "lhv/hostile/hostile.h"

#define ENTRIES	    512
#define NO_RAM	    0x70000000u /* above the RAM, below devices */
#define FAR_ADDRESS BIT(38)
#define VGA_MEMORY  0xa0000u
#define BIOS_ROM    0xfffff000u

static inline u64 *world_table(const struct hostile *h, unsigned int page)
{
	return (u64 *)(uptr)world_page(h, page);
}

/* world.c */
/** A page of L0's. */
u64 world_hidden_address(struct hostile *h);
void world_build_l2_paging(struct hostile *h);

/* world_ept.c */
/** An EPTP to @of's tables, often good. */
u64 world_eptp_in(struct hostile *h, const struct hostile *of);
/** The EPT as it was at the beginning. */
void world_build_ept(struct hostile *h);
