/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handling L1's VM exits.  One function per exit reason that L1 can cause under VMCS01;
 * the dispatch table is in vmexit.c.  VMCS01 is current throughout.
 */
#pragma once

#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"

typedef void vmexit_handler(struct vcpu *vcpu);

vmexit_handler vmexit_cpuid, vmexit_rdmsr, vmexit_wrmsr, vmexit_cr_access, vmexit_xsetbv,
	vmexit_invd, vmexit_vmcall, vmexit_ept_violation, vmexit_ept_misconfiguration, vmexit_mtf,
	vmexit_init, vmexit_sipi, vmexit_triple_fault, vmexit_invalid_opcode;

/** Ends the instruction that exited: moves RIP on, as the processor would at its end. */
void vmexit_skip_instruction(void);

/** Injects the exception @vector without an error code. */
void vmexit_inject_exception(enum exception_vector vector);

/** Injects #GP(0). */
void vmexit_inject_gp(void);

/** Delivers again the event whose delivery the exit interrupted, if any. */
void vmexit_reinject_interrupted_event(void);
