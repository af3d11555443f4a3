/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the personas share: checks, a script of exits that L2's program must take in order,
 * the emulation of ordinary exits, and a digest of all that was seen, which must be the
 * same natively and through a hypervisor.
 */
#pragma once

#include "lhv/persona/persona.h"

#define WORK_PORT	0x80u
#define WORK_MMIO_BYTES 2 /* of `mov (BX), %eax` */

/** One exit of a script.  Exits that do not happen on this processor have @unless true. */
struct step {
	u32 reason;
	void (*emulate)(void); /* NULL: the instruction is skipped */
	bool unless;
};

/** An EPT12 of a persona: 3 GiB one to one, then one page table at EPT_FREE_BASE. */
struct work_ept {
	u64 *pdpt, *pd, *pt;
	u64 eptp;
};

/** Counts a check; a bad one is reported with the exit. */
void work_check(bool good, const char *what);
/** Adds @value to the digest. */
void work_digest(u64 value);
/** Enters; the exit must have @reason. */
bool work_enter(u32 reason);
/** Enters and emulates as @steps says; false at the first exit that is another one. */
bool work_script(const struct step *steps, unsigned int count);
/** Called after each exit of the script: what the persona always does. */
void work_at_each_exit(void (*habit)(void));

/** The persona's control words, adjusted to what is allowed, for L2 of @mode. */
void work_set_controls(const struct persona *p, enum l2_mode mode);
/** Claim: the present VMCS has all of @bits of @word. */
bool work_uses(enum vmx_control_word word, u32 bits);

/** Fresh tables; @gib: by 1 GiB pages. */
struct work_ept work_ept_new(bool gib);
/** INVEPT of @ept, single context where there is that. */
void work_flush(const struct work_ept *ept);
/** An entry for one of the pages of @ept's table, write-back. */
u64 work_page(const void *page, u64 rights);
/** A bitmap that intercepts every MSR. */
u8 *work_msr_bitmap(void);
void work_msr_pass(u8 *bitmap, u32 msr);

/** IA32_EFER by MSR lists, as a hypervisor without the controls does. */
void work_efer_lists(void);

/* Emulations.  The sum that L2 makes of the values is work_sum(). */
void work_skip(void);
void work_cpuid(void);
void work_in(void);
void work_mmio(void);
void work_rdmsr(void);
void work_mov_from_dr7(void);
/** Injects the exception that exited. */
void work_reflect(void);
/** Injects #UD. */
void work_inject_ud(void);
/** In L2's handler of an exception: it returns behind an instruction of 2 or 3 bytes. */
void work_return_behind_2(void);
void work_return_behind_3(void);
/** Injects the external interrupt VECTOR_TEST. */
void work_inject_interrupt(void);
/** In L2's handler of VECTOR_TEST: lets it return; a loop of L2 on SI = 0 ends. */
void work_interrupt_handled(void);

/** Prepares the registers for a round of the macro `ordinary`; gives the sum L2 must reach. */
u32 work_ordinary_start(u32 round);

void work_report(const char *name, u32 rounds, u64 ticks);
bool work_good(u32 *good, u32 *done);
