/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what this processor can do in VMX.  SDM Appendix "VMX Capability Reporting Facility". */
#include "xmhf/vmx/caps_hw.h"

#include "xmhf/cpu/exception.h"
#include "xmhf/x86/insn.h"
#include "xmhf/x86/msr.h"

static struct vmx_control_caps control_caps(u32 index)
{
	u64 v = rdmsr(index);

	return (struct vmx_control_caps){ (u32)v, (u32)(v >> 32) };
}

static u64 msr_or_zero(bool exists, u32 index)
{
	u64 v;

	return exists && rdmsr_safe(index, &v) ? v : 0;
}

static void read_secondary(struct vmx_caps *caps)
{
	bool has_proc2 = caps->proc1.may_be_1 & PROC1_ACTIVATE_SECONDARY_CONTROLS;

	if (has_proc2)
		caps->proc2 = control_caps(MSR_IA32_VMX_PROCBASED_CTLS2);
	caps->proc3 = msr_or_zero(caps->proc1.may_be_1 & PROC1_ACTIVATE_TERTIARY_CONTROLS,
				  MSR_IA32_VMX_PROCBASED_CTLS3);
	caps->exit2 = msr_or_zero(caps->exit.may_be_1 & EXIT_ACTIVATE_SECONDARY_CONTROLS,
				  MSR_IA32_VMX_EXIT_CTLS2);
	caps->ept_vpid = msr_or_zero(caps->proc2.may_be_1 & (PROC2_ENABLE_EPT | PROC2_ENABLE_VPID),
				     MSR_IA32_VMX_EPT_VPID_CAP);
	caps->vmfunc =
		msr_or_zero(caps->proc2.may_be_1 & PROC2_ENABLE_VM_FUNCTIONS, MSR_IA32_VMX_VMFUNC);
}

/*
 * The width that canonical addresses in MSRs and VMCSs have.  On a processor with 5-level paging
 * it is the one of CPUID whatever CR4.LA57 says; an emulator that goes by CR4.LA57 is found out
 * here, as a VM entry with a wider address would fail on it.
 */
static u8 canonical_width(u8 of_cpuid)
{
	u64 before = rdmsr(MSR_IA32_KERNEL_GS_BASE);
	u8 width = wrmsr_safe(MSR_IA32_KERNEL_GS_BASE, BIT(of_cpuid - 2)) ? of_cpuid : 48;

	wrmsr(MSR_IA32_KERNEL_GS_BASE, before);
	return width;
}

/*
 * The architectural bits that can be written; the newer two have bits of CPUID, by which pending
 * debug exceptions go too.  Each alone does nothing for the length of two WRMSRs.
 */
static u64 debugctl_valid(struct cpuid_result features)
{
	u64 before, valid = FIELD(15, 0) & ~(u64)DEBUGCTL_RESERVED;

	/* Bochs has the field of the VMCS and not the MSR. */
	for (unsigned int bit = 0; bit < 16 && rdmsr_safe(MSR_IA32_DEBUGCTL, &before); bit++) {
		if (!wrmsr_safe(MSR_IA32_DEBUGCTL, BIT(bit)))
			valid &= ~BIT(bit);
		wrmsr(MSR_IA32_DEBUGCTL, before);
	}
	if (!(features.ecx & CPUID_7_ECX_BUS_LOCK))
		valid &= ~(u64)DEBUGCTL_BUS_LOCK_DETECT;
	if (!(features.ebx & CPUID_7_EBX_RTM))
		valid &= ~(u64)DEBUGCTL_RTM;
	return valid;
}

static void read_processor(struct vmx_caps *caps)
{
	struct cpuid_result extended = cpuid(0x80000001, 0), sizes = cpuid(0x80000008, 0);
	u64 v;

	caps->physical_address_width = (u8)sizes.eax;
	caps->linear_address_width = canonical_width((u8)(sizes.eax >> 8));
	caps->efer_valid = EFER_LME | EFER_LMA;
	if (extended.edx & CPUID_80000001_EDX_SYSCALL)
		caps->efer_valid |= EFER_SCE;
	if (extended.edx & CPUID_80000001_EDX_NX)
		caps->efer_valid |= EFER_NXE;
	caps->debugctl_valid = debugctl_valid(cpuid(7, 0));
	if (rdmsr_safe(MSR_IA32_PERF_GLOBAL_CTRL, &v)) {
		struct cpuid_result perf = cpuid(0xa, 0);

		caps->perf_global_ctrl_valid =
			low_bits((perf.eax >> 8) & 0xff) | low_bits(perf.edx & 0x1f) << 32;
	}
}

void vmx_caps_read(struct vmx_caps *caps)
{
	bool true_controls;

	*caps = (struct vmx_caps){ .basic = rdmsr(MSR_IA32_VMX_BASIC) };
	true_controls = caps->basic & VMX_BASIC_TRUE_CONTROLS;
	caps->pin = control_caps(true_controls ? MSR_IA32_VMX_TRUE_PINBASED_CTLS
					       : MSR_IA32_VMX_PINBASED_CTLS);
	caps->proc1 = control_caps(true_controls ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS
						 : MSR_IA32_VMX_PROCBASED_CTLS);
	caps->exit =
		control_caps(true_controls ? MSR_IA32_VMX_TRUE_EXIT_CTLS : MSR_IA32_VMX_EXIT_CTLS);
	caps->entry = control_caps(true_controls ? MSR_IA32_VMX_TRUE_ENTRY_CTLS
						 : MSR_IA32_VMX_ENTRY_CTLS);
	caps->misc = rdmsr(MSR_IA32_VMX_MISC);
	caps->vmcs_enum = rdmsr(MSR_IA32_VMX_VMCS_ENUM);
	caps->cr0 = (struct vmx_cr_caps){ rdmsr(MSR_IA32_VMX_CR0_FIXED0),
					  rdmsr(MSR_IA32_VMX_CR0_FIXED1) };
	caps->cr4 = (struct vmx_cr_caps){ rdmsr(MSR_IA32_VMX_CR4_FIXED0),
					  rdmsr(MSR_IA32_VMX_CR4_FIXED1) };
	read_secondary(caps);
	read_processor(caps);
}
