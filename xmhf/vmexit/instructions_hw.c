/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits of single instructions: CPUID, XSETBV, INVD, MOV to CR0 and CR4. */
#include "nested/nested.h"
#include "xmhf/cpu/exception.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/vmexit/control_register.h"
#include "xmhf/vmexit/cpuid.h"
#include "xmhf/vmexit/vmexit.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/x86/msr.h"

/* Constant while L1 runs; made here so that an exit need not. */
static struct cpuid_policy policy;

void vmexit_prepare_cpuid(void)
{
	policy = (struct cpuid_policy){
		.vmx = machine.vmx_for_l1,
		.version = XMHF_VERSION,
		.nesting_depth = machine.nesting_depth,
	};
}

static void ask_hypapp(struct vcpu *vcpu, u32 leaf, u32 subleaf, struct cpuid_result *r)
{
	struct hypapp_cpuid answer = { leaf, subleaf, r->eax, r->ebx, r->ecx, r->edx };

	hypapp_cpuid(vcpu->cpu.id, &answer);
	*r = (struct cpuid_result){ answer.eax, answer.ebx, answer.ecx, answer.edx };
}

void vmexit_cpuid(struct vcpu *vcpu)
{
	u32 leaf = (u32)vcpu->regs[GPR_RAX], subleaf = (u32)vcpu->regs[GPR_RCX];
	struct cpuid_result r = cpuid(leaf, subleaf);

	if (cpuid_is_changed(leaf)) {
		struct cpuid_asker asker = {
			.cr4 = vmcs_read(VMCS_guest_cr4),
			.code_64 = leaf == CPUID_LEAF_EXTENDED && guest_is_in_64bit_code(),
		};

		cpuid_for_l1(&policy, leaf, subleaf, &asker, &r);
	}
	if (hypapp_intercepts && intercepts_want_cpuid(&intercepts, leaf))
		ask_hypapp(vcpu, leaf, subleaf, &r);
	vcpu->regs[GPR_RAX] = r.eax;
	vcpu->regs[GPR_RBX] = r.ebx;
	vcpu->regs[GPR_RCX] = r.ecx;
	vcpu->regs[GPR_RDX] = r.edx;
	guest_skip_instruction();
}

void vmexit_xsetbv(struct vcpu *vcpu)
{
	u64 value = vcpu->regs[GPR_RDX] << 32 | (u32)vcpu->regs[GPR_RAX];

	/* L0 does not use the state that XCR0 governs: the processor judges the value. */
	if (xsetbv_safe((u32)vcpu->regs[GPR_RCX], value))
		guest_skip_instruction();
	else
		guest_inject_gp();
}

void vmexit_invd(struct vcpu *vcpu)
{
	(void)vcpu;
	/* INVD would throw away L0's own modified lines, and L1's. */
	wbinvd();
	guest_skip_instruction();
}

/*
 * MOV to CR0 or CR4 exits only when it changes a bit that L0 owns.  If the write is
 * legal, the owned bits of the read shadow get their new values and the instruction
 * runs again: now it agrees with the shadow, does not exit, and the processor does all
 * the rest of its work itself.
 */
void vmexit_cr_access(struct vcpu *vcpu)
{
	u64 qualification = vmcs_read(VMCS_exit_qualification);
	unsigned int number = (unsigned int)field_get(qualification, CR_ACCESS_NUMBER);
	enum gpr source = (enum gpr)field_get(qualification, CR_ACCESS_REGISTER);
	bool is_cr0 = number == 0;
	struct cr_write w = {
		.value = source == GPR_RSP ? vmcs_read(VMCS_guest_rsp) : vcpu->regs[source],
		.cr0 = vmcs_read(VMCS_guest_cr0),
		.cr3 = vmcs_read(VMCS_guest_cr3),
		.cr4 = vmcs_read(VMCS_guest_cr4),
		.ia32e_mode = vmcs_read(VMCS_entry_controls) & ENTRY_IA32E_MODE_GUEST,
		.code_64 = vmcs_read(VMCS_guest_cs_access_rights) & ACCESS_RIGHTS_L,
		.long_mode_enabled = vmcs01_guest_efer(vcpu) & EFER_LME,
		.cr4_valid = machine.caps.cr4.may_be_1 & ~CR4_SMXE &
			     ~(machine.vmx_for_l1 ? 0 : CR4_VMXE),
	};
	u64 fixed =
		nested_in_vmx_operation(vcpu) ? (is_cr0 ? CR0_PE | CR0_PG | CR0_NE : CR4_VMXE) : 0;

	/* Outside 64-bit mode the operand has 32 bits. */
	if (!w.ia32e_mode || !w.code_64)
		w.value = (u32)w.value;
	/* In VMX operation L1 cannot change the bits that it fixes. */
	if ((w.value & fixed) != fixed ||
	    (is_cr0 ? !cr0_write_is_valid(&w) : !cr4_write_is_valid(&w))) {
		guest_inject_gp();
		return;
	}
	if (is_cr0)
		vmcs_write(VMCS_cr0_read_shadow,
			   (vmcs_read(VMCS_cr0_read_shadow) & ~CR0_NE) | (w.value & CR0_NE));
	else
		vmcs_write(VMCS_cr4_read_shadow, w.value & CR4_VMXE);
}
