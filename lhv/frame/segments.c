/* SPDX-License-Identifier: BSD-2-Clause */
/* GDT, TSS and IDT of every CPU, and a look into the GDT for VMCS set-up. */
#include "lhv/frame/cpu.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/interrupt.h"

#define GATE_INTERRUPT_RING0 0x8e00
#define GATE_INTERRUPT_RING3 0xee00
#define IDT_VECTORS	     256
#define ENTRY_STRIDE	     16
#define DESCRIPTOR_TSS_TYPE  0x89

/* Intel's layouts, as words. */
#ifdef __x86_64__
#define TSS_WORDS     26
#define TSS_RSP0_WORD 1
#define TSS_SS0_WORD  0 /* no such thing: word 0 is reserved */
#define TSS_SS0_VALUE 0
#define TSS_IST1_WORD 9
#else
#define TSS_WORDS     26
#define TSS_RSP0_WORD 1
#define TSS_SS0_WORD  2
#define TSS_SS0_VALUE SELECTOR_DATA
#define TSS_IST1_WORD 25 /* the I/O map base, set below */
#endif
#define TSS_IO_MAP_WORD 25

extern u64 gdt[GDT_BYTES / 8];
extern u8 interrupt_entries[], l2_interrupt_entries[];

struct cpu cpus[MAX_CPUS];
unsigned int cpu_count = 1;

static u32 tss[MAX_CPUS][TSS_WORDS] __attribute__((aligned(128)));
static u8 ring0_stack[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
static u64 idt[IDT_VECTORS * (sizeof(uptr) / 4)] __attribute__((aligned(16)));
static u64 l2_idt[IDT_VECTORS * (sizeof(uptr) / 4)] __attribute__((aligned(16)));

struct cpu *cpu_self(void)
{
	return &cpus[(read_tr() - SELECTOR_TSS) / TSS_STRIDE];
}

static void set_gate(u64 *table, unsigned int vector, uptr handler, u16 type)
{
	u64 low = (handler & 0xffff) | (u64)SELECTOR_CODE << 16 | (u64)type << 32 |
		  (u64)(handler >> 16 & 0xffff) << 48;

	if (!IS_64BIT) {
		table[vector] = low;
		return;
	}
	table[vector * 2] = low;
	table[vector * 2 + 1] = (u64)handler >> 32;
}

static void build_idts(void)
{
	for (unsigned int v = 0; v < IDT_VECTORS; v++) {
		u16 type = v == VECTOR_USER_RETURN ? GATE_INTERRUPT_RING3 : GATE_INTERRUPT_RING0;

		set_gate(idt, v, (uptr)interrupt_entries + v * ENTRY_STRIDE, type);
		set_gate(l2_idt, v, (uptr)l2_interrupt_entries + v * ENTRY_STRIDE,
			 GATE_INTERRUPT_RING3);
	}
}

static void build_tss(unsigned int index)
{
	uptr stack = (uptr)ring0_stack[index] + STACK_SIZE;
	uptr base = (uptr)tss[index];
	unsigned int slot = (SELECTOR_TSS + index * TSS_STRIDE) / 8;

	tss[index][TSS_RSP0_WORD] = (u32)stack;
	tss[index][TSS_SS0_WORD] = TSS_SS0_VALUE;
	tss[index][TSS_IST1_WORD] = (u32)stack - STACK_SIZE / 2;
	tss[index][TSS_IO_MAP_WORD] = (u32)sizeof(tss[0]) << 16;
	gdt[slot] = (sizeof(tss[0]) - 1) | (u64)(base & 0xffffff) << 16 |
		    (u64)DESCRIPTOR_TSS_TYPE << 40 | (u64)(base >> 24 & 0xff) << 56;
	gdt[slot + 1] = (u64)base >> 32;
}

void segments_init(unsigned int index)
{
	struct descriptor_table_pointer p = { GDT_BYTES - 1, (uptr)gdt };

	if (index == 0)
		build_idts();
	cpus[index].index = index;
	build_tss(index);
	lgdt(&p);
	p.limit = L2_IDT_LIMIT;
	p.base = (uptr)idt;
	lidt(&p);
	load_ldt(0);
	ltr((u16)(SELECTOR_TSS + index * TSS_STRIDE));
}

struct segment_view gdt_view(u16 selector)
{
	u64 d = gdt[selector >> 3];
	struct segment_view view;

	view.base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
	view.limit = (u32)((d & 0xffff) | (d >> 32 & 0xf0000));
	view.rights = (u32)(d >> 40 & 0xf0ff);
	if (view.rights & 0x8000)
		view.limit = view.limit << 12 | 0xfff;
	return view;
}

void gdt_write(u16 selector, u64 descriptor)
{
	gdt[selector >> 3] = descriptor;
}

uptr l2_idt_base(void)
{
	return (uptr)l2_idt;
}

uptr tss_base(unsigned int index)
{
	return (uptr)tss[index];
}

u32 tss_limit(void)
{
	return sizeof(tss[0]) - 1;
}
