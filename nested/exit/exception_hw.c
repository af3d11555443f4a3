/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions that L0 raises in L2.  SDM "Exceptions" of "Other Causes of VM Exits". */
#include "nested/exit/exception.h"

#include "nested/event/event.h"
#include "nested/exit/leave.h"
#include "nested/exit/owner.h"
#include "nested/vmcs12/lazy.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"

/* The exit of an exception that L0 raised: VMCS02's own exit information is of another exit. */
static void exit_by(struct vcpu *vcpu, const struct entry_event *event, u64 qualification)
{
	struct vmcs12_slot *slot = vcpu->nested->current;

	leave_l2(vcpu, slot);
	lazy_override(slot, VMCS_INDEX_exit_reason, EXIT_REASON_EXCEPTION_OR_NMI);
	lazy_override(slot, VMCS_INDEX_exit_qualification, qualification);
	lazy_override(slot, VMCS_INDEX_exit_interruption_information, event->information);
	lazy_override(slot, VMCS_INDEX_exit_interruption_error_code, event->error_code);
}

void exception_of_l2(struct vcpu *vcpu, u8 vector, u32 error_code, u64 cr2)
{
	struct entry_event event = event_exception(vector, error_code);
	struct owner_exit exit = { .exit_reason = EXIT_REASON_EXCEPTION_OR_NMI };
	struct owner_pages pages = { 0 };

	if (!(vmcs_read(VMCS_guest_cr0) & CR0_PE)) {
		event.information &= ~(u32)INTR_INFO_ERROR_CODE;
		event.error_code = 0;
	}
	guest_set_resume_flag();
	exit.interruption_information = event.information;
	exit.interruption_error_code = event.error_code;
	if (owner_of_exit(&vcpu->nested->current->vmcs12, &pages, &exit) == OWNER_L1) {
		exit_by(vcpu, &event, vector == VECTOR_PF ? cr2 : 0);
		return;
	}
	if (vector == VECTOR_PF)
		write_cr2(cr2);
	vmcs_write(VMCS_entry_interruption_information, event.information);
	vmcs_write(VMCS_entry_exception_error_code, event.error_code);
}
