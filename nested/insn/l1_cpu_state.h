/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the emulation of an instruction of L1 looks at: a copy of L1's registers taken at
 * the VM exit, and the fault that L1 gets.  Plain data, so that the code using it is pure.
 */
#pragma once

#include "xmhf/lib/types.h"

/** Segment registers by their number in the VM-exit instruction information. */
enum segment_register {
	SEGMENT_ES,
	SEGMENT_CS,
	SEGMENT_SS,
	SEGMENT_DS,
	SEGMENT_FS,
	SEGMENT_GS,
	SEGMENT_COUNT,
};

/** General registers by their number in instruction encodings and in exit information. */
enum general_register {
	REGISTER_RAX,
	REGISTER_RCX,
	REGISTER_RDX,
	REGISTER_RBX,
	REGISTER_RSP,
	REGISTER_RBP,
	REGISTER_RSI,
	REGISTER_RDI,
	REGISTER_R8,
	REGISTER_R15 = 15,
	REGISTER_COUNT,
};

/** A segment register with its hidden part, as a VMCS holds it. */
struct l1_segment {
	u64 base;
	u32 limit;
	u32 access_rights;
	u16 selector;
};

/** L1's registers as the VM exit left them (VMCS01's guest-state area and the saved registers). */
struct l1_cpu_state {
	u64 cr0, cr3, cr4, efer, rflags;
	u64 pdptes[4];	/* VMCS01's guest PDPTEs; used with PAE paging */
	u32 pkru, pkrs; /* used with CR4.PKE and CR4.PKS */
	u8 cpl;
	u8 physical_address_width;
	bool has_1g_pages; /* CPUID.80000001H:EDX[26] */
	bool is_l2;	   /* physical addresses are L2's: they go through EPT12 */
	struct l1_segment segments[SEGMENT_COUNT];
	u64 registers[REGISTER_COUNT]; /* with RSP in its place */
};

/** A fault that L1 gets in place of the instruction's result. */
struct l1_fault {
	u8 vector; /* enum exception_vector; each of them here has an error code */
	u32 error_code;
	u64 cr2; /* #PF only */
	struct {
		u8 refused; /* enum ept02_result: not a fault, EPT12 refuses an access of L2 */
		bool may_be_ve;
		u64 qualification, physical, linear;
	} ept;
};

/** What an access does to the page or segment. */
enum l1_access {
	L1_ACCESS_READ,
	L1_ACCESS_WRITE,
	L1_ACCESS_FETCH,
};
