/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMX instructions of L1, in the order of checks that the SDM gives each of them.
 * SDM "VMX Instruction Reference".
 */
#include "nested/caps/caps.h"
#include "nested/entry/enter.h"
#include "nested/insn/fast_operand.h"
#include "nested/insn/insn_state.h"
#include "nested/insn/operand.h"
#include "nested/nested.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vmcs12/shadow.h"
#include "nested/vmcs12/slots.h"
#include "nested/vpid.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/* One instruction does not pay for the registers and the stack of another. */
#define OUT_OF_LINE __attribute__((noinline))

/* VM-exit instruction information of the VMX instructions. */
#define INFO_SECOND_REGISTER FIELD(31, 28)

/* Reads the instruction's memory operand; false: L1 got the fault. */
static bool read_operand_slowly(struct vcpu *vcpu, void *out, u32 size)
{
	struct insn_memory_operand m;
	struct l1_fault fault;

	insn_decode_memory(vcpu, &m);
	if (!operand_read(&m.state, &m.operand, out, size, &fault)) {
		insn_deliver(&fault);
		return false;
	}
	return true;
}

/* The operand of @words 64-bit words of the instruction of which VMCS01 has @info. */
static bool read_operand(struct vcpu *vcpu, u32 info, u64 *out, u32 words)
{
	const volatile u64 *at = fast_operand(vcpu, info, words * sizeof(*out));

	if (!at)
		return read_operand_slowly(vcpu, out, words * sizeof(*out));
	for (u32 i = 0; i < words; i++)
		out[i] = at[i];
	return true;
}

static u32 instruction_information(void)
{
	return (u32)vmcs_read(VMCS_exit_instruction_information);
}

/* The register operand of INVEPT and INVVPID, which are #UD in compatibility mode. */
static u64 register_operand(const struct vcpu *vcpu, u32 info)
{
	u64 number = field_get(info, INFO_SECOND_REGISTER);
	u64 value = number == GPR_RSP ? vmcs_read(VMCS_guest_rsp) : vcpu->regs[number];

	return vcpu->nested->l1_in_ia32e_mode ? value : (u32)value;
}

static bool is_vmcs_address(u64 address)
{
	u8 width = nested_shared.caps12.physical_address_width;

	if (nested_shared.caps12.basic & VMX_BASIC_32BIT_ADDRESSES)
		width = 32;
	return is_aligned(address, PAGE_SIZE) && !(address >> width);
}

static u32 revision_at(u64 address)
{
	const volatile u32 *at = l1_memory_view(l1pa(address), sizeof(*at));

	return at ? *at : ~0U;
}

/* --- VMXON, VMXOFF --- */

static bool cr_is_allowed(u64 value, const struct vmx_cr_caps *caps)
{
	return !(caps->must_be_1 & ~value) && !(value & ~caps->may_be_1);
}

static bool vmxon_raises_ud(bool ia32e_mode)
{
	u64 cs = vmcs_read(VMCS_guest_cs_access_rights);

	return !(vmcs_read(VMCS_guest_cr0) & CR0_PE) ||
	       !(vmcs_read(VMCS_cr4_read_shadow) & CR4_VMXE) ||
	       (vmcs_read(VMCS_guest_rflags) & RFLAGS_VM) ||
	       (ia32e_mode && !(cs & ACCESS_RIGHTS_L));
}

/* CR0 and CR4 as L1 sees them. */
static bool vmxon_raises_gp(const struct vcpu *vcpu)
{
	u64 cr0 =
		(vmcs_read(VMCS_guest_cr0) & ~CR0_NE) | (vmcs_read(VMCS_cr0_read_shadow) & CR0_NE);
	u64 wanted = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON;

	return insn_privilege() || !cr_is_allowed(cr0, &nested_shared.caps12.cr0) ||
	       !cr_is_allowed(vmcs_read(VMCS_guest_cr4), &nested_shared.caps12.cr4) ||
	       (vcpu->l1_feature_control & wanted) != wanted;
}

/* In VMX operation L1 cannot clear PE, PG and NE: MOV to CR0 that tries exits. */
static void set_owned_cr0(u64 mask)
{
	vmcs_write(VMCS_cr0_guest_host_mask, mask);
	vmcs_write(VMCS_cr0_read_shadow, vmcs_read(VMCS_guest_cr0));
}

