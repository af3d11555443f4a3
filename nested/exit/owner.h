/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose is a VM exit from L2: L1's, exactly if the processor would have exited under
 * VMCS12's controls, else L0's.  Pure.
 * SDM "Instructions That Cause VM Exits", "Other Causes of VM Exits".
 */
#pragma once

#include "nested/vmcs12/vmcs12.h"
#include "nested/insn/l1_cpu_state.h"

enum exit_owner {
	OWNER_L0,
	OWNER_L1,
};

/** What VMCS02 and the processor say of the exit. */
struct owner_exit {
	u32 exit_reason; /* with its flags */
	u32 interruption_information;
	u32 interruption_error_code;
	u32 instruction_information;
	u64 qualification;
	bool l2_is_64bit_code;	       /* registers count with 64 bits, else with 32 */
	bool init_is_l0_kick;	       /* an INIT that L0 itself sent */
	bool mtf_was_injected;	       /* VMCS12 injected a pending MTF VM exit at the last entry */
	u64 ia32_xss;		       /* looked at for XSAVES and XRSTORS only */
	u64 registers[REGISTER_COUNT]; /* L2's, with RSP in its place */
};

/**
 * L1's pages that VMCS12 names; each may be NULL where the page is not L1's (then it reads as
 * all-ones) or where VMCS12 does not use it.
 */
struct owner_pages {
	const volatile u8 *msr_bitmap;
	const volatile u8 *io_bitmap_a, *io_bitmap_b;
	const volatile u8 *vmread_bitmap, *vmwrite_bitmap;
};

/**
 * The owner of an exit.  OWNER_L0 also means "L0 must look further": EPT violations and
 * misconfigurations (the walk of EPT12 decides), VMFUNC of a function that VMCS12 enables, VMREAD
 * and VMWRITE that VMCS12's shadowing lets through, and failed VM entries of VMCS02.
 * @vmcs12 holds valid controls: the entry was checked.
 */
enum exit_owner owner_of_exit(const struct vmcs12 *vmcs12, const struct owner_pages *pages,
			      const struct owner_exit *exit);
