/* SPDX-License-Identifier: BSD-2-Clause */
/* The exits of L2: to whom they go, and what is due before the next VM entry. */
#include "nested/nested.h"

#include "nested/event/event.h"
#include "nested/exit/ept_exit.h"
#include "nested/exit/exception.h"
#include "nested/exit/leave.h"
#include "nested/exit/owner.h"
#include "nested/insn/insn_state.h"
#include "nested/insn/l2_instructions.h"
#include "nested/msr_lists.h"
#include "nested/vmcs02/commit.h"
#include "nested/vmcs12/lazy.h"
#include "xmhf/device/log.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/* VM-exit instruction information of VMREAD and VMWRITE. */
#define INFO_IS_REGISTER BIT32(10)

static void resume_interrupted_event(u32 reason)
{
	struct event_exit exit = {
		.exit_reason = reason,
		.idt_vectoring_information = (u32)vmcs_read(VMCS_idt_vectoring_information),
		.interruptibility_state = (u32)vmcs_read(VMCS_guest_interruptibility_state),
		.qualification = vmcs_read(VMCS_exit_qualification),
		.pin_controls = (u32)vmcs_read(VMCS_pin_based_controls),
	};
	struct event_resume resume;

	if (exit.idt_vectoring_information & INTR_INFO_VALID) {
		exit.idt_vectoring_error_code = (u32)vmcs_read(VMCS_idt_vectoring_error_code);
		exit.instruction_length = (u32)vmcs_read(VMCS_exit_instruction_length);
	}
	event_resume_after_exit(&exit, &resume);
	if (resume.inject.information) {
		vmcs_write(VMCS_entry_interruption_information, resume.inject.information);
		vmcs_write(VMCS_entry_exception_error_code, resume.inject.error_code);
		vmcs_write(VMCS_entry_instruction_length, resume.inject.instruction_length);
	}
	if (resume.interruptibility_state != exit.interruptibility_state)
		vmcs_write(VMCS_guest_interruptibility_state, resume.interruptibility_state);
}

static enum nested_exit handled(struct vcpu *vcpu, u32 reason)
{
	vcpu->nested->statistics.handled++;
	resume_interrupted_event(reason);
	return NESTED_DONE;
}

static enum nested_exit reflect(struct vcpu *vcpu)
{
	leave_l2(vcpu, vcpu->nested->current);
	return NESTED_DONE;
}

/* VMREAD and VMWRITE: without a memory operand the qualification is 0 ("Exit Qualification"). */
static __attribute__((noinline)) enum nested_exit reflect_field_instruction(struct vcpu *vcpu)
{
	bool is_register = vmcs_read(VMCS_exit_instruction_information) & INFO_IS_REGISTER;

	leave_l2(vcpu, vcpu->nested->current);
	if (is_register)
		lazy_override(vcpu->nested->current, VMCS_INDEX_exit_qualification, 0);
	return NESTED_DONE;
}

/* EPT exits of an L2 that has an EPT12. */
static __attribute__((noinline)) enum nested_exit ept_exit(struct vcpu *vcpu, u32 reason,
							   struct nested_access *refused)
{
	struct nested *nested = vcpu->nested;
	struct ept02_outcome outcome = { 0 };
	struct ept_access access = {
		.address = l2pa(vmcs_read(VMCS_guest_physical_address)),
	};
	enum ept02_result result;

	if (reason == EXIT_REASON_EPT_VIOLATION) {
		access.qualification = vmcs_read(VMCS_exit_qualification);
		result = ept_exit_ask(vcpu, &access, &outcome);
	} else {
		result = ept02_handle_misconfiguration(&nested->ept02, nested->context,
						       access.address);
	}
	switch (result) {
	case EPT02_L0_OWNED:
		*refused = (struct nested_access){
			.address = access.address.v,
			.page = l1pa(align_down(outcome.l1_address.v, PAGE_SIZE)),
			.rights = field_get(outcome.qualification, EPT_VIOLATION_ENTRY_RWX),
		};
		handled(vcpu, reason);
		return NESTED_HIDDEN;
	case EPT02_FIXED:
		/* A step has copies of EPT02's tables: it begins again with what they are now. */
		if (vcpu->step.active)
			guest_end_step(vcpu);
		return handled(vcpu, reason);
	case EPT02_UNEXPECTED:
		ept_exit_start_over(vcpu);
		return handled(vcpu, reason);
	default:
		access.linear = vmcs_read(VMCS_guest_linear_address);
		ept_exit_reflect(vcpu, result, &access, &outcome);
		return NESTED_DONE;
	}
}

