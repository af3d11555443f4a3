/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's state after a VM exit from L2, computed from VMCS12.  Pure.
 * SDM "Loading Host State".
 */
#pragma once

#include "nested/vmcs12/vmcs12.h"
#include "nested/insn/l1_cpu_state.h"
#include "xmhf/vmx/caps.h"

/** What the state after the exit also depends on. */
struct host_state_before {
	u64 cr0;		    /* the processor's, at the exit: L2's */
	u64 efer;		    /* likewise */
	u32 interruptibility_state; /* likewise, or L1's before a VM entry that failed */
	bool blocking_is_l1s;	    /* a VM entry failed */
	bool exit_is_nmi;	    /* the exit was caused directly by an NMI */
};

/** L1's state after the exit; "loads" fields say whether the value is to be loaded. */
struct host_state {
	u64 cr0, cr3, cr4;
	u64 dr7, debugctl;
	u64 efer;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 rip, rsp, rflags;
	bool loads_pat, loads_perf_global_ctrl, loads_pkrs, loads_cet, clears_bndcfgs,
		clears_rtit_ctl, clears_lbr_ctl, clears_uinv;
	u64 pat, perf_global_ctrl, pkrs, s_cet, ssp, interrupt_ssp_table;
	struct l1_segment segments[SEGMENT_COUNT];
	struct l1_segment ldtr, tr;
	u64 gdtr_base, idtr_base;
	u32 gdtr_limit, idtr_limit;
	u32 activity_state, interruptibility_state;
	u64 pending_debug_exceptions;
	bool must_load_pdptes; /* L1 uses PAE paging: PDPTEs come from cr3, and an invalid one is a
				  VMX abort */
};

/** Computes L1's state after an exit.  @pre the host-state checks accepted @vmcs12. */
void host_state_compute(const struct vmcs12 *vmcs12, const struct vmx_caps *caps,
			const struct host_state_before *before, struct host_state *out);

/**
 * Brings @out, from host_state_compute() of the same @vmcs12, up to date for another exit: what
 * depends on @before.
 */
void host_state_update(const struct vmcs12 *vmcs12, const struct vmx_caps *caps,
		       const struct host_state_before *before, struct host_state *out);

/**
 * Claim: the four PDPTEs can be loaded (reserved bits of present ones are 0); else the exit ends in
 * VMX_ABORT_HOST_PDPTE.
 */
bool host_state_pdptes_valid(const u64 pdptes[4], u8 physical_address_width);
