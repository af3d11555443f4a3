/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMX capability MSRs as L1 reads them.  Pure.
 * SDM Appendix "VMX Capability Reporting Facility".
 */
#include "nested/caps/caps.h"

#include "xmhf/x86/msr.h"
#include "nested/caps/default1.h"

/* Bits 31:0: those that must be 1; bits 63:32: those that may be 1. */
static u64 controls(struct vmx_control_caps caps, u32 default1)
{
	return (u64)caps.may_be_1 << 32 | caps.must_be_1 | default1;
}

/* The MSRs that every processor with VMX has. */
static bool read_basic(const struct vmx_caps *caps, u32 index, u64 *value)
{
	switch (index) {
	case MSR_IA32_VMX_BASIC:
		*value = caps->basic;
		return true;
	case MSR_IA32_VMX_PINBASED_CTLS:
		*value = controls(caps->pin, PIN_DEFAULT1);
		return true;
	case MSR_IA32_VMX_PROCBASED_CTLS:
		*value = controls(caps->proc1, PROC1_DEFAULT1);
		return true;
	case MSR_IA32_VMX_EXIT_CTLS:
		*value = controls(caps->exit, EXIT_DEFAULT1);
		return true;
	case MSR_IA32_VMX_ENTRY_CTLS:
		*value = controls(caps->entry, ENTRY_DEFAULT1);
		return true;
	case MSR_IA32_VMX_MISC:
		*value = caps->misc;
		return true;
	case MSR_IA32_VMX_CR0_FIXED0:
		*value = caps->cr0.must_be_1;
		return true;
	case MSR_IA32_VMX_CR0_FIXED1:
		*value = caps->cr0.may_be_1;
		return true;
	case MSR_IA32_VMX_CR4_FIXED0:
		*value = caps->cr4.must_be_1;
		return true;
	case MSR_IA32_VMX_CR4_FIXED1:
		*value = caps->cr4.may_be_1;
		return true;
	case MSR_IA32_VMX_VMCS_ENUM:
		*value = caps->vmcs_enum;
		return true;
	default:
		return false;
	}
}

/* The MSRs that exist only with some capability. */
static bool read_optional(const struct vmx_caps *caps, u32 index, u64 *value)
{
	bool has_true = caps->basic & VMX_BASIC_TRUE_CONTROLS;

	switch (index) {
	case MSR_IA32_VMX_PROCBASED_CTLS2:
		*value = controls(caps->proc2, 0);
		return caps->proc1.may_be_1 & PROC1_ACTIVATE_SECONDARY_CONTROLS;
	case MSR_IA32_VMX_EPT_VPID_CAP:
		*value = caps->ept_vpid;
		return caps->proc2.may_be_1 & (PROC2_ENABLE_EPT | PROC2_ENABLE_VPID);
	case MSR_IA32_VMX_TRUE_PINBASED_CTLS:
		*value = controls(caps->pin, 0);
		return has_true;
	case MSR_IA32_VMX_TRUE_PROCBASED_CTLS:
		*value = controls(caps->proc1, 0);
		return has_true;
	case MSR_IA32_VMX_TRUE_EXIT_CTLS:
		*value = controls(caps->exit, 0);
		return has_true;
	case MSR_IA32_VMX_TRUE_ENTRY_CTLS:
		*value = controls(caps->entry, 0);
		return has_true;
	case MSR_IA32_VMX_VMFUNC:
		*value = caps->vmfunc;
		return caps->proc2.may_be_1 & PROC2_ENABLE_VM_FUNCTIONS;
	case MSR_IA32_VMX_PROCBASED_CTLS3:
		*value = caps->proc3;
		return caps->proc1.may_be_1 & PROC1_ACTIVATE_TERTIARY_CONTROLS;
	case MSR_IA32_VMX_EXIT_CTLS2:
		*value = caps->exit2;
		return caps->exit.may_be_1 & EXIT_ACTIVATE_SECONDARY_CONTROLS;
	default:
		return false;
	}
}

bool nested_caps_read_msr(const struct vmx_caps *caps12, u32 index, u64 *value)
{
	return read_basic(caps12, index, value) || read_optional(caps12, index, value);
}
