/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RDMSR and WRMSR exits of L1: the MSRs of the bitmap in vmcs01.c, and all outside its
 * two ranges, which the processor itself judges.
 */
#include "nested/nested.h"
#include "xmhf/cpu/exception.h"
#include "xmhf/device/log.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/vmexit/kick.h"
#include "xmhf/vmexit/vmexit.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/vmx/l1_msr.h"
#include "xmhf/x86/msr.h"

static bool is_vmx_capability(u32 index)
{
	return index >= MSR_IA32_VMX_BASIC && index <= MSR_IA32_VMX_EXIT_CTLS2;
}

/* Processor trace: its output would go past EPT. */
static bool is_hidden(u32 index)
{
	return index >= MSR_IA32_RTIT_OUTPUT_BASE && index <= MSR_IA32_RTIT_ADDR3_B;
}

/* CPUID has no debug store, and here are the bits that say the same. */
#define NO_DEBUG_STORE (MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS)

static bool read_misc_enable(u64 *value)
{
	if (!rdmsr_safe(MSR_IA32_MISC_ENABLE, value))
		return false;
	*value |= NO_DEBUG_STORE;
	return true;
}

/* L0's page tables have the execute-disable bit: L1 cannot take it away from the processor. */
static bool write_misc_enable(u64 value)
{
	u64 now;

	return rdmsr_safe(MSR_IA32_MISC_ENABLE, &now) &&
	       wrmsr_safe(MSR_IA32_MISC_ENABLE,
			  (value & ~(NO_DEBUG_STORE | MISC_ENABLE_XD_DISABLE)) |
				  (now & (NO_DEBUG_STORE | MISC_ENABLE_XD_DISABLE)));
}

/* The hypapp's say in an access that it asked for; HYPAPP_PASS if it did not. */
static enum hypapp_result ask_hypapp(struct vcpu *vcpu, u32 index, bool write, u64 *value)
{
	struct hypapp_msr access = {
		.index = index,
		.write = write,
		.from_l2 = nested_in_l2(vcpu),
		.value = write ? *value : 0,
	};
	enum hypapp_result result;

	if (!hypapp_intercepts || !intercepts_want_msr(&intercepts, index, write))
		return HYPAPP_PASS;
	result = hypapp_msr_access(vcpu->cpu.id, &access);
	if (result == HYPAPP_HANDLED)
		*value = access.value;
	return result;
}

bool l1_msr_read(struct vcpu *vcpu, u32 index, u64 *value)
{
	enum hypapp_result result = ask_hypapp(vcpu, index, false, value);

	if (result != HYPAPP_PASS)
		return result == HYPAPP_HANDLED;
	if (index == MSR_IA32_FEATURE_CONTROL) {
		*value = vcpu->l1_feature_control;
		return true;
	}
	if (is_vmx_capability(index))
		return nested_read_capability_msr(index, value);
	if (index == MSR_IA32_MISC_ENABLE)
		return read_misc_enable(value);
	return !is_hidden(index) && rdmsr_safe(index, value);
}

void vmexit_rdmsr(struct vcpu *vcpu)
{
	u64 value;

	if (!l1_msr_read(vcpu, (u32)vcpu->regs[GPR_RCX], &value)) {
		guest_inject_gp();
		return;
	}
	vcpu->regs[GPR_RAX] = (u32)value;
	vcpu->regs[GPR_RDX] = value >> 32;
	guest_skip_instruction();
}

/*
 * L1 writes an MTRR on each of its CPUs with the same value.  The first write that
 * changes the model changes EPT01; every write ends this CPU's cached translations,
 * and L1 has to write on all CPUs before it relies on the new type.
 */
static bool write_mtrr(struct vcpu *vcpu, u32 index, u64 value)
{
	struct mtrr_state *model = &machine.ept.mtrr;
	struct mtrr_state changed;

	if (!mtrr_write_is_valid(model, index, value) || !wrmsr_safe(index, value))
		return false;
	kick_lock_ept(vcpu);
	if (mtrr_get(model, index) != value) {
		changed = *model;
		mtrr_set(&changed, index, value);
		ept01_retype(&machine.ept, &changed);
	}
	spin_unlock(&machine.ept_lock);
	invept(INVEPT_SINGLE_CONTEXT, ept01_pointer(&machine.ept));
	return true;
}

/* The APIC page must not lie over L0's memory: L0 would lose sight of it. */
static bool write_apic_base(u64 value)
{
	if (machine_overlaps_hidden(value & APIC_BASE_ADDRESS, PAGE_SIZE)) {
		log_line("L1 tried to move its APIC onto L0's memory: refused");
		return false;
	}
	return wrmsr_safe(MSR_IA32_APIC_BASE, value);
}

static bool is_canonical(u64 address)
{
	unsigned int unused = 64U - machine.caps.linear_address_width;

	return (u64)((s64)(address << unused) >> unused) == address;
}

/* SDM "IA32_PAT MSR": eight bytes, each a memory type. */
static bool write_pat(struct vcpu *vcpu, u64 value)
{
	if (!pat_is_valid(value))
		return false;
	vcpu->loaded_msr_written = true;
	vmcs_write(VMCS_guest_ia32_pat, value);
	return true;
}

static bool write_sysenter(struct vcpu *vcpu, u32 index, u64 value)
{
	if (index != MSR_IA32_SYSENTER_CS && !is_canonical(value))
		return false;
	vcpu->loaded_msr_written = true;
	if (index == MSR_IA32_SYSENTER_CS)
		vmcs_write(VMCS_guest_ia32_sysenter_cs, (u32)value);
	else if (index == MSR_IA32_SYSENTER_ESP)
		vmcs_write(VMCS_guest_ia32_sysenter_esp, value);
	else
		vmcs_write(VMCS_guest_ia32_sysenter_eip, value);
	return true;
}

bool l1_msr_write(struct vcpu *vcpu, u32 index, u64 value)
{
	enum hypapp_result result = ask_hypapp(vcpu, index, true, &value);

	if (result != HYPAPP_PASS)
		return result == HYPAPP_HANDLED;
	if (index >= MSR_IA32_SYSENTER_CS && index <= MSR_IA32_SYSENTER_EIP)
		return write_sysenter(vcpu, index, value);
	if (index == MSR_IA32_PAT)
		return write_pat(vcpu, value);
	if (index == MSR_IA32_FEATURE_CONTROL || is_vmx_capability(index) || is_hidden(index))
		return false; /* locked, read-only, or not there */
	if (index == MSR_IA32_MISC_ENABLE)
		return write_misc_enable(value);
	if (index == MSR_IA32_PEBS_ENABLE)
		return !value && wrmsr_safe(index, 0); /* L1 has no debug store */
	if (index == MSR_IA32_BIOS_UPDT_TRIG)
		return true; /* SDM "Microcode Update Resources" lets a VMM ignore it */
	if (index == MSR_IA32_APIC_BASE)
		return write_apic_base(value);
	if (mtrr_is_mtrr_msr(&machine.ept.mtrr, index))
		return write_mtrr(vcpu, index, value);
	return wrmsr_safe(index, value);
}

void vmexit_wrmsr(struct vcpu *vcpu)
{
	u64 value = vcpu->regs[GPR_RDX] << 32 | (u32)vcpu->regs[GPR_RAX];

	if (l1_msr_write(vcpu, (u32)vcpu->regs[GPR_RCX], value))
		guest_skip_instruction();
	else
		guest_inject_gp();
}
