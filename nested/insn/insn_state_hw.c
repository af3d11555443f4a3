/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the VMX instructions share: the guest's state from the current VMCS, and the ways an
 * instruction ends.  SDM "Conventions" of the VMX instruction reference.
 */
#include "nested/insn/insn_state.h"

#include "nested/vmcs12/lazy.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/machine.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* --- How an instruction ends: SDM "Conventions" --- */

void insn_end_with_flags(u64 flags)
{
	u64 old = vmcs_read(VMCS_guest_rflags);
	u64 new = (old & ~(ARITHMETIC_FLAGS | RFLAGS_RF)) | flags;

	if (new != old)
		vmcs_write(VMCS_guest_rflags, new);
	guest_advance_rip(old);
}

void insn_succeed(void)
{
	insn_end_with_flags(0);
}

void insn_fail_invalid(void)
{
	insn_end_with_flags(RFLAGS_CF);
}

/* VMfailValid if there is a current VMCS, else VMfailInvalid. */
void insn_fail(struct vcpu *vcpu, enum vm_instruction_error error)
{
	struct vmcs12_slot *slot = vcpu->nested->current;

	if (!slot) {
		insn_fail_invalid();
		return;
	}
	lazy_override(slot, VMCS_INDEX_vm_instruction_error, error);
	insn_end_with_flags(RFLAGS_ZF);
}

void insn_deliver(const struct l1_fault *fault)
{
	if (fault->vector == VECTOR_PF)
		write_cr2(fault->cr2);
	guest_inject_fault((enum exception_vector)fault->vector, fault->error_code);
}

/* --- L1's state, as far as an operand needs it --- */

static void read_segment(struct l1_segment *s, unsigned int number)
{
	s->base = vmcs_read(VMCS_guest_es_base + 2 * number);
	s->limit = (u32)vmcs_read(VMCS_guest_es_limit + 2 * number);
	s->access_rights = (u32)vmcs_read(VMCS_guest_es_access_rights + 2 * number);
	s->selector = (u16)vmcs_read(VMCS_guest_es_selector + 2 * number);
}

u8 insn_privilege(void)
{
	return (u8)field_get(vmcs_read(VMCS_guest_ss_access_rights), ACCESS_RIGHTS_DPL);
}

bool insn_in_ia32e_mode(void)
{
	return vmcs_read(VMCS_entry_controls) & ENTRY_IA32E_MODE_GUEST;
}

/* RDPKRU takes #UD without CR4.PKE, which L0 does not set for itself. */
static u32 read_pkru(void)
{
	uptr cr4 = read_cr4();
	u32 pkru;

	write_cr4(cr4 | CR4_PKE);
	pkru = rdpkru();
	write_cr4(cr4);
	return pkru;
}

static void read_paging(struct l1_cpu_state *state)
{
	state->cr0 = vmcs_read(VMCS_guest_cr0);
	state->cr3 = vmcs_read(VMCS_guest_cr3);
	state->cr4 = vmcs_read(VMCS_guest_cr4);
	state->efer = vmcs_read(VMCS_guest_ia32_efer);
	state->rflags = vmcs_read(VMCS_guest_rflags);
	state->physical_address_width = machine.caps.physical_address_width;
	state->has_1g_pages = machine.has_1g_pages;
	if ((state->cr0 & CR0_PG) && (state->cr4 & CR4_PAE) && !(state->efer & EFER_LMA)) {
		for (unsigned int i = 0; i < 4; i++)
			state->pdptes[i] = vmcs_read(VMCS_guest_pdpte0 + 2 * i);
	}
	if (state->cr4 & CR4_PKE)
		state->pkru = read_pkru();
	if (state->cr4 & CR4_PKS)
		state->pkrs = (u32)rdmsr(MSR_IA32_PKRS);
}

/* @segment: the only one that the operand uses. */
void insn_read_state(struct vcpu *vcpu, struct l1_cpu_state *state, unsigned int segment)
{
	read_paging(state);
	state->cpl = insn_privilege();
	state->segments[SEGMENT_CS].access_rights = (u32)vmcs_read(VMCS_guest_cs_access_rights);
	if (!decode_is_64bit_code(state) || segment >= SEGMENT_FS)
		read_segment(&state->segments[segment], segment);
	for (unsigned int i = 0; i < REGISTER_COUNT; i++)
		state->registers[i] = vcpu->regs[i];
	state->registers[REGISTER_RSP] = vmcs_read(VMCS_guest_rsp);
}

void insn_decode_memory(struct vcpu *vcpu, struct insn_memory_operand *m)
{
	m->state = (struct l1_cpu_state){ 0 };
	decode_memory_operand((u32)vmcs_read(VMCS_exit_instruction_information),
			      vmcs_read(VMCS_exit_qualification), &m->operand);
	insn_read_state(vcpu, &m->state, m->operand.segment);
}
