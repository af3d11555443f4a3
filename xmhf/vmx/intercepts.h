/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hypapp asked for: ports, MSRs, CPUID leaves, rights of memory.  Changed under EPT01's
 * lock; every change is a new generation of EPT01, and when all CPUs were kicked they obey.
 * The functions of the contract are in intercepts.c; these are for L0.
 */
#pragma once

#include "xmhf/lib/types.h"

#define INTERCEPTS_MSRS	  16
#define INTERCEPTS_LEAVES 8

struct intercepts {
	u64 *ports_a, *ports_b; /* I/O bitmaps; NULL: the hypapp has no intercepts */
	hpa_t ports_a_address, ports_b_address;
	struct {
		u32 index;
		bool read, write;
	} msr[INTERCEPTS_MSRS];
	u32 msr_count;
	u32 leaf[INTERCEPTS_LEAVES];
	u32 leaf_count;
	u64 pages; /* that may be without rights */
};

extern struct intercepts intercepts;

/** Takes the pages that are needed from the machine's pool.  Called once. */
void intercepts_create(void);

/** Pages that intercepts_create() takes. */
u64 intercepts_pages(void);

/** Claim: the hypapp wants to see an access of @size bytes at @port.  Pure, as the next two. */
bool intercepts_want_port(const struct intercepts *wanted, u16 port, u32 size);

/** Claim: it wants to see a read, or a write, of MSR @index. */
bool intercepts_want_msr(const struct intercepts *wanted, u32 index, bool is_write);

/** Claim: it wants to see CPUID of @leaf. */
bool intercepts_want_cpuid(const struct intercepts *wanted, u32 leaf);

/**
 * Claim: the hypapp left L1 all of @access (EPT_READ, ...) to the page of L1-physical @address.
 * True for what EPT01 does not map at all.
 */
bool intercepts_allow(l1pa_t address, u64 access);
