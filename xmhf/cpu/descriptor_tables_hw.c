/* SPDX-License-Identifier: BSD-2-Clause */
/* GDT, TSS and IDT of L0. */
#include "xmhf/cpu/descriptor_tables.h"

#include "xmhf/x86/cpu.h"

#define IDT_VECTORS	   32
#define GDT_CODE_64	   0x00af9b000000ffffULL
#define GDT_DATA	   0x00cf93000000ffffULL
#define GDT_TSS_AVAILABLE  0x0000890000000000ULL
#define IDT_INTERRUPT_GATE 0x8e

/** Entry points of exception.S, one for each vector. */
extern const u64 exception_entries[IDT_VECTORS];

struct __attribute__((packed)) idt_gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
};

static struct idt_gate idt[IDT_VECTORS];

static u8 interrupt_stack(unsigned int vector)
{
	if (vector == VECTOR_NMI)
		return IST_NMI;
	return vector == VECTOR_DF || vector == VECTOR_MC ? IST_FATAL : 0;
}

static void build_idt(void)
{
	for (unsigned int i = 0; i < IDT_VECTORS; i++) {
		u64 at = exception_entries[i];

		idt[i] = (struct idt_gate){
			.offset_low = (u16)at,
			.selector = GDT_SELECTOR_CODE,
			.ist = interrupt_stack(i),
			.type = IDT_INTERRUPT_GATE,
			.offset_middle = (u16)(at >> 16),
			.offset_high = (u32)(at >> 32),
		};
	}
}

void descriptor_tables_build(struct cpu *cpu)
{
	u64 tss = (uptr)&cpu->tss, limit = sizeof(cpu->tss) - 1;

	cpu->gdt[GDT_SELECTOR_CODE / 8] = GDT_CODE_64;
	cpu->gdt[GDT_SELECTOR_DATA / 8] = GDT_DATA;
	cpu->gdt[GDT_SELECTOR_TSS / 8] = GDT_TSS_AVAILABLE | limit |
					 field_make(FIELD(39, 16), tss) |
					 field_make(FIELD(63, 56), tss >> 24);
	cpu->gdt[GDT_SELECTOR_TSS / 8 + 1] = tss >> 32;
	for (unsigned int i = 0; i < IST_COUNT; i++)
		cpu->tss.ist[i] = (uptr)(cpu->ist_stacks + (i + 1) * IST_SIZE);
	cpu->tss.io_map_base = sizeof(cpu->tss);
}

struct descriptor_table_pointer descriptor_tables_idt(void)
{
	return (struct descriptor_table_pointer){ sizeof(idt) - 1, (uptr)idt };
}

static void reload_segments(void)
{
	__asm__ volatile("push %0\n\t"
			 "lea 1f(%%rip), %%rax\n\t"
			 "push %%rax\n\t"
			 "lretq\n"
			 "1:\tmov %1, %%ds\n\t"
			 "mov %1, %%es\n\t"
			 "mov %1, %%ss\n\t"
			 "mov %2, %%fs\n\t"
			 "mov %2, %%gs"
			 :
			 : "i"(GDT_SELECTOR_CODE), "r"(GDT_SELECTOR_DATA), "r"(0)
			 : "rax", "memory");
}

void descriptor_tables_load(struct cpu *cpu)
{
	struct descriptor_table_pointer gdt = { sizeof(cpu->gdt) - 1, (uptr)cpu->gdt };
	struct descriptor_table_pointer idt_pointer = descriptor_tables_idt();

	if (!idt[0].type)
		build_idt();
	lgdt(&gdt);
	reload_segments();
	percpu_set(cpu);
	ltr(GDT_SELECTOR_TSS);
	lidt(&idt_pointer);
}
