/* SPDX-License-Identifier: BSD-2-Clause */
/* Ending an instruction of the guest, and giving it exceptions. */
#include "xmhf/vmx/guest_event_hw.h"

#include "xmhf/vmx/instruction_end.h"
#include "xmhf/vmx/l1_memory_written.h"
#include "xmhf/vmx/vmcs_hw.h"

/* Who may need such a function does not pay for it where he does not. */
#define COLD __attribute__((noinline, cold))

bool guest_is_in_64bit_code(void)
{
	return (vmcs_read(VMCS_entry_controls) & ENTRY_IA32E_MODE_GUEST) &&
	       (vmcs_read(VMCS_guest_cs_access_rights) & ACCESS_RIGHTS_L);
}

/* An instruction that crosses a multiple of 4 GiB, or is single-stepped, which TF in @rflags says.
 */
static COLD void end_rare_instruction(u64 rip, u64 rflags)
{
	vmcs_write(VMCS_guest_rip, instruction_end_rip(rip, vmcs_read(VMCS_exit_instruction_length),
						       guest_is_in_64bit_code()));
	if (rflags & RFLAGS_TF)
		vmcs_write(VMCS_guest_pending_debug_exceptions,
			   instruction_end_pending_debug(
				   vmcs_read(VMCS_guest_pending_debug_exceptions), rflags,
				   vmcs_read(VMCS_guest_ia32_debugctl)));
}

void guest_advance_rip(u64 rflags)
{
	u64 interruptibility = vmcs_read(VMCS_guest_interruptibility_state);
	u64 rip = vmcs_read(VMCS_guest_rip);
	u64 length = vmcs_read(VMCS_exit_instruction_length);

	vmcs_write(VMCS_guest_rip, rip + length);
	if (interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS))
		vmcs_write(VMCS_guest_interruptibility_state,
			   interruptibility & ~(u64)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
	if (instruction_end_crosses(rip, length) || (rflags & RFLAGS_TF))
		end_rare_instruction(rip, rflags);
}

void guest_skip_instruction(void)
{
	u64 rflags = vmcs_read(VMCS_guest_rflags);

	guest_advance_rip(rflags);
	if (rflags & RFLAGS_RF)
		vmcs_write(VMCS_guest_rflags, rflags & ~RFLAGS_RF);
}

/* What L0 injects are faults: their RFLAGS image has RF set, which the processor does for its own
 * faults only ("Details of Vectored-Event Injection"). */
void guest_set_resume_flag(void)
{
	vmcs_write(VMCS_guest_rflags, vmcs_read(VMCS_guest_rflags) | RFLAGS_RF);
}

static void inject(enum exception_vector vector, u32 more)
{
	guest_set_resume_flag();
	vmcs_write(VMCS_entry_interruption_information,
		   INTR_INFO_VALID | (u32)field_make(INTR_INFO_TYPE, INTR_TYPE_HARDWARE_EXCEPTION) |
			   vector | more);
}

COLD void guest_inject_exception(enum exception_vector vector)
{
	inject(vector, 0);
}

COLD void guest_inject_fault(enum exception_vector vector, u32 error_code)
{
	/* In real mode exceptions push no error code, and VM entry insists on that. */
	bool protected_mode = vmcs_read(VMCS_guest_cr0) & CR0_PE;

	vmcs_write(VMCS_entry_exception_error_code, error_code);
	inject(vector, protected_mode ? INTR_INFO_ERROR_CODE : 0);
}

COLD void guest_inject_gp(void)
{
	guest_inject_fault(VECTOR_GP, 0);
}

void guest_reinject_interrupted_event(void)
{
	u64 info = vmcs_read(VMCS_idt_vectoring_information);

	if (!(info & INTR_INFO_VALID))
		return;
	/* Bit 12 is undefined here and must be 0 there. */
	vmcs_write(VMCS_entry_interruption_information, info & ~(u64)INTR_INFO_NMI_UNBLOCKED);
	if (info & INTR_INFO_ERROR_CODE)
		vmcs_write(VMCS_entry_exception_error_code,
			   vmcs_read(VMCS_idt_vectoring_error_code));
	vmcs_write(VMCS_entry_instruction_length, vmcs_read(VMCS_exit_instruction_length));
	/* The injection blocks NMIs again itself: "VM-Entry Controls for Event Injection". */
	if (field_get(info, INTR_INFO_TYPE) == INTR_TYPE_NMI)
		vmcs_write(VMCS_guest_interruptibility_state,
			   vmcs_read(VMCS_guest_interruptibility_state) & ~(u64)BLOCKING_BY_NMI);
}

void guest_end_step(struct vcpu *vcpu)
{
	u64 proc1 = vmcs_read(VMCS_processor_based_controls) & ~(u64)PROC1_MONITOR_TRAP_FLAG;

	vcpu->step.active = false;
	l1_memory_written_anywhere(); /* the dirty flags of the step's own tables are lost */
	vmcs_write(VMCS_eptp, vcpu->step.eptp);
	vmcs_write(VMCS_processor_based_controls,
		   vcpu->step.monitor_trap ? proc1 | PROC1_MONITOR_TRAP_FLAG : proc1);
}
