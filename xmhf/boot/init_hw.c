/* SPDX-License-Identifier: BSD-2-Clause */
/* The privileged steps of the boot. */
#include "xmhf/boot/init_hw.h"

#include "xmhf/vmexit/cpuid.h"
#include "xmhf/vmx/machine.h"

void cpu_set_control_registers(void)
{
	struct cpuid_result features = cpuid(1, 0);
	u64 cr4 = CR4_PAE | CR4_MCE;

	if (features.ecx & CPUID_1_ECX_XSAVE)
		cr4 |= CR4_OSXSAVE; /* for XSETBV on L1's behalf */
	write_cr4(cr4);
	write_cr0((read_cr0() & (CR0_CD | CR0_NW)) | CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE);
	if (cpuid(0x80000001, 0).edx & CPUID_80000001_EDX_NX)
		wrmsr(MSR_IA32_EFER, rdmsr(MSR_IA32_EFER) | EFER_NXE);
}

const char *vmx_enable(void)
{
	u64 control;

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_VMX))
		return "the processor has no VMX (CPUID.1:ECX bit 5 is 0)";
	control = rdmsr(MSR_IA32_FEATURE_CONTROL);
	if (!(control & FEATURE_CONTROL_LOCK))
		wrmsr(MSR_IA32_FEATURE_CONTROL,
		      control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON);
	else if (!(control & FEATURE_CONTROL_VMXON))
		return "the firmware locked VMX off (IA32_FEATURE_CONTROL is locked without VMXON)";
	return NULL;
}

bool vmx_start(struct vcpu *vcpu)
{
	write_cr4(read_cr4() | machine.caps.cr4.must_be_1 | CR4_VMXE);
	write_cr0(read_cr0() | (machine.caps.cr0.must_be_1 & ~(CR0_CD | CR0_NW)));
	return vmxon(vcpu->vmxon_region.v) == VMX_SUCCEED;
}

u32 nesting_depth_below(void)
{
	struct cpuid_result r = cpuid(CPUID_HYPERVISOR_FIRST, 0);

	if (r.eax != CPUID_HYPERVISOR_LAST || r.ebx != CPUID_SIGNATURE_EBX ||
	    r.ecx != CPUID_SIGNATURE_ECX || r.edx != CPUID_SIGNATURE_EDX)
		return 0;
	return cpuid(CPUID_HYPERVISOR_LAST, 0).ebx;
}
