/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each CPU has of its own.  A CPU finds its structure by its task register, which
 * every VM exit restores; so the pointer holds in root operation whatever L2 did.
 */
#pragma once

#include "lhv/boot/layout.h"
#include "xmhf/x86/insn.h"

/** True in the 64-bit build; a constant, so that dead code goes away. */
#define IS_64BIT (sizeof(uptr) == 8)

/** A fault or interrupt that ended a protected call. */
struct fault {
	bool happened;
	u32 vector;
	u32 error_code;
	u64 address; /* CR2, if a page fault */
	u64 rip;
	u64 rflags;
};

struct cpu {
	unsigned int index;
	u32 apic_id;
	volatile bool online;
	/* faults: frame.h */
	uptr catch_stack;
	struct fault *catch_fault;
	uptr watchdog_stack;
	/* interrupts seen by handlers, by vector */
	volatile u32 interrupt_count[256];
	volatile bool count_only_nmi; /* an NMI is counted and no fault */
	/* work sent by CPU 0 */
	void (*volatile work)(void *);
	void *volatile work_argument;
	volatile u32 work_done;
};

extern struct cpu cpus[MAX_CPUS];
extern unsigned int cpu_count;

/** The CPU that executes this. */
struct cpu *cpu_self(void);

/** A descriptor's base, limit and rights as the VMCS wants them. */
struct segment_view {
	u64 base;
	u32 limit;
	u32 rights;
};

/** What the GDT says of @selector, in the VMCS's form. */
struct segment_view gdt_view(u16 selector);

/** Writes the raw 8-byte descriptor of @selector. */
void gdt_write(u16 selector, u64 descriptor);

/** Loads GDT, IDT and TSS on CPU @index. */
void segments_init(unsigned int index);

/** Address and limit of the IDT whose entries execute VMCALL: for L2. */
uptr l2_idt_base(void);
#define L2_IDT_LIMIT ((u32)(256 * 2 * sizeof(uptr) - 1))

/** The TSS of CPU @index. */
uptr tss_base(unsigned int index);
u32 tss_limit(void);
