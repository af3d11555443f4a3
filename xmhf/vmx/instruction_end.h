/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state after an instruction that L0 executed in the guest's place.  Pure.
 * SDM "Instruction Pointer", "Single-Step Exception Condition", "Single-Stepping on Branches".
 */
#pragma once

#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"
#include "xmhf/x86/vmx.h"

/** Claim: @rip plus @length lies in other 4 GiB than @rip, so that RIP depends on the mode. */
static inline bool instruction_end_crosses(u64 rip, u64 length)
{
	u32 next;

	return __builtin_add_overflow((u32)rip, (u32)length, &next);
}

/** RIP after an instruction of @length bytes at @rip: outside 64-bit code it has 32 bits. */
static inline u64 instruction_end_rip(u64 rip, u64 length, bool code_64)
{
	return code_64 ? rip + length : (u32)(rip + length);
}

/**
 * Pending debug exceptions after the instruction, @pending before it: with TF a single step, unless
 * only branches trap, and L0 executes none.
 */
static inline u64 instruction_end_pending_debug(u64 pending, u64 rflags, u64 debugctl)
{
	bool steps = (rflags & RFLAGS_TF) && !(debugctl & DEBUGCTL_BTF);

	return steps ? pending | PENDING_DEBUG_BS : pending;
}
