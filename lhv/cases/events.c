/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts, windows, the preemption timer, the monitor trap flag, pending debug
 * exceptions and activity states.  SDM "Other Causes of VM Exits", "VM Entry".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/machine.h"
#include "lhv/vm/programs.h"

#define VALID	   BIT32(31)
#define LONG_TIMER 100000

#define HYPERCALL_HIDDEN 1 /* docs/hypercalls.md */

static void self_interrupt(void)
{
	disable_interrupts();
	interrupt_take_count(VECTOR_TEST);
	apic_send_self(ICR_FIXED | VECTOR_TEST);
}

static u32 taken_by_l1(void)
{
	interrupts_through();
	return interrupt_take_count(VECTOR_TEST);
}

static void open_l2(void)
{
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
}

static bool l2_handles(u32 vector)
{
	uptr rip = (uptr)vm_get(VMCS_guest_rip);

	return rip >= (uptr)l2_interrupt_entries && rip < (uptr)l2_interrupt_return &&
	       *(uptr *)(uptr)vm_get(VMCS_guest_rsp) == vector;
}

/* External-interrupt exiting without acknowledge: it stays pending for L1. */
static void external_no_acknowledge(void)
{
	vm_control(VMX_WORD_EXIT, 0, EXIT_ACKNOWLEDGE_INTERRUPT);
	open_l2();
	self_interrupt();
	check_exit(vm_run(l2_spin), EXIT_REASON_EXTERNAL_INTERRUPT, "exits");
	check_bits(0, VALID, vm_get(VMCS_exit_interruption_information), "no vector recorded");
	check_true(apic_is_pending(VECTOR_TEST), "still pending");
	check_eq(1, taken_by_l1(), "L1 takes it");
}

/* With acknowledge the vector is in the VMCS and in service at the APIC. */
static void external_acknowledge(void)
{
	if (!case_requires(vm_allows(VMX_WORD_EXIT, EXIT_ACKNOWLEDGE_INTERRUPT), "no acknowledge"))
		return;
	vm_control(VMX_WORD_EXIT, EXIT_ACKNOWLEDGE_INTERRUPT, 0);
	open_l2();
	self_interrupt();
	check_exit(vm_run(l2_spin), EXIT_REASON_EXTERNAL_INTERRUPT, "exits");
	check_eq(VALID | VECTOR_TEST, vm_get(VMCS_exit_interruption_information), "information");
	check_true(!apic_is_pending(VECTOR_TEST), "no longer pending");
	apic_eoi();
	check_eq(0, taken_by_l1(), "L1 is not interrupted again");
}

/* With exiting the flag IF of L2 does not matter. */
static void external_if_clear(void)
{
	self_interrupt();
	check_exit(vm_run(l2_nops), EXIT_REASON_EXTERNAL_INTERRUPT, "exits with IF = 0");
	check_eq(1, taken_by_l1(), "L1 takes it");
}

/* Without exiting L2's own handler takes it when IF lets it in. */
static void external_passed(void)
{
	vm_control(VMX_WORD_PIN, 0, PIN_EXTERNAL_INTERRUPT_EXITING);
	self_interrupt();
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "held while IF = 0");
	check_true(!l2_handles(VECTOR_TEST), "not delivered");
	check_exit(vm_run(l2_sti_window), EXIT_REASON_VMCALL, "delivered after STI");
	check_true(l2_handles(VECTOR_TEST), "in L2's handler");
	check_true(vm_get(VMCS_guest_rip) != (uptr)l2_sti_window, "not before STI");
	apic_eoi();
	check_eq(0, taken_by_l1(), "L1 sees none");
}

/* The APIC timer ends an L2 that never exits by itself. */
static void timer_interrupt(void)
{
	open_l2();
	apic_timer_once(VECTOR_TEST, 50000);
	interrupt_take_count(VECTOR_TEST);
	disable_interrupts();
	check_exit(vm_run(l2_spin), EXIT_REASON_EXTERNAL_INTERRUPT, "exits");
	check_true(vm_self()->regs.rax > 1000, "L2 has run");
	check_eq(1, taken_by_l1(), "L1 takes it");
}

static void interrupt_window(void)
{
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING, 0);
	open_l2();
	check_exit(vm_run(l2_nops), EXIT_REASON_INTERRUPT_WINDOW, "open at entry");
	check_eq((uptr)l2_nops, vm_get(VMCS_guest_rip), "before any instruction");
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "closed");
	check_exit(vm_run(l2_sti_window), EXIT_REASON_INTERRUPT_WINDOW, "after STI");
	check_eq((uptr)l2_sti_window + 2, vm_get(VMCS_guest_rip), "one instruction after STI");
	check_eq(0, vm_get(VMCS_guest_interruptibility_state), "no blocking left");
}

