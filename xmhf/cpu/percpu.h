/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L0 keeps for each CPU.  GS points to the CPU's own struct cpu while L0 runs.
 */
#pragma once

#include "xmhf/lib/types.h"

/** The most CPUs L0 has room for. */
#define MAX_CPUS 64

#define GDT_SELECTOR_CODE 0x08
#define GDT_SELECTOR_DATA 0x10
#define GDT_SELECTOR_TSS  0x18
#define GDT_ENTRIES	  5

/* Interrupt stacks, as the IDT numbers them. */
#define IST_NMI	  1
#define IST_FATAL 2
#define IST_COUNT 2
#define IST_SIZE  4096

/** The 64-bit task-state segment: SDM "64-Bit Task State Segment". */
struct __attribute__((packed)) task_state_segment {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 io_map_base;
};

/** VMX instructions that L0 executed, counted where CONFIG_COUNT_VMX_INSTRUCTIONS is 1. */
struct vmx_counters {
	u64 exits, vmread, vmwrite, vmptrld, vmclear;
};

struct cpu {
	struct cpu *self; /* first: read_gs_self() */
	u32 id;		  /* 0 is the boot CPU */
	u32 apic_id;
	u64 nmi_count; /* NMIs that arrived while L0 ran, handed on to L1; written by exception.S */
	struct vmx_counters counters;
	u64 gdt[GDT_ENTRIES];
	struct task_state_segment tss;
	u8 *ist_stacks; /* IST_COUNT stacks of IST_SIZE bytes */
};

/** Makes @cpu the one this_cpu() returns on the calling CPU. */
void percpu_set(struct cpu *cpu);

/** The calling CPU's structure. */
struct cpu *this_cpu(void);

/** The calling CPU's number; 0 on the boot CPU. */
u32 this_cpu_id(void);
