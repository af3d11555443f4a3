/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions in VMX root operation: fixed up where a fault was expected, else a panic. */
#pragma once

#include "xmhf/lib/types.h"

/** What exception.S pushes. */
struct exception_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error_code;
	u64 rip, cs, rflags, rsp, ss;
};

/** An instruction that may fault, and where to go on if it does. */
struct exception_fixup {
	u64 at;
	u64 go_on;
};

/** Called by exception.S. */
void exception_handle(struct exception_frame *frame);

/** RDMSR; false where the processor raises an exception. */
bool rdmsr_safe(u32 index, u64 *value);

/** WRMSR; false where the processor raises an exception. */
bool wrmsr_safe(u32 index, u64 value);

/** XSETBV; false where the processor raises an exception. */
bool xsetbv_safe(u32 index, u64 value);

/**
 * Reports the cause with a backtrace of the stack from @rsp, and stops the machine.  @rip and @rsp
 * of 0 mean the caller's own.  Linked by a higher layer.
 */
_Noreturn void panic(const char *cause, u64 rip, u64 rsp);