static void interrupt_window_blocked(void)
{
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING, 0);
	open_l2();
	vm_set(VMCS_guest_interruptibility_state, BLOCKING_BY_STI);
	check_exit(vm_run(l2_nops), EXIT_REASON_INTERRUPT_WINDOW, "blocking by STI");
	check_eq((uptr)l2_nops + 1, vm_get(VMCS_guest_rip), "after one instruction");
	open_l2();
	vm_set(VMCS_guest_interruptibility_state, BLOCKING_BY_MOV_SS);
	check_exit(vm_run(l2_nops), EXIT_REASON_INTERRUPT_WINDOW, "blocking by MOV SS");
	check_eq((uptr)l2_nops + 1, vm_get(VMCS_guest_rip), "after one instruction");
}

/* An injected event is delivered before the window exits; then IF is 0. */
static void injection_before_window(void)
{
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING, 0);
	open_l2();
	vm_set(VMCS_entry_interruption_information, VALID | VECTOR_TEST_HIGH);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "handler first");
	check_true(l2_handles(VECTOR_TEST_HIGH), "in the handler");
	check_exit(vm_skip(), EXIT_REASON_INTERRUPT_WINDOW, "window after IRET");
	check_eq((uptr)l2_nops, vm_get(VMCS_guest_rip), "back at the program");
}

static bool use_timer(u32 value, bool save)
{
	if (!case_requires(vm_allows(VMX_WORD_PIN, PIN_ACTIVATE_PREEMPTION_TIMER) &&
				   vm_allows(VMX_WORD_EXIT, EXIT_SAVE_PREEMPTION_TIMER),
			   "no preemption timer"))
		return false;
	vm_control(VMX_WORD_PIN, PIN_ACTIVATE_PREEMPTION_TIMER, 0);
	vm_control(VMX_WORD_EXIT, save ? EXIT_SAVE_PREEMPTION_TIMER : 0,
		   save ? 0 : EXIT_SAVE_PREEMPTION_TIMER);
	vm_set(VMCS_preemption_timer_value, value);
	return true;
}

static void timer_zero(void)
{
	if (!use_timer(0, true))
		return;
	check_exit(vm_run(l2_nops), EXIT_REASON_PREEMPTION_TIMER, "0 at entry");
	check_eq((uptr)l2_nops, vm_get(VMCS_guest_rip), "before any instruction");
	check_eq(0, vm_get(VMCS_preemption_timer_value), "saved 0");
}

static void timer_expires(void)
{
	if (!use_timer(100, true))
		return;
	check_exit(vm_run(l2_spin), EXIT_REASON_PREEMPTION_TIMER, "expires");
	check_eq(0, vm_get(VMCS_preemption_timer_value), "saved 0");
	check_true(vm_self()->regs.rax > 0, "L2 has run");
	check_eq(0, vm_get(VMCS_exit_qualification), "qualification");
}

static void timer_saved(void)
{
	u64 left;

	if (!use_timer(LONG_TIMER, true))
		return;
	vm_self()->regs.rcx = 5000;
	vm_control(VMX_WORD_PROC1, 0, PROC1_UNCONDITIONAL_IO_EXITING);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "another exit first");
	left = vm_get(VMCS_preemption_timer_value);
	check_true(left <= LONG_TIMER && left > LONG_TIMER / 2, "what is left is saved");
	if (!use_timer(LONG_TIMER, false))
		return;
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "not saved");
	check_eq(LONG_TIMER, vm_get(VMCS_preemption_timer_value), "field as it was");
}

/* The window and the timer at once: the timer's exit comes after injection, like MTF first. */
static void timer_after_injection(void)
{
	if (!use_timer(0, true))
		return;
	open_l2();
	vm_set(VMCS_entry_interruption_information, VALID | VECTOR_TEST_HIGH);
	check_exit(vm_run(l2_nops), EXIT_REASON_PREEMPTION_TIMER, "timer");
	check_true(vm_get(VMCS_guest_rip) != (uptr)l2_nops, "after the injected event");
	check_bits(0, VALID, vm_get(VMCS_idt_vectoring_information), "delivery was complete");
}

static bool use_mtf(void)
{
	if (!case_requires(vm_allows(VMX_WORD_PROC1, PROC1_MONITOR_TRAP_FLAG), "no MTF"))
		return false;
	vm_control(VMX_WORD_PROC1, PROC1_MONITOR_TRAP_FLAG, 0);
	return true;
}