static const volatile u8 *page_if(bool used, u64 address)
{
	return used ? l1_memory_view(l1pa(address), PAGE_SIZE) : NULL;
}

/* RDMSR and WRMSR: L1's if L1's bitmap says so, else L0's wish. */
static __attribute__((noinline)) bool msr_exit_is_l1s(struct vcpu *vcpu, u32 reason)
{
	const struct vmcs12_slot *slot = vcpu->nested->current;
	struct owner_exit exit = { .exit_reason = reason };
	struct owner_pages pages = {
		.msr_bitmap = page_if(slot->words12.proc1 & PROC1_USE_MSR_BITMAPS,
				      slot->vmcs12.msr_bitmap_address),
	};

	exit.registers[REGISTER_RCX] = vcpu->regs[GPR_RCX];
	return owner_of_exit(&slot->vmcs12, &pages, &exit) == OWNER_L1;
}

/* IN, OUT: L1's if its controls say so, else the hypapp's wish. */
static __attribute__((noinline)) bool io_exit_is_l1s(struct vcpu *vcpu)
{
	const struct vmcs12_slot *slot = vcpu->nested->current;
	bool use_bitmaps = slot->words12.proc1 & PROC1_USE_IO_BITMAPS;
	struct owner_exit exit = {
		.exit_reason = EXIT_REASON_IO_INSTRUCTION,
		.qualification = vmcs_read(VMCS_exit_qualification),
	};
	struct owner_pages pages = {
		.io_bitmap_a = page_if(use_bitmaps, slot->vmcs12.io_bitmap_a_address),
		.io_bitmap_b = page_if(use_bitmaps, slot->vmcs12.io_bitmap_b_address),
	};

	return owner_of_exit(&slot->vmcs12, &pages, &exit) == OWNER_L1;
}

/* VMCS02 passed our checks and failed the processor's: we lack a rule, or have one too many.  L1
 * sees what the processor said. */
static __attribute__((noinline)) enum nested_exit refused(struct vcpu *vcpu, u32 reason)
{
	struct vmcs12_slot *slot = vcpu->nested->current;
	u64 qualification = vmcs_read(VMCS_exit_qualification);

	if (!vcpu->nested->statistics.hardware_refused++)
		log_line("VMCS02 refused by the processor: exit reason 0x%x, qualification 0x%llx",
			 reason, qualification);
	slot->vmcs02_launched = !slot->launching;
	slot->launched = slot->was_launched;
	msr_list_entry_undo(slot);
	leave_failed_entry(vcpu, slot, (enum exit_reason)(reason & 0xffff), qualification, true);
	return NESTED_DONE;
}

/*
 * L0 has few wishes of its own while L2 runs (docs/architecture.md): some MSRs, EPT, a
 * kick, a single step.  Everything else exits because VMCS12 asks for it, or because it
 * always exits, and is L1's.
 */
enum nested_exit nested_l2_exit(struct vcpu *vcpu, u32 reason, struct nested_access *access)
{
	if (reason & EXIT_REASON_ENTRY_FAILURE)
		return refused(vcpu, reason);
	switch (reason) {
	case EXIT_REASON_EPT_VIOLATION:
	case EXIT_REASON_EPT_MISCONFIGURATION:
		return vcpu->nested->context ? ept_exit(vcpu, reason, access) : NESTED_L0;
	case EXIT_REASON_IO_INSTRUCTION:
		return !hypapp_intercepts || io_exit_is_l1s(vcpu) ? reflect(vcpu) : NESTED_L0;
	case EXIT_REASON_RDMSR:
	case EXIT_REASON_WRMSR:
		return msr_exit_is_l1s(vcpu, reason) ? reflect(vcpu) : NESTED_L0;
	case EXIT_REASON_VMREAD:
	case EXIT_REASON_VMWRITE:
		return l2_field_instruction(vcpu, reason == EXIT_REASON_VMWRITE)
			       ? NESTED_DONE
			       : reflect_field_instruction(vcpu);
	case EXIT_REASON_VMFUNC:
		return l2_vmfunc(vcpu) ? NESTED_DONE : reflect(vcpu);
	case EXIT_REASON_INIT_SIGNAL:
		return NESTED_L0; /* perhaps a kick; else it comes back to nested_init_signal() */
	case EXIT_REASON_MONITOR_TRAP_FLAG:
		/* A step of L0's own may end where L1 wants an exit as well. */
		return vcpu->step.active && !vcpu->step.monitor_trap ? NESTED_L0 : reflect(vcpu);
	default:
		return reflect(vcpu);
	}
}

