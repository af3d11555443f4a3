/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a processor, real or the one shown to L1, can do in VMX.  Plain data, so that
 * tests can set it.  SDM Appendix "VMX Capability Reporting Facility".
 */
#pragma once

#include "xmhf/x86/vmx.h"

/** Allowed settings of one control word: bits that must be 1, and bits that may be 1. */
struct vmx_control_caps {
	u32 must_be_1;
	u32 may_be_1;
};

/** Allowed settings of CR0 or CR4 in VMX operation (FIXED0 and FIXED1 MSRs). */
struct vmx_cr_caps {
	u64 must_be_1;
	u64 may_be_1;
};

struct vmx_caps {
	u64 basic;     /* IA32_VMX_BASIC */
	u64 misc;      /* IA32_VMX_MISC */
	u64 ept_vpid;  /* IA32_VMX_EPT_VPID_CAP; 0 where the MSR does not exist */
	u64 vmfunc;    /* IA32_VMX_VMFUNC; 0 where it does not exist */
	u64 vmcs_enum; /* IA32_VMX_VMCS_ENUM */

	/* With "true" controls where the processor has them. */
	struct vmx_control_caps pin, proc1, proc2, exit, entry;
	u64 proc3; /* bits that may be 1 */
	u64 exit2; /* bits that may be 1 */

	struct vmx_cr_caps cr0, cr4;

	u8 physical_address_width;
	u8 linear_address_width;
	u64 efer_valid;		    /* bits of IA32_EFER that exist */
	u64 debugctl_valid;	    /* bits of IA32_DEBUGCTL that exist */
	u64 perf_global_ctrl_valid; /* bits of IA32_PERF_GLOBAL_CTRL that exist; 0: no such MSR */
};
