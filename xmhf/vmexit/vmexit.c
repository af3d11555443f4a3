/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch of VM exits, and what several handlers need. */
#include "xmhf/vmexit/vmexit.h"

#include "nested/nested.h"
#include "xmhf/cpu/exception.h"
#include "xmhf/device/log.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/format.h"
#include "xmhf/x86/cpu.h"

/* An exit of L1 does not pay for the registers and the stack of others. */
#define OUT_OF_LINE __attribute__((noinline))

static vmexit_handler *const handlers[EXIT_REASON_COUNT] = {
	[EXIT_REASON_TRIPLE_FAULT] = vmexit_triple_fault,
	[EXIT_REASON_INIT_SIGNAL] = vmexit_init,
	[EXIT_REASON_SIPI] = vmexit_sipi,
	[EXIT_REASON_TASK_SWITCH] = vmexit_task_switch,
	[EXIT_REASON_CPUID] = vmexit_cpuid,
	[EXIT_REASON_GETSEC] = vmexit_invalid_opcode,
	[EXIT_REASON_INVD] = vmexit_invd,
	[EXIT_REASON_VMCALL] = vmexit_vmcall,
	[EXIT_REASON_VMCLEAR] = vmexit_vmx_instruction,
	[EXIT_REASON_VMLAUNCH] = vmexit_vmx_instruction,
	[EXIT_REASON_VMPTRLD] = vmexit_vmx_instruction,
	[EXIT_REASON_VMPTRST] = vmexit_vmx_instruction,
	[EXIT_REASON_VMREAD] = vmexit_vmx_instruction,
	[EXIT_REASON_VMRESUME] = vmexit_vmx_instruction,
	[EXIT_REASON_VMWRITE] = vmexit_vmx_instruction,
	[EXIT_REASON_VMXOFF] = vmexit_vmxoff,
	[EXIT_REASON_VMXON] = vmexit_vmx_instruction,
	[EXIT_REASON_CR_ACCESS] = vmexit_cr_access,
	[EXIT_REASON_IO_INSTRUCTION] = vmexit_io_instruction,
	[EXIT_REASON_RDMSR] = vmexit_rdmsr,
	[EXIT_REASON_WRMSR] = vmexit_wrmsr,
	[EXIT_REASON_MONITOR_TRAP_FLAG] = vmexit_mtf,
	[EXIT_REASON_EPT_VIOLATION] = vmexit_ept_violation,
	[EXIT_REASON_EPT_MISCONFIGURATION] = vmexit_ept_misconfiguration,
	[EXIT_REASON_INVEPT] = vmexit_vmx_instruction,
	[EXIT_REASON_INVVPID] = vmexit_vmx_instruction,
	[EXIT_REASON_XSETBV] = vmexit_xsetbv,
};

void vmexit_invalid_opcode(struct vcpu *vcpu)
{
	(void)vcpu;
	guest_inject_exception(VECTOR_UD);
}

static _Noreturn void stop_at(const char *what, u64 reason)
{
	char text[96];

	format_text(text, sizeof(text), "%s: exit reason 0x%llx (%s), qualification 0x%llx", what,
		    reason, exit_reason_name((u32)reason & 0xffff),
		    vmcs_read(VMCS_exit_qualification));
	panic(text, 0, 0);
}

/* SDM "Exit Qualification for Task Switch": the selector of the new TSS is in bits 15:0. */
void vmexit_task_switch(struct vcpu *vcpu)
{
	(void)vcpu;
	/* Deviates from SDM "Task Switching": docs/decisions/0009-no-task-switches.md */
	guest_inject_fault(VECTOR_GP, (u32)vmcs_read(VMCS_exit_qualification) & 0xfffc);
}

/* No control asks for such an exit: a VM entry failed, or an instruction of a later processor
 * always exits. */
static OUT_OF_LINE void unexpected(struct vcpu *vcpu, u64 reason)
{
	if (reason & EXIT_REASON_ENTRY_FAILURE)
		stop_at("VM entry of VMCS01 failed", reason);
	vmexit_invalid_opcode(vcpu);
}

static void handle_own(struct vcpu *vcpu, u64 reason)
{
	vmexit_handler *handler = reason < EXIT_REASON_COUNT ? handlers[reason] : NULL;

	if (!handler) {
		unexpected(vcpu, reason);
		return;
	}
	handler(vcpu);
}

