/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of a VM entry, in the SDM's order, on VMCS12 and on copies of everything
 * in memory that they look at.  Pure.  SDM chapter "VM Entries".
 */
#pragma once

#include "nested/vmcs12/vmcs12.h"
#include "xmhf/lib/check.h"
#include "xmhf/vmx/caps.h"

/** All that the checks depend on; the caller copied it from L1's memory once. */
struct entry_inputs {
	const struct vmcs12 *vmcs12;
	const struct vmx_caps *caps; /* those shown to L1 */
	bool l1_in_ia32e_mode;	     /* L1's IA32_EFER.LMA at the VM entry */
	bool l1_traces;		     /* L1's IA32_RTIT_CTL.TraceEn at the VM entry */
	l1pa_t current_vmcs;	     /* address of VMCS12 in L1's memory */
	u8 virtual_tpr;	   /* byte 80H of the virtual-APIC page; looked at with a TPR shadow */
	u32 link_revision; /* first 32 bits at the VMCS link pointer, if that is not all-ones */
	u64 pdptes[4];	   /* the PDPTEs at guest_cr3, of L2's PAE paging without EPT */
};

/**
 * "Checks on VMX Controls and Host-State Area".
 * Returns VMFAIL_NONE, VMFAIL_ENTRY_INVALID_CONTROL or VMFAIL_ENTRY_INVALID_HOST_STATE; then @why
 * names the first rule that did not hold.
 */
enum vm_instruction_error entry_check_controls_and_host(const struct entry_inputs *in,
							struct check_failure *why);

/**
 * "Checking and Loading Guest State": the checks.  Returns true if all hold; else @qualification
 * is the exit qualification of exit reason 33 and @why names the rule.
 */
bool entry_check_guest(const struct entry_inputs *in,
		       enum entry_failure_qualification *qualification, struct check_failure *why);