static OUT_OF_LINE void vmxon_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address;

	if (nested->mode == NESTED_OFF)
		nested->l1_in_ia32e_mode = insn_in_ia32e_mode();
	if (vmxon_raises_ud(nested->l1_in_ia32e_mode)) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (nested->mode != NESTED_OFF) {
		if (insn_privilege())
			guest_inject_gp();
		else
			insn_fail(vcpu, VMFAIL_VMXON_IN_ROOT);
		return;
	}
	if (vmxon_raises_gp(vcpu)) {
		guest_inject_gp();
		return;
	}
	if (!read_operand(vcpu, instruction_information(), &address, 1))
		return;
	if (!is_vmcs_address(address) || revision_at(address) != NESTED_VMCS_REVISION) {
		insn_fail_invalid();
		return;
	}
	nested->mode = NESTED_ROOT;
	nested->vmxon_pointer = address;
	shadow_enable(true);
	shadow_select(nested, NULL);
	set_owned_cr0(CR0_NE | CR0_PE | CR0_PG);
	insn_succeed();
}

static OUT_OF_LINE void vmxoff_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;

	for (unsigned int i = 0; i < NESTED_SLOTS; i++) {
		if (nested->slots[i].active)
			slots_write_back(nested, &nested->slots[i]);
	}
	nested->mode = NESTED_OFF;
	shadow_select(nested, NULL);
	shadow_enable(false);
	set_owned_cr0(CR0_NE);
	insn_succeed();
}

/* --- VMCLEAR, VMPTRLD, VMPTRST --- */

static OUT_OF_LINE void vmclear_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address;

	if (!read_operand(vcpu, instruction_information(), &address, 1))
		return;
	if (!is_vmcs_address(address)) {
		insn_fail(vcpu, VMFAIL_VMCLEAR_INVALID_ADDRESS);
		return;
	}
	if (address == nested->vmxon_pointer) {
		insn_fail(vcpu, VMFAIL_VMCLEAR_VMXON_POINTER);
		return;
	}
	slots_clear(nested, address);
	if (nested->current && nested->current->address == address)
		shadow_select(nested, NULL);
	insn_succeed();
}

/* With VMCS shadowing a shadow VMCS may be made current too. */
static bool is_vmptrld_revision(u32 revision)
{
	if (nested_shared.caps12.proc2.may_be_1 & PROC2_VMCS_SHADOWING)
		revision &= ~VMCS_SHADOW_INDICATOR;
	return revision == NESTED_VMCS_REVISION;
}

static OUT_OF_LINE void vmptrld_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address;

	if (!read_operand(vcpu, instruction_information(), &address, 1))
		return;
	if (!is_vmcs_address(address))
		insn_fail(vcpu, VMFAIL_VMPTRLD_INVALID_ADDRESS);
	else if (address == nested->vmxon_pointer)
		insn_fail(vcpu, VMFAIL_VMPTRLD_VMXON_POINTER);
	else if (!is_vmptrld_revision(revision_at(address)))
		insn_fail(vcpu, VMFAIL_VMPTRLD_REVISION);
	else {
		shadow_select(nested, slots_load(nested, address));
		insn_succeed();
	}
}

static OUT_OF_LINE void vmptrst_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address = nested->current ? nested->current->address : NO_VMCS;
	struct insn_memory_operand m;
	struct l1_fault fault;

	insn_decode_memory(vcpu, &m);
	if (!operand_write(&m.state, &m.operand, &address, sizeof(address), &fault))
		insn_deliver(&fault);
	else
		insn_succeed();
}

/* --- INVEPT, INVVPID --- */

static bool invept_type_is_offered(u64 type)
{
	u64 cap = nested_shared.caps12.ept_vpid;

	return (type == INVEPT_SINGLE_CONTEXT && (cap & EPT_CAP_INVEPT_SINGLE)) ||
	       (type == INVEPT_ALL_CONTEXT && (cap & EPT_CAP_INVEPT_ALL));
}

