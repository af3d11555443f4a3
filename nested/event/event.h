/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event delivery to L2: re-injection of an event whose delivery an exit interrupted, NMI
 * blocking, and what is left pending after L0 handled an exit itself.  Pure.
 * SDM "Information for VM Exits That Occur During Event Delivery", "Event Injection",
 * "Resuming Guest Software after Handling an Exception".
 */
#pragma once

#include "xmhf/x86/vmx.h"

/** The three VM-entry fields of an injection; information 0 injects nothing. */
struct entry_event {
	u32 information;
	u32 error_code;
	u32 instruction_length;
};

/** An exit from L2, as far as events are concerned. */
struct event_exit {
	u32 exit_reason;
	u32 interruption_information; /* VM-exit interruption information */
	u32 idt_vectoring_information;
	u32 idt_vectoring_error_code;
	u32 instruction_length;
	u32 interruptibility_state;
	u64 qualification;
	u32 pin_controls; /* VMCS02's pin-based controls */
};

/** What VMCS02 needs so that L2 goes on after L0 handled the exit itself, without an event lost. */
struct event_resume {
	struct entry_event inject;
	u32 interruptibility_state;
};

/** The injection that delivers again the event in IDT-vectoring information. */
struct entry_event event_from_idt_vectoring(u32 information, u32 error_code,
					    u32 instruction_length);

/** Claim: events of this interruption type need an instruction length when injected. */
bool event_type_has_length(enum interruption_type type);

/**
 * L0 handled the exit and L2 goes on where it was: the interrupted event is injected again, and
 * NMI blocking is what it was before the exit took it away (an NMI that is injected again must find
 * NMIs unblocked; an IRET that faulted had unblocked them).
 */
void event_resume_after_exit(const struct event_exit *exit, struct event_resume *out);

/** Claim: the exit came from an IRET that had removed NMI blocking, so that it must be set again.
 */
bool event_iret_unblocked_nmi(const struct event_exit *exit);

enum event_combination {
	EVENT_COMBINE_SECOND, /* the second is delivered, the first is tried again later */
	EVENT_COMBINE_DOUBLE_FAULT,
	EVENT_COMBINE_TRIPLE_FAULT,
};

/**
 * What a hardware exception @second, raised while the event @first (interruption information; not
 * valid: none) was being delivered, leads to.  SDM "Interrupt 8-Double Fault Exception (#DF)".
 */
enum event_combination event_combine(u32 first, u8 second);

/** The injection of a hardware exception; @error_code is ignored for vectors without one. */
struct entry_event event_exception(u8 vector, u32 error_code);

/** Claim: the hardware exception pushes an error code (in protected mode). */
bool event_has_error_code(u8 vector);

enum nmi_fate {
	NMI_EXITS,     /* VM exit to L1 */
	NMI_DELIVERED, /* to L2 through its IDT */
	NMI_HELD,      /* stays pending until unblocked */
};

/** What a physical NMI during L2 does under VMCS12's @pin_controls and L2's interruptibility. */
enum nmi_fate event_nmi_fate(u32 pin_controls, u32 interruptibility_state);

/** Claim: "NMI-window exiting" of VMCS12 exits now (before the next instruction of L2). */
bool event_nmi_window_open(u32 interruptibility_state);

/** Claim: "interrupt-window exiting" of VMCS12 exits now. */
bool event_interrupt_window_open(u64 rflags, u32 interruptibility_state);
