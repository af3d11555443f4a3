/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash: the hypapp trace, and hypercalls with which a test makes L0 panic.  Only tests
 * link it.
 */
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/bug.h"

/* The hypapp trace with its function under another name. */
static enum hypapp_result trace_hypercall(u32 cpu, struct hypapp_hypercall *call);
#define hypapp_hypercall(cpu, call) trace_hypercall(cpu, call)
#include "hypapps/trace/trace.c"
#undef hypapp_hypercall

#define HYPERCALL_CRASH 0x1f0

enum crash {
	CRASH_BUG,	     /* a claim of L0's fails */
	CRASH_PAGE_FAULT,    /* L0 touches an address that it has not mapped */
	CRASH_STACK,	     /* L0's stack grows into its guard page */
	CRASH_WRITE_TO_CODE, /* L0's code is read-only */
	CRASH_UD,	     /* L0 executes an invalid instruction */
};

#define NOT_MAPPED ((volatile u32 *)0xffffa00000000000ULL)

extern u8 image_start[];

/* Deeper by a KiB at each call; the volatile use afterwards keeps it from being a loop. */
static u32 fill_stack(u32 depth)
{
	volatile u8 block[1024];

	block[depth % sizeof(block)] = (u8)depth;
	return depth ? fill_stack(depth - 1) + block[depth % sizeof(block)] : block[0];
}

static void crash(enum crash how)
{
	switch (how) {
	case CRASH_BUG:
		bug_if(how == CRASH_BUG);
		break;
	case CRASH_PAGE_FAULT:
		*NOT_MAPPED = 1;
		break;
	case CRASH_STACK:
		fill_stack(1000);
		break;
	case CRASH_WRITE_TO_CODE:
		*(volatile u8 *)image_start = 0;
		break;
	case CRASH_UD:
		__builtin_trap();
	}
}

enum hypapp_result hypapp_hypercall(u32 cpu, struct hypapp_hypercall *call)
{
	if (call->function != HYPERCALL_CRASH)
		return trace_hypercall(cpu, call);
	crash((enum crash)call->argument1);
	return HYPAPP_PASS;
}
