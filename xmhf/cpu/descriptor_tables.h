/* SPDX-License-Identifier: BSD-2-Clause */
/* GDT, TSS and IDT of L0.  SDM "Protected-Mode Memory Management", "Interrupt and Exception
 * Handling". */
#pragma once

#include "xmhf/cpu/percpu.h"
#include "xmhf/x86/insn.h"

/** Fills @cpu's GDT and TSS; its ist_stacks are already there.  Pure. */
void descriptor_tables_build(struct cpu *cpu);

/** Loads GDT, segment registers, TR and IDT on the calling CPU; then GS is @cpu again. */
void descriptor_tables_load(struct cpu *cpu);

/** The IDT's base and limit, the same on every CPU. */
struct descriptor_table_pointer descriptor_tables_idt(void);
