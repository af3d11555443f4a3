/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs and windows.  Pure.  SDM "Nonmaskable Interrupt (NMI)", "Pin-Based VM-Execution
 * Controls", "Guest Non-Register State", "NMI-Window Exiting", "Resuming Guest Software after
 * Handling an Exception".
 *
 *   NMI exiting  virtual NMIs   an NMI             IRET removes        bit 3 of interruptibility
 *        0            0         through L2's IDT   blocking by NMI     blocking by NMI
 *        1            0         exits              blocking by NMI     blocking by NMI
 *        1            1         exits              virtual blocking    virtual-NMI blocking
 */
#include "nested/event/event.h"

#include "xmhf/x86/cpu.h"

enum nmi_fate event_nmi_fate(u32 pin_controls, u32 interruptibility_state)
{
	/* Blocking by MOV SS may or may not hold NMIs; here it does, as when they are injected. */
	u32 holds = BLOCKING_BY_MOV_SS;

	if (!(pin_controls & PIN_VIRTUAL_NMIS))
		holds |= BLOCKING_BY_NMI;
	if (interruptibility_state & holds)
		return NMI_HELD;
	return pin_controls & PIN_NMI_EXITING ? NMI_EXITS : NMI_DELIVERED;
}

bool event_nmi_window_open(u32 interruptibility_state)
{
	return !(interruptibility_state & (BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS));
}

bool event_interrupt_window_open(u64 rflags, u32 interruptibility_state)
{
	return (rflags & RFLAGS_IF) &&
	       !(interruptibility_state & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
}

/* Bit 12 "NMI unblocking due to IRET" of the word that the exit reason defines it in. */
static bool has_unblocking_bit(const struct event_exit *exit)
{
	u32 info = exit->interruption_information;

	switch (exit->exit_reason & (u32)EXIT_REASON_BASIC) {
	case EXIT_REASON_EXCEPTION_OR_NMI:
		/* Undefined for a double fault. */
		return (info & INTR_INFO_VALID) && (info & INTR_INFO_NMI_UNBLOCKED) &&
		       field_get(info, INTR_INFO_VECTOR) != VECTOR_DF;
	case EXIT_REASON_EPT_VIOLATION:
	case EXIT_REASON_PML_FULL:
	case EXIT_REASON_SPP_EVENT:
		return exit->qualification & EPT_VIOLATION_NMI_UNBLOCKED;
	default:
		return false;
	}
}

bool event_iret_unblocked_nmi(const struct event_exit *exit)
{
	u32 pin = exit->pin_controls;

	/* Undefined during event delivery, and with NMI exiting but no virtual NMIs. */
	if (exit->idt_vectoring_information & INTR_INFO_VALID)
		return false;
	if ((pin & PIN_NMI_EXITING) && !(pin & PIN_VIRTUAL_NMIS))
		return false;
	return has_unblocking_bit(exit);
}

void event_resume_after_exit(const struct event_exit *exit, struct event_resume *out)
{
	u64 type = field_get(exit->idt_vectoring_information, INTR_INFO_TYPE);

	out->inject =
		event_from_idt_vectoring(exit->idt_vectoring_information,
					 exit->idt_vectoring_error_code, exit->instruction_length);
	out->interruptibility_state = exit->interruptibility_state;
	if (event_iret_unblocked_nmi(exit))
		out->interruptibility_state |= BLOCKING_BY_NMI;
	/* The delivery of an NMI had set it; an NMI is injected only where it is clear. */
	if (out->inject.information && type == INTR_TYPE_NMI)
		out->interruptibility_state &= ~BLOCKING_BY_NMI;
}