static void handle_l2(struct vcpu *vcpu, u64 reason)
{
	struct nested_access access;

	if (vcpu->waits_for_sipi)
		vmexit_wake(vcpu);
	switch (nested_l2_exit(vcpu, (u32)reason, &access)) {
	case NESTED_L0:
		handle_own(vcpu, reason);
		if (reason == EXIT_REASON_RDMSR || reason == EXIT_REASON_WRMSR)
			nested_check_exception(vcpu);
		break;
	case NESTED_HIDDEN:
		if (!hypapp_intercepts ||
		    !vmexit_protected(vcpu, access.address, access.page, access.rights))
			vmexit_step_over_hidden(vcpu, access.address);
		break;
	default:
		break;
	}
}

/* Claim: the exit only ended a single step of L0's own. */
static bool ends_step(struct vcpu *vcpu, u64 reason)
{
	return hypapp_intercepts && vmexit_end_steps(vcpu, reason);
}

void vmexit_vmx_instruction(struct vcpu *vcpu)
{
	if (!vcpu->nested) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	nested_vmx_instruction(vcpu, vcpu->exit_reason);
}

void vmexit_vmxoff(struct vcpu *vcpu)
{
	vmexit_vmx_instruction(vcpu);
	if (vcpu->nested && nested_take_pending_init(vcpu))
		vmexit_init(vcpu);
}

/* An interruption information of the current VMCS; 0 if it is not valid. */
static u32 event_in(u32 field)
{
	u32 information = (u32)vmcs_read(field);

	return information & INTR_INFO_VALID ? information : 0;
}

static OUT_OF_LINE void handle_and_report(struct vcpu *vcpu, u64 reason)
{
	u64 start = rdtsc();
	bool from_l2 = nested_in_l2(vcpu);
	struct hypapp_exit exit = {
		.reason = (u32)reason & 0xffff,
		.rip = vmcs_read(VMCS_guest_rip),
		.qualification = vmcs_read(VMCS_exit_qualification),
		.event = event_in(VMCS_exit_interruption_information),
	};

	if (!ends_step(vcpu, reason)) {
		if (from_l2)
			handle_l2(vcpu, reason);
		else
			handle_own(vcpu, reason);
	}
	exit.kind = !from_l2		 ? HYPAPP_EXIT_101
		    : nested_in_l2(vcpu) ? HYPAPP_EXIT_202
					 : HYPAPP_EXIT_201;
	exit.ticks = rdtsc() - start;
	if (exit.kind == HYPAPP_EXIT_201)
		exit.reason = nested_exit_of_l1(vcpu, &exit.qualification);
	if (!from_l2 && nested_in_l2(vcpu))
		exit.inject = event_in(VMCS_entry_interruption_information);
	hypapp_exit(vcpu->cpu.id, &exit);
}

static OUT_OF_LINE u32 enter_l2_next(struct vcpu *vcpu)
{
	return nested_before_l2_entry(vcpu);
}

static OUT_OF_LINE u32 handle_l2_and_enter(struct vcpu *vcpu, u64 reason)
{
	handle_l2(vcpu, reason);
	return nested_in_l2(vcpu) ? nested_before_l2_entry(vcpu) : 0;
}

/** Called by vmexit_stub.S; returns 0 to resume, 1 to launch. */
u32 vmexit_handle(struct vcpu *vcpu);
u32 vmexit_handle(struct vcpu *vcpu)
{
	u64 reason = vmcs_read(VMCS_exit_reason);

	if (CONFIG_COUNT_VMX_INSTRUCTIONS)
		vcpu->cpu.counters.exits++;
	vcpu->exit_reason = (u32)reason;
	if (hypapp_observes_exits)
		handle_and_report(vcpu, reason);
	else if (ends_step(vcpu, reason))
		;
	else if (nested_in_l2(vcpu))
		return handle_l2_and_enter(vcpu, reason);
	else
		handle_own(vcpu, reason);
	return nested_in_l2(vcpu) ? enter_l2_next(vcpu) : 0;
}

/** Called by vmexit_stub.S when VMLAUNCH or VMRESUME failed; of VMCS01 that is our mistake. */
u32 vmentry_failed(struct vcpu *vcpu);
u32 vmentry_failed(struct vcpu *vcpu)
{
	char text[96];

	if (nested_in_l2(vcpu)) {
		nested_entry_refused(vcpu);
		return 0;
	}
	format_text(text, sizeof(text), "VM entry to L1 failed: error %u (%s)",
		    (u32)vmcs_read(VMCS_vm_instruction_error),
		    vm_instruction_error_text((u32)vmcs_read(VMCS_vm_instruction_error)));
	panic(text, 0, 0);
}