static void mtf_each_instruction(void)
{
	if (!use_mtf())
		return;
	vm_set(VMCS_guest_rip, (uptr)l2_nops);
	for (unsigned int i = 1; i <= 4; i++) {
		check_exit(vm_enter(), EXIT_REASON_MONITOR_TRAP_FLAG, "one instruction");
		check_eq((uptr)l2_nops + i, vm_get(VMCS_guest_rip), "RIP");
	}
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "an instruction that exits by itself");
}

/* Nor is it lost where the hypervisor below makes a step of its own of the instruction, as it
 * does for memory that it hides. */
static void mtf_hidden_memory(void)
{
	if (!use_mtf())
		return;
	vm_self()->regs.rbx =
		machine_is_on_xmhf() ? hypercall(HYPERCALL_HIDDEN, 0).bx : (uptr)l2_nops;
	check_exit(vm_run(l2_read_bx), EXIT_REASON_MONITOR_TRAP_FLAG, "one instruction");
	if (machine_is_on_xmhf())
		check_eq(~(uptr)0, vm_self()->regs.rax, "what it reads");
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "the next one");
}

/* After an injected event MTF exits before the handler's first instruction. */
static void mtf_after_injection(void)
{
	if (!use_mtf())
		return;
	open_l2();
	vm_set(VMCS_entry_interruption_information, VALID | VECTOR_TEST_HIGH);
	check_exit(vm_run(l2_nops), EXIT_REASON_MONITOR_TRAP_FLAG, "MTF");
	check_eq((uptr)l2_interrupt_entries + VECTOR_TEST_HIGH * 16, vm_get(VMCS_guest_rip),
		 "the handler's first instruction");
}

/* Type 7 vector 0 makes an MTF exit pending whatever the control says. */
static void mtf_injected(void)
{
	if (!case_requires(vm_allows(VMX_WORD_PROC1, PROC1_MONITOR_TRAP_FLAG), "no MTF"))
		return;
	vm_set(VMCS_entry_interruption_information, VALID | INTR_TYPE_OTHER_EVENT << 8);
	check_exit(vm_run(l2_nops), EXIT_REASON_MONITOR_TRAP_FLAG, "MTF");
	check_eq((uptr)l2_nops, vm_get(VMCS_guest_rip), "before any instruction");
}

static void pending_debug(void)
{
	vm_set(VMCS_guest_pending_debug_exceptions, PENDING_DEBUG_ENABLED | 1);
	vm_set(VMCS_guest_dr7, DR7_FIXED_1 | 1);
	check_exit(vm_run(l2_nops), EXIT_REASON_EXCEPTION_OR_NMI, "#DB");
	check_eq(0x80000301, vm_get(VMCS_exit_interruption_information), "information");
	check_bits(1, 0xf, vm_get(VMCS_exit_qualification), "B0");
	check_eq((uptr)l2_nops, vm_get(VMCS_guest_rip), "before any instruction");
}

static void pending_single_step(void)
{
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_TF);
	vm_set(VMCS_guest_pending_debug_exceptions, PENDING_DEBUG_BS);
	check_exit(vm_run(l2_nops), EXIT_REASON_EXCEPTION_OR_NMI, "#DB");
	check_bits(PENDING_DEBUG_BS, PENDING_DEBUG_BS, vm_get(VMCS_exit_qualification), "BS");
	check_eq((uptr)l2_nops, vm_get(VMCS_guest_rip), "before any instruction");
}

/* HLT of L2 that does not exit; the interrupt's exit saves the activity state HLT. */
static void halted_then_interrupt(void)
{
	vm_control(VMX_WORD_PROC1, 0, PROC1_HLT_EXITING);
	apic_timer_once(VECTOR_TEST, 30000);
	disable_interrupts();
	interrupt_take_count(VECTOR_TEST);
	check_exit(vm_run(l2_sti_hlt), EXIT_REASON_EXTERNAL_INTERRUPT, "interrupt");
	check_eq(ACTIVITY_HLT, vm_get(VMCS_guest_activity_state), "activity state");
	check_eq((uptr)l2_sti_hlt + 2, vm_get(VMCS_guest_rip), "RIP after HLT");
	check_eq(1, taken_by_l1(), "L1 takes it");
}

static void enter_halted(void)
{
	if (!case_requires(facts.misc & VMX_MISC_ACTIVITY_HLT, "no activity state HLT"))
		return;
	open_l2();
	vm_set(VMCS_guest_activity_state, ACTIVITY_HLT);
	self_interrupt();
	check_exit(vm_run(l2_nops), EXIT_REASON_EXTERNAL_INTERRUPT, "interrupt");
	check_eq(ACTIVITY_HLT, vm_get(VMCS_guest_activity_state), "still halted");
	check_eq((uptr)l2_nops, vm_get(VMCS_guest_rip), "no instruction");
	check_eq(1, taken_by_l1(), "L1 takes it");
	vm_set(VMCS_entry_interruption_information, VALID | VECTOR_TEST_HIGH);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "an injected interrupt wakes it");
	check_eq(ACTIVITY_ACTIVE, vm_get(VMCS_guest_activity_state), "active");
}