void nested_check_exception(struct vcpu *vcpu)
{
	u32 info = (u32)vmcs_read(VMCS_entry_interruption_information);

	if (!(info & INTR_INFO_VALID) ||
	    field_get(info, INTR_INFO_TYPE) != INTR_TYPE_HARDWARE_EXCEPTION)
		return;
	vmcs_write(VMCS_entry_interruption_information, 0);
	exception_of_l2(vcpu, (u8)field_get(info, INTR_INFO_VECTOR),
			(u32)vmcs_read(VMCS_entry_exception_error_code), 0);
}

void nested_raise_gp(struct vcpu *vcpu)
{
	exception_of_l2(vcpu, VECTOR_GP, 0, 0);
}

void nested_raise_pf(struct vcpu *vcpu, u32 error_code, u64 cr2)
{
	exception_of_l2(vcpu, VECTOR_PF, error_code, cr2);
}

bool nested_init_signal(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;

	if (!nested || nested->mode == NESTED_OFF)
		return false;
	if (nested->mode == NESTED_NON_ROOT)
		leave_l2(vcpu, nested->current);
	else
		nested->init_pending = true;
	return true;
}

bool nested_take_pending_init(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	bool pending = nested->init_pending && nested->mode == NESTED_OFF;

	if (pending)
		nested->init_pending = false;
	return pending;
}

void nested_entry_refused(struct vcpu *vcpu)
{
	struct vmcs12_slot *slot = vcpu->nested->current;
	u32 error = (u32)vmcs_read(VMCS_vm_instruction_error);

	if (!vcpu->nested->statistics.hardware_refused++)
		log_line("VMCS02 refused by the processor: VM-instruction error %u (%s)", error,
			 vm_instruction_error_text(error));
	slot->vmcs02_launched = !slot->launching;
	slot->launched = slot->was_launched;
	msr_list_entry_undo(slot);
	vmcs_write(VMCS_entry_interruption_information, 0);
	vmcs_load(vcpu->vmcs01);
	vcpu->in_l2 = false;
	vcpu->nested->mode = NESTED_ROOT;
	insn_fail(vcpu, (enum vm_instruction_error)error);
}

/* EPT01, or what the hypapp asks for, is not what VMCS02 and EPT02 were made from. */
static __attribute__((noinline)) void ept01_changed(struct vcpu *vcpu)
{
	ept02_ept01_check(&vcpu->nested->ept02, machine.ept.generation);
	if (hypapp_intercepts)
		vmcs02_intercepts_changed(vcpu);
}

u32 nested_before_l2_entry(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	struct vmcs12_slot *slot = nested->current;
	u32 launch = !slot->vmcs02_launched;

	/* First: what it finds may change EPT01's generation. */
	if (nested->context && nested->context->must_compare)
		ept02_settle(&nested->ept02, nested->context);
	if (nested->ept02.ept01_generation != machine.ept.generation)
		ept01_changed(vcpu);
	if (nested->context && ept02_take_flush(&nested->ept02, nested->context))
		invept(INVEPT_SINGLE_CONTEXT, nested->context->eptp02);
	slot->vmcs02_launched = true;
	slot->launching = launch;
	return launch;
}

/* What L0 holds for L1 on this CPU: tables and contexts of EPT02, which stay until others need the
   room, and VMCS02s of active VMCSs. */
static void count_held(const struct nested *nested, u64 result[3])
{
	const struct ept02 *ept = &nested->ept02;

	result[0] = ept->tables_count - ept->free_count;
	result[1] = result[2] = 0;
	for (u32 i = 0; i < EPT02_CONTEXTS; i++)
		result[1] += ept->contexts[i].root != NULL;
	for (u32 i = 0; i < NESTED_SLOTS; i++)
		result[2] += nested->slots[i].address != NO_VMCS && nested->slots[i].active;
}

u32 nested_exit_of_l1(struct vcpu *vcpu, u64 *qualification)
{
	struct nested *nested = vcpu->nested;

	*qualification = lazy_read(nested, nested->current, VMCS_INDEX_exit_qualification);
	return (u32)lazy_read(nested, nested->current, VMCS_INDEX_exit_reason) & 0xffff;
}

bool nested_read_counters(const struct vcpu *vcpu, u64 group, u64 result[3])
{
	const struct nested_statistics *s;

	if (!vcpu->nested || group > 3)
		return false;
	if (group == 3) {
		count_held(vcpu->nested, result);
		return true;
	}
	s = &vcpu->nested->statistics;
	result[0] = group == 0 ? s->entries : group == 1 ? s->hardware_refused : s->aborts;
	result[1] = group == 0 ? s->reflected : group == 1 ? s->ept02_restarts : 0;
	result[2] = group == 0 ? s->handled : group == 1 ? s->evictions : 0;
	return true;
}
