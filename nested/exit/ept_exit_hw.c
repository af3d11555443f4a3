/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT violations of L2 that are L1's affair: exits, virtualization exceptions, a full
 * page-modification log.  SDM "EPT Violations", "Convertible EPT Violations",
 * "Virtualization-Exception Information", "Page-Modification Logging".
 */
#include "nested/exit/ept_exit.h"

#include "nested/exit/exception.h"
#include "nested/exit/leave.h"
#include "nested/vmcs12/lazy.h"
#include "xmhf/device/log.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"

/** SDM "Format of the Virtualization-Exception Information Area". */
struct ve_information {
	u32 exit_reason;
	u32 busy;
	u64 qualification;
	u64 linear;
	u64 physical;
	u16 eptp_index;
};

enum ept02_result ept_exit_ask(struct vcpu *vcpu, const struct ept_access *access,
			       struct ept02_outcome *outcome)
{
	struct nested *nested = vcpu->nested;
	struct vmcs12_slot *slot = nested->current;
	struct ept02_log *log = &nested->ept02.log;
	enum ept02_result result;

	log->on = slot->words12.proc2 & PROC2_ENABLE_PML;
	log->page = l1pa(slot->vmcs12.pml_address);
	log->index = slot->vmcs12.pml_index;
	result = ept02_handle_violation(&nested->ept02, nested->context, access->address,
					access->qualification, outcome);
	slot->pml_index_moved |= slot->vmcs12.pml_index != log->index;
	slot->vmcs12.pml_index = log->index;
	log->on = false;
	return result;
}

/* Claim: the violation becomes #VE.  L2 clears the word of the area when it can take the next. */
static bool is_converted(const struct vmcs12_slot *slot, const struct ept02_outcome *outcome)
{
	u64 area = slot->vmcs12.virtualization_exception_information_address;
	u32 busy;

	if (!(slot->words12.proc2 & PROC2_EPT_VIOLATION_VE) || !outcome->may_be_ve ||
	    !(vmcs_read(VMCS_guest_cr0) & CR0_PE) ||
	    (vmcs_read(VMCS_idt_vectoring_information) & INTR_INFO_VALID))
		return false;
	l1_memory_read(l1pa(area + offsetof(struct ve_information, busy)), &busy, sizeof(busy));
	return !busy;
}

static void deliver_ve(struct vcpu *vcpu, const struct ept_access *access, u64 qualification)
{
	const struct vmcs12 *v = &vcpu->nested->current->vmcs12;
	struct ve_information area = {
		.exit_reason = EXIT_REASON_EPT_VIOLATION,
		.busy = 0xffffffff,
		.qualification = qualification,
		.linear = access->linear,
		.physical = access->address.v,
		.eptp_index = v->eptp_index,
	};

	l1_memory_write(l1pa(v->virtualization_exception_information_address), &area,
			offsetof(struct ve_information, eptp_index) + sizeof(area.eptp_index));
	exception_of_l2(vcpu, VECTOR_VE, 0, 0);
}

void ept_exit_reflect(struct vcpu *vcpu, enum ept02_result result, const struct ept_access *access,
		      const struct ept02_outcome *outcome)
{
	struct vmcs12_slot *slot = vcpu->nested->current;
	u32 reason = EXIT_REASON_EPT_VIOLATION;
	u64 qualification = outcome->qualification;

	if (result == EPT02_REFLECT_VIOLATION && is_converted(slot, outcome)) {
		deliver_ve(vcpu, access, qualification);
		return;
	}
	if (result == EPT02_REFLECT_MISCONFIGURATION) {
		reason = EXIT_REASON_EPT_MISCONFIGURATION;
		qualification = 0;
	} else if (result == EPT02_LOG_FULL) {
		reason = EXIT_REASON_PML_FULL;
		qualification &= EPT_VIOLATION_NMI_UNBLOCKED;
	}
	leave_l2(vcpu, slot);
	lazy_override(slot, VMCS_INDEX_exit_reason, reason);
	lazy_override(slot, VMCS_INDEX_exit_qualification, qualification);
	lazy_override(slot, VMCS_INDEX_guest_physical_address, access->address.v);
	lazy_override(slot, VMCS_INDEX_guest_linear_address, access->linear);
}

void ept_exit_start_over(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	struct vmcs12_slot *slot = nested->current;

	if (!nested->statistics.ept02_restarts++)
		log_line("EPT02 is made anew: the processor calls it misconfigured at 0x%llx",
			 vmcs_read(VMCS_guest_physical_address));
	if (vcpu->step.active)
		guest_end_step(vcpu);
	ept02_reset(&nested->ept02);
	nested->context = ept02_context(&nested->ept02, slot->vmcs12.eptp);
	slot->eptp02 = nested->context->eptp02;
	vmcs_write(VMCS_eptp, slot->eptp02);
}
