/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypercalls of the hypapp guard (hypapps/guard/guard.c), for the cases about it. */
#pragma once

#include "lhv/suite/case.h"

#define GUARD_VALUE 0x67726475u

#define GUARD_PORT 0x2f0 /* nobody is there */
#define GUARD_MSR  MSR_IA32_KERNEL_GS_BASE

enum guard_call {
	VERSION = 0,
	COUNTS = 0x100,
	SET_PAGE,
	SET_PORT,
	SET_MSR,
	SET_CPUID,
	LAST,
};

enum guard_answer { PASS, HANDLE, DENY, FAULT };

/** Claim: the hypervisor below has the hypapp guard; else the case is skipped. */
bool guard_is_there(void);

/** How often it was asked: for memory (0), ports (1), MSRs (2). */
uptr guard_count(unsigned int which);

/** The hypercall @what: what to do with accesses of kind @how to @argument. */
void guard_set(enum guard_call what, u32 argument, u32 how, enum guard_answer answer);

/** The same for the page at @address, which has @rights from now on. */
void guard_protect(const void *address, u32 rights, enum guard_answer answer);
