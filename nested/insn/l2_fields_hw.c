/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS shadowing for L1: VMREAD and VMWRITE of L2 that the bitmaps of VMCS12 let through
 * act on the shadow VMCS12 at its link pointer, in L1's memory or in a slot that is active.
 * SDM "VMREAD", "VMWRITE", "Changes to Instruction Behavior in VMX Non-Root Operation".
 */
#include "nested/insn/l2_instructions.h"

#include "nested/exit/ept_exit.h"
#include "nested/exit/exception.h"
#include "nested/exit/owner.h"
#include "nested/insn/field_access.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vmcs12/shadow.h"
#include "nested/vmcs12/slots.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/l1_memory_written.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"

#define NO_LINK (~0ULL)

static const volatile u8 *page_of(u64 address)
{
	return l1_memory_view(l1pa(address), PAGE_SIZE);
}

static bool exits(struct vcpu *vcpu, bool write)
{
	const struct vmcs12 *v = &vcpu->nested->current->vmcs12;
	struct owner_pages pages = { 0 };
	struct owner_exit exit = {
		.exit_reason = write ? EXIT_REASON_VMWRITE : EXIT_REASON_VMREAD,
		.instruction_information = (u32)vmcs_read(VMCS_exit_instruction_information),
		.l2_is_64bit_code = insn_in_ia32e_mode() &&
				    (vmcs_read(VMCS_guest_cs_access_rights) & ACCESS_RIGHTS_L),
	};

	if (!(vcpu->nested->current->words12.proc2 & PROC2_VMCS_SHADOWING))
		return true;
	pages.vmread_bitmap = page_of(v->vmread_bitmap_address);
	pages.vmwrite_bitmap = page_of(v->vmwrite_bitmap_address);
	for (unsigned int i = 0; i < REGISTER_COUNT; i++)
		exit.registers[i] = vcpu->regs[i];
	exit.registers[REGISTER_RSP] = vmcs_read(VMCS_guest_rsp);
	return owner_of_exit(v, &pages, &exit) == OWNER_L1;
}

/* VMfailValid: the current VMCS is VMCS12. */
static void fail(struct vcpu *vcpu, enum vm_instruction_error error)
{
	struct vmcs12_slot *slot = vcpu->nested->current;

	field_set_remove(&slot->stale, VMCS_INDEX_vm_instruction_error);
	slot->vmcs12.vm_instruction_error = error;
	insn_end_with_flags(RFLAGS_ZF);
}

/* L1 or L2 gets what stopped the access to the operand. */
static void deliver(struct vcpu *vcpu, const struct l1_fault *fault)
{
	struct ept_access access = { .address = l2pa(fault->ept.physical),
				     .linear = fault->ept.linear };
	struct ept02_outcome outcome = { .qualification = fault->ept.qualification,
					 .may_be_ve = fault->ept.may_be_ve };

	if (fault->ept.refused)
		ept_exit_reflect(vcpu, (enum ept02_result)fault->ept.refused, &access, &outcome);
	else
		exception_of_l2(vcpu, fault->vector, fault->error_code, fault->cr2);
}

/* The slot of the shadow VMCS12, if L1 made it active, up to date. */
static struct vmcs12_slot *active_slot(struct nested *nested, u64 address)
{
	struct vmcs12_slot *slot = slots_find(nested, address);

	if (!slot || !slot->active)
		return NULL;
	shadow_fetch(slot, true);
	vmcs_load(nested->current->vmcs02);
	return slot;
}

static struct vmcs12 *in_memory(u64 address)
{
	struct vmcs12_region *region = l1_memory_view(l1pa(address), sizeof(*region));

	return region ? &region->vmcs12 : NULL;
}

static u64 read_field(struct nested *nested, u64 address, enum vmcs_index field)
{
	const struct vmcs12_slot *slot = active_slot(nested, address);
	const struct vmcs12 *v = slot ? &slot->vmcs12 : in_memory(address);

	return v ? vmcs12_get(v, field) : ~0ULL;
}

static void write_field(struct nested *nested, u64 address, enum vmcs_index field, u64 value)
{
	struct vmcs12_slot *slot = active_slot(nested, address);
	struct vmcs12 *v = in_memory(address);

	if (slot) {
		lazy_write(slot, field, value);
		shadow_follow(slot, field);
		vmcs_load(nested->current->vmcs02);
	} else if (v && l1_memory_view_for_writing(l1pa(address), sizeof(*v))) {
		vmcs12_set(v, field, value);
		l1_memory_written(l1pa(address));
	}
}

static void read_instruction(struct vcpu *vcpu, const struct insn_field_access *a,
			     enum vmcs_index field)
{
	struct nested *nested = vcpu->nested;
	u64 value = read_field(nested, nested->current->vmcs12.vmcs_link_pointer, field);
	struct l1_fault fault = { 0 };

	if (a->encoding & VMCS_ENCODING_HIGH)
		value >>= 32;
	if (insn_write_destination(vcpu, a, value, &fault))
		insn_succeed();
	else
		deliver(vcpu, &fault);
}

static void write_instruction(struct vcpu *vcpu, const struct insn_field_access *a,
			      enum vmcs_index field)
{
	struct nested *nested = vcpu->nested;
	u64 address = nested->current->vmcs12.vmcs_link_pointer, value;
	struct l1_fault fault = { 0 };

	if (!insn_read_source(a, &value, &fault)) {
		deliver(vcpu, &fault);
		return;
	}
	if ((a->encoding & VMCS_ENCODING_HIGH) || !a->is_64bit)
		value = insn_merge_field(a, read_field(nested, address, field), value);
	write_field(nested, address, field, value);
	insn_succeed();
}

__attribute__((noinline)) bool l2_field_instruction(struct vcpu *vcpu, bool write)
{
	struct insn_field_access a;
	enum vmcs_index field;

	if (exits(vcpu, write))
		return false;
	if (insn_privilege()) {
		exception_of_l2(vcpu, VECTOR_GP, 0, 0);
		return true;
	}
	if (vcpu->nested->current->vmcs12.vmcs_link_pointer == NO_LINK) {
		insn_fail_invalid();
		return true;
	}
	insn_decode_field_access(vcpu, &a);
	a.memory.state.is_l2 = true;
	field = insn_find_field(a.encoding);
	if (field == VMCS_FIELD_COUNT)
		fail(vcpu, VMFAIL_UNSUPPORTED_FIELD);
	else if (write && insn_field_is_read_only(a.encoding))
		fail(vcpu, VMFAIL_VMWRITE_READ_ONLY);
	else if (write)
		write_instruction(vcpu, &a, field);
	else
		read_instruction(vcpu, &a, field);
	return true;
}
