/* SPDX-License-Identifier: BSD-2-Clause */
/* VMFUNC of L2: EPTP switching.  SDM "VM Functions", "EPTP Switching". */
#include "nested/insn/l2_instructions.h"

#include "nested/exit/owner.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs_hw.h"

#define EPTP_LIST_ENTRIES 512U

static bool is_enabled(const struct vcpu *vcpu)
{
	struct owner_exit exit = { .exit_reason = EXIT_REASON_VMFUNC };
	struct owner_pages pages = { 0 };

	exit.registers[REGISTER_RAX] = vcpu->regs[GPR_RAX];
	return owner_of_exit(&vcpu->nested->current->vmcs12, &pages, &exit) == OWNER_L0;
}

static void use_eptp(struct vcpu *vcpu, u64 eptp, u16 index)
{
	struct nested *nested = vcpu->nested;
	struct vmcs12_slot *slot = nested->current;

	if (vcpu->step.active)
		guest_end_step(vcpu);
	slot->vmcs12.eptp = eptp;
	if (nested_shared.caps12.proc2.may_be_1 & PROC2_EPT_VIOLATION_VE)
		slot->vmcs12.eptp_index = index;
	nested->context = ept02_context(&nested->ept02, eptp);
	slot->eptp02 = nested->context->eptp02;
	vmcs_write(VMCS_eptp, slot->eptp02);
}

__attribute__((noinline)) bool l2_vmfunc(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u32 index = (u32)vcpu->regs[GPR_RCX];
	u64 eptp;

	/* Function 0 is the only one that VMCS12 can enable. */
	if (!is_enabled(vcpu) || index >= EPTP_LIST_ENTRIES)
		return false;
	l1_memory_read(l1pa(nested->current->vmcs12.eptp_list_address + index * sizeof(eptp)),
		       &eptp, sizeof(eptp));
	if (!ept12_eptp_is_valid(&nested_shared.caps12, eptp))
		return false;
	use_eptp(vcpu, eptp, (u16)index);
	guest_skip_instruction();
	return true;
}
