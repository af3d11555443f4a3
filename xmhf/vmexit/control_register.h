/* SPDX-License-Identifier: BSD-2-Clause */
/* Which values MOV to CR0 and MOV to CR4 accept.  Pure.  SDM volume 2 "MOV-Move to/from Control
 * Registers", volume 3 "Control Registers". */
#pragma once

#include "xmhf/x86/cpu.h"

/* Exit qualification for control-register accesses. */
#define CR_ACCESS_NUMBER   FIELD(3, 0)
#define CR_ACCESS_TYPE	   FIELD(5, 4)
#define CR_ACCESS_REGISTER FIELD(11, 8)

/** A write to a control register, and the state that decides whether it is legal. */
struct cr_write {
	u64 value;
	u64 cr0, cr3, cr4;	/* before the write */
	bool ia32e_mode;	/* IA32_EFER.LMA */
	bool code_64;		/* CS.L; means 64-bit mode together with ia32e_mode */
	bool long_mode_enabled; /* IA32_EFER.LME */
	u64 cr4_valid;		/* bits of CR4 that L1's processor has */
};

/** Claim: MOV of @w->value to CR0 does not cause #GP. */
bool cr0_write_is_valid(const struct cr_write *w);

/** Claim: MOV of @w->value to CR4 does not cause #GP. */
bool cr4_write_is_valid(const struct cr_write *w);
