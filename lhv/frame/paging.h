/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's identity map of 4 GiB, user-accessible, and one window of 4 KiB pages whose
 * entries a case may change.  64-bit, PAE and plain 32-bit paging.
 */
#pragma once

#include "xmhf/lib/types.h"

/* The window: linear addresses whose page-table entries window_set() writes. */
#define WINDOW	     0xd0000000u
#define WINDOW_PAGES 512

enum paging_mode {
	PAGING_PLAIN,
	PAGING_PAE,
	PAGING_LONG,
};

/** Builds the tables and, in the 32-bit build, turns paging on; @mode is ignored if 64-bit. */
void paging_init(enum paging_mode mode);

/** Turns paging on as paging_init() did on CPU 0. */
void paging_join(void);

enum paging_mode paging_mode(void);

/** Writes the entry of page @page of the window and invalidates its translation. */
void window_set(unsigned int page, u64 entry);

/** The entry of page @page of the window as it is now. */
u64 window_get(unsigned int page);

/** Makes all of L1's memory but the window supervisor pages, or user pages again. */
void paging_supervisor(bool on);

/** Linear address of page @page of the window. */
static inline u8 *window_page(unsigned int page)
{
	return (u8 *)(uptr)(WINDOW + page * 4096);
}

/** Addresses of tables for L2: identity maps of 4 GiB in the three forms. */
u64 l2_cr3_long(void);
u64 l2_cr3_pae(void);
u64 l2_cr3_plain(void);

/** The four PDPTEs at l2_cr3_pae(). */
const u64 *l2_pdptes(void);

/** Writes them again: an L2 that took them for a PML4 has left accessed flags, which are reserved
 * in PDPTEs. */
void l2_pdptes_repair(void);