static OUT_OF_LINE void invept_instruction(struct vcpu *vcpu)
{
	u32 info = instruction_information();
	u64 type = register_operand(vcpu, info);
	u64 d[2]; /* struct invept_descriptor */

	if (!(nested_shared.caps12.ept_vpid & EPT_CAP_INVEPT)) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (!invept_type_is_offered(type)) {
		insn_fail(vcpu, VMFAIL_INVALID_OPERAND);
		return;
	}
	if (!read_operand(vcpu, info, d, 2))
		return;
	if (type == INVEPT_ALL_CONTEXT) {
		ept02_invept_all(&vcpu->nested->ept02);
		insn_succeed();
	} else if (ept12_eptp_is_valid(&nested_shared.caps12, d[0])) {
		ept02_invept_single(&vcpu->nested->ept02, d[0]);
		insn_succeed();
	} else {
		insn_fail(vcpu, VMFAIL_INVALID_OPERAND);
	}
}

static bool invvpid_type_is_offered(u64 type)
{
	static const u64 bits[] = { EPT_CAP_INVVPID_ADDRESS, EPT_CAP_INVVPID_SINGLE,
				    EPT_CAP_INVVPID_ALL, EPT_CAP_INVVPID_SINGLE_NONGLOBAL };

	return type < ARRAY_SIZE(bits) && (nested_shared.caps12.ept_vpid & bits[type]);
}

static bool is_canonical_address(u64 address)
{
	u8 shift = (u8)(64 - nested_shared.caps12.linear_address_width);

	return (u64)((s64)(address << shift) >> shift) == address;
}

static bool invvpid_operand_is_valid(u64 type, const struct invvpid_descriptor *d)
{
	if (d->vpid >> 16)
		return false;
	if (type != INVVPID_ALL_CONTEXT && !d->vpid)
		return false;
	return type != INVVPID_INDIVIDUAL_ADDRESS || is_canonical_address(d->linear_address);
}

static OUT_OF_LINE void invvpid_instruction(struct vcpu *vcpu)
{
	u32 info = instruction_information();
	u64 words[2], type = register_operand(vcpu, info);
	struct invvpid_descriptor d;

	if (!(nested_shared.caps12.ept_vpid & EPT_CAP_INVVPID)) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (!invvpid_type_is_offered(type)) {
		insn_fail(vcpu, VMFAIL_INVALID_OPERAND);
		return;
	}
	if (!read_operand(vcpu, info, words, 2))
		return;
	d = (struct invvpid_descriptor){ words[0], words[1] };
	if (!invvpid_operand_is_valid(type, &d)) {
		insn_fail(vcpu, VMFAIL_INVALID_OPERAND);
		return;
	}
	vpid02_invvpid(vcpu->nested, (enum invvpid_type)type, (u16)d.vpid, d.linear_address);
	insn_succeed();
}

/* --- VMLAUNCH, VMRESUME --- */

static OUT_OF_LINE void enter_instruction(struct vcpu *vcpu, bool launch)
{
	enum vm_instruction_error error;

	if (!vcpu->nested->current || vcpu->nested->current->is_shadow)
		insn_fail_invalid();
	else if (enter_l2(vcpu, vcpu->nested->current, launch, &error) == ENTER_FAIL)
		insn_fail(vcpu, error);
}

void nested_vmx_instruction(struct vcpu *vcpu, u32 reason)
{
	if (reason == EXIT_REASON_VMXON) {
		vmxon_instruction(vcpu);
		return;
	}
	if (vcpu->nested->mode == NESTED_OFF) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (vmcs_read(VMCS_guest_ss_access_rights) & ACCESS_RIGHTS_DPL) {
		guest_inject_gp();
		return;
	}
	switch (reason) {
	case EXIT_REASON_VMXOFF:
		vmxoff_instruction(vcpu);
		break;
	case EXIT_REASON_VMCLEAR:
		vmclear_instruction(vcpu);
		break;
	case EXIT_REASON_VMPTRLD:
		vmptrld_instruction(vcpu);
		break;
	case EXIT_REASON_VMPTRST:
		vmptrst_instruction(vcpu);
		break;
	case EXIT_REASON_VMREAD:
		insn_vmread(vcpu);
		break;
	case EXIT_REASON_VMWRITE:
		insn_vmwrite(vcpu);
		break;
	case EXIT_REASON_INVEPT:
		invept_instruction(vcpu);
		break;
	case EXIT_REASON_INVVPID:
		invvpid_instruction(vcpu);
		break;
	case EXIT_REASON_VMCALL:
		insn_fail(vcpu, VMFAIL_VMCALL_IN_ROOT);
		break;
	default:
		enter_instruction(vcpu, reason == EXIT_REASON_VMLAUNCH);
		break;
	}
}
