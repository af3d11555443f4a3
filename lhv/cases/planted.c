/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hangs on purpose, one of each kind: the watchdog must end and name every one of them, and
 * the cases after it must pass.  They run with `planted=on` only.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/console.h"
#include "lhv/vm/programs.h"

static void halt_for_ever(void)
{
	disable_interrupts();
	for (;;)
		halt();
}

static void spin_for_ever(void)
{
	disable_interrupts();
	for (;;)
		cpu_relax();
}

static void l1_spin_open(void)
{
	for (;;)
		cpu_relax();
}

/* Ended in the middle of a line: whoever prints next must not wait for the rest. */
static void l1_prints(void)
{
	for (;;)
		report("\r");
}

static void l1_outside_vmx(void)
{
	vmx_off();
	spin_for_ever();
}

/* Each entry exits: it is L1 that does not come to an end. */
static void l1_enters_for_ever(void)
{
	disable_interrupts();
	for (;;)
		vm_run(l2_vmcall);
}

static void l2_spin_open(void)
{
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
	vm_run(l2_spin);
}

static void l2_spin_closed(void)
{
	vm_run(l2_spin);
}

static void l2_halted(void)
{
	vm_control(VMX_WORD_PROC1, 0, PROC1_HLT_EXITING);
	vm_run(l2_hlt);
}

static void l2_shutdown(void)
{
	if (!case_requires(facts.misc & VMX_MISC_ACTIVITY_SHUTDOWN, "no shutdown state"))
		return;
	vm_set(VMCS_guest_activity_state, ACTIVITY_SHUTDOWN);
	vm_run(l2_spin);
}

/* The NMI goes to L2's handler. */
static void l2_keeps_events(void)
{
	vm_control(VMX_WORD_PIN, 0,
		   PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	vm_set(VMCS_exception_bitmap, 0);
	vm_run(l2_spin);
	for (;;)
		vm_skip();
}

/* Only an INIT gets through. */
static void l2_blocks_nmis(void)
{
	vm_control(VMX_WORD_PROC1, 0, PROC1_HLT_EXITING);
	vm_set(VMCS_guest_interruptibility_state, BLOCKING_BY_NMI);
	vm_run(l2_hlt);
}

#define PLANTED (NEEDS_VMX | NEEDS_PLANTED)
static const struct lhv_case cases[] = {
	{ .name = "l1-spin-open", .needs = PLANTED, .run = l1_spin_open },
	{ .name = "l1-spin", .needs = PLANTED, .run = spin_for_ever },
	{ .name = "l1-prints", .needs = PLANTED, .run = l1_prints },
	{ .name = "l1-hlt", .needs = PLANTED, .run = halt_for_ever },
	{ .name = "l1-outside-vmx", .needs = PLANTED, .run = l1_outside_vmx },
	{ .name = "l1-enters", .needs = PLANTED, .run = l1_enters_for_ever },
	{ .name = "l2-spin-open", .needs = PLANTED, .run = l2_spin_open },
	{ .name = "l2-spin", .needs = PLANTED, .run = l2_spin_closed },
	{ .name = "l2-hlt", .needs = PLANTED, .run = l2_halted },
	{ .name = "l2-shutdown", .needs = PLANTED, .run = l2_shutdown },
	{ .name = "l2-keeps-events", .needs = PLANTED, .run = l2_keeps_events },
	{ .name = "l2-blocks-nmis", .needs = PLANTED, .run = l2_blocks_nmis },
};
LHV_TOPIC("planted", cases);