static void halted_window(void)
{
	if (!case_requires(facts.misc & VMX_MISC_ACTIVITY_HLT, "no activity state HLT"))
		return;
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING, 0);
	open_l2();
	vm_set(VMCS_guest_activity_state, ACTIVITY_HLT);
	check_exit(vm_run(l2_nops), EXIT_REASON_INTERRUPT_WINDOW, "window");
	check_eq(ACTIVITY_HLT, vm_get(VMCS_guest_activity_state), "still halted");
}

static void halted_timer(void)
{
	if (!case_requires(facts.misc & VMX_MISC_ACTIVITY_HLT, "no activity state HLT") ||
	    !use_timer(100, true))
		return;
	vm_set(VMCS_guest_activity_state, ACTIVITY_HLT);
	check_exit(vm_run(l2_nops), EXIT_REASON_PREEMPTION_TIMER, "timer wakes it");
	check_eq(ACTIVITY_HLT, vm_get(VMCS_guest_activity_state), "saved as halted");
}

/* In the shutdown state only NMI, SMI, INIT and #MC come through. */
static void shutdown_nmi(void)
{
	if (!case_requires(facts.misc & VMX_MISC_ACTIVITY_SHUTDOWN, "no activity state shutdown"))
		return;
	vm_set(VMCS_guest_activity_state, ACTIVITY_SHUTDOWN);
	vm_set(VMCS_entry_interruption_information, VALID | INTR_TYPE_NMI << 8 | VECTOR_NMI);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "an injected NMI wakes it");
	check_eq(ACTIVITY_ACTIVE, vm_get(VMCS_guest_activity_state), "active");
	nmi_unblock();
}

static const struct lhv_case cases[] = {
	{ .name = "external/no-acknowledge", .needs = NEEDS_VMX, .run = external_no_acknowledge },
	{ .name = "external/acknowledge", .needs = NEEDS_VMX, .run = external_acknowledge },
	{ .name = "external/if-clear", .needs = NEEDS_VMX, .run = external_if_clear },
	{ .name = "external/passed", .needs = NEEDS_VMX, .run = external_passed },
	{ .name = "external/timer", .needs = NEEDS_VMX, .run = timer_interrupt },
	{ .name = "window/interrupt", .needs = NEEDS_VMX, .run = interrupt_window },
	{ .name = "window/blocked", .needs = NEEDS_VMX, .run = interrupt_window_blocked },
	{ .name = "window/injection-first", .needs = NEEDS_VMX, .run = injection_before_window },
	{ .name = "preemption-timer/zero", .needs = NEEDS_VMX, .run = timer_zero },
	{ .name = "preemption-timer/expires", .needs = NEEDS_VMX, .run = timer_expires },
	{ .name = "preemption-timer/saved", .needs = NEEDS_VMX, .run = timer_saved },
	{ .name = "preemption-timer/after-injection",
	  .needs = NEEDS_VMX,
	  .run = timer_after_injection },
	{ .name = "mtf/each-instruction", .needs = NEEDS_VMX, .run = mtf_each_instruction },
	{ .name = "mtf/hidden-memory", .needs = NEEDS_VMX, .run = mtf_hidden_memory },
	{ .name = "mtf/after-injection", .needs = NEEDS_VMX, .run = mtf_after_injection },
	{ .name = "mtf/injected", .needs = NEEDS_VMX, .run = mtf_injected },
	{ .name = "pending-debug/breakpoint", .needs = NEEDS_VMX, .run = pending_debug },
	{ .name = "pending-debug/single-step", .needs = NEEDS_VMX, .run = pending_single_step },
	{ .name = "activity/halted-then-interrupt",
	  .needs = NEEDS_VMX,
	  .run = halted_then_interrupt },
	{ .name = "activity/enter-halted", .needs = NEEDS_VMX, .run = enter_halted },
	{ .name = "activity/halted-window", .needs = NEEDS_VMX, .run = halted_window },
	{ .name = "activity/halted-timer", .needs = NEEDS_VMX, .run = halted_timer },
	{ .name = "activity/shutdown-nmi", .needs = NEEDS_VMX, .run = shutdown_nmi },
};
LHV_TOPIC("events", cases);
