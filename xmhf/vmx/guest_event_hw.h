/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ending an instruction of the guest, and giving it exceptions.  All work on the current
 * VMCS, be it VMCS01 or VMCS02.
 */
#pragma once

#include "xmhf/vmx/vcpu.h"
#include "xmhf/x86/cpu.h"

/** Ends the instruction that exited: moves RIP on, as the processor would at its end. */
void guest_skip_instruction(void);

/** As guest_skip_instruction(), with RFLAGS, @rflags before the instruction, left to the caller. */
void guest_advance_rip(u64 rflags);

/** Claim: the guest runs 64-bit code. */
bool guest_is_in_64bit_code(void);

/** The guest takes a fault at RIP, or exits for it: the RFLAGS that this saves have RF set. */
void guest_set_resume_flag(void);

/** Injects the exception @vector, a fault, which has no error code. */
void guest_inject_exception(enum exception_vector vector);

/** Injects the exception @vector with @error_code; without it where the guest is in real mode. */
void guest_inject_fault(enum exception_vector vector, u32 error_code);

/** Injects #GP(0). */
void guest_inject_gp(void);

/** Delivers again the event whose delivery the exit interrupted, if any. */
void guest_reinject_interrupted_event(void);

/**
 * Ends the single step over hidden memory (vmexit/hidden_memory_hw.c) in the current VMCS, the one
 * that it began in; a step must not outlive L2's stay.
 */
void guest_end_step(struct vcpu *vcpu);
