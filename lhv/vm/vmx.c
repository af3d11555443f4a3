/* SPDX-License-Identifier: BSD-2-Clause */
/* Capabilities of the processor and VMX operation on and off. */
#include "lhv/vm/vm.h"

#include "lhv/frame/machine.h"

struct vmx_facts facts;

static void *on_region[MAX_CPUS];
static bool is_on[MAX_CPUS];

static struct control_caps caps_of(u64 msr_value)
{
	return (struct control_caps){ (u32)msr_value, (u32)(msr_value >> 32) };
}

static void read_words(void)
{
	bool t = facts.true_controls;

	facts.word[VMX_WORD_PIN] =
		caps_of(rdmsr(t ? MSR_IA32_VMX_TRUE_PINBASED_CTLS : MSR_IA32_VMX_PINBASED_CTLS));
	facts.word[VMX_WORD_PROC1] =
		caps_of(rdmsr(t ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS : MSR_IA32_VMX_PROCBASED_CTLS));
	facts.word[VMX_WORD_EXIT] =
		caps_of(rdmsr(t ? MSR_IA32_VMX_TRUE_EXIT_CTLS : MSR_IA32_VMX_EXIT_CTLS));
	facts.word[VMX_WORD_ENTRY] =
		caps_of(rdmsr(t ? MSR_IA32_VMX_TRUE_ENTRY_CTLS : MSR_IA32_VMX_ENTRY_CTLS));
	if (vm_allows(VMX_WORD_PROC1, PROC1_ACTIVATE_SECONDARY_CONTROLS))
		facts.word[VMX_WORD_PROC2] = caps_of(rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2));
	if (vm_allows(VMX_WORD_PROC1, PROC1_ACTIVATE_TERTIARY_CONTROLS))
		facts.proc3 = rdmsr(MSR_IA32_VMX_PROCBASED_CTLS3);
	facts.word[VMX_WORD_PROC3].may = (u32)facts.proc3;
}

bool vmx_detect(void)
{
	facts.vmx = cpuid(1, 0).ecx & CPUID_1_ECX_VMX;
	facts.physical_bits =
		cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
	if (!facts.vmx)
		return false;
	facts.basic = rdmsr(MSR_IA32_VMX_BASIC);
	facts.true_controls = facts.basic & VMX_BASIC_TRUE_CONTROLS;
	facts.misc = rdmsr(MSR_IA32_VMX_MISC);
	facts.cr0_fixed0 = rdmsr(MSR_IA32_VMX_CR0_FIXED0);
	facts.cr0_fixed1 = rdmsr(MSR_IA32_VMX_CR0_FIXED1);
	facts.cr4_fixed0 = rdmsr(MSR_IA32_VMX_CR4_FIXED0);
	facts.cr4_fixed1 = rdmsr(MSR_IA32_VMX_CR4_FIXED1);
	read_words();
	if (vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_EPT) ||
	    vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_VPID))
		facts.ept_vpid = rdmsr(MSR_IA32_VMX_EPT_VPID_CAP);
	if (vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_VM_FUNCTIONS))
		facts.vmfunc = rdmsr(MSR_IA32_VMX_VMFUNC);
	return true;
}

bool vm_allows(enum vmx_control_word word, u32 bits)
{
	return (facts.word[word].may & bits) == bits;
}

bool vm_allows_0(enum vmx_control_word word, u32 bits)
{
	return (facts.word[word].must & bits) == 0;
}

void *vmxon_region(void)
{
	unsigned int i = cpu_self()->index;

	if (!on_region[i])
		on_region[i] = page_alloc(1);
	*(u32 *)on_region[i] = (u32)field_get(facts.basic, VMX_BASIC_REVISION);
	return on_region[i];
}

bool vmx_is_on(void)
{
	return is_on[cpu_self()->index];
}

void vmx_note_on(bool on)
{
	is_on[cpu_self()->index] = on;
}

bool vmx_on(void)
{
	if (vmx_is_on())
		return true;
	if (!(rdmsr(MSR_IA32_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK))
		wrmsr(MSR_IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON);
	write_cr0((read_cr0() | (uptr)facts.cr0_fixed0) & (uptr)facts.cr0_fixed1);
	write_cr4((read_cr4() | (uptr)facts.cr4_fixed0) & (uptr)facts.cr4_fixed1);
	vmx_note_on(vmxon((uptr)vmxon_region()) == VMX_SUCCEED);
	return vmx_is_on();
}

void vmx_off(void)
{
	if (vmx_is_on())
		vmxoff();
	vmx_note_on(false);
}
