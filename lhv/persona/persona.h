/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Personas: the shape of a real L1 hypervisor, as seen in its VMCSs: control words,
 * order of instructions, odd habits, what it refuses to start without, and rounds of
 * work with exits of the kinds it sees.
 */
#pragma once

#include "lhv/vm/vm.h"

struct persona {
	const char *name;
	u32 pin, primary, secondary, exit, entry; /* as seen; adjusted to what is allowed */
	u32 exception_bitmap;
	/** NULL, or why the real one would not start here. */
	const char *(*refuses)(void);
	/** What it does once; VMX operation and a VMCS in the golden state are there. */
	void (*prepare)(const struct persona *p);
	void (*round)(u32 round);
};

extern const struct persona persona_kvm, persona_virtualbox, persona_vmware, persona_hyperv,
	persona_xen;

/* Controls that KVM and VirtualBox both want. */
#define PERSONA_PIN (PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING)
#define PERSONA_PROC1                                                                            \
	(PROC1_HLT_EXITING | PROC1_MWAIT_EXITING | PROC1_MONITOR_EXITING | PROC1_RDPMC_EXITING | \
	 PROC1_INVLPG_EXITING | PROC1_CR3_LOAD_EXITING | PROC1_CR3_STORE_EXITING |               \
	 PROC1_MOV_DR_EXITING | PROC1_USE_TSC_OFFSETTING | PROC1_UNCONDITIONAL_IO_EXITING)

/** Runs the persona that `persona=` names and stops the machine. */
_Noreturn void persona_run(void);
