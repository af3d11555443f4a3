/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware task switches.  SDM "Task Switches" of "Other Causes of VM Exits": each attempt
 * of L2 exits; "Task Switching": L1's own are executed.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/asm_hw.h"
#include "lhv/frame/machine.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define SELECTOR_OTHER SELECTOR_LDT /* descriptors that cases may use */
#define SELECTOR_GATE  0x50
#define TSS_AVAILABLE  0x89ULL
#define TSS_BUSY       0x8bULL
#define TASK_GATE      0xe5ULL /* of DPL 3 */

/* Words of a 32-bit TSS. */
enum {
	TSS_CR3 = 7,
	TSS_EIP = 8,
	TSS_EFLAGS = 9,
	TSS_EAX = 10,
	TSS_ESP = 14,
	TSS_ES = 18,
	TSS_CS = 19,
	TSS_GS = 23,
	TSS_WORDS = 26,
};
#define TSS_BYTES (4 * TSS_WORDS)
#define CODE_MAX  10

/* Sources of a task switch, bits 31:30 of the exit qualification. */
enum { SOURCE_CALL, SOURCE_IRET, SOURCE_JMP, SOURCE_IDT };

static u32 other_tss[TSS_WORDS];

static void write_tss_descriptor(u64 type)
{
	u64 base = (uptr)other_tss;

	gdt_write(SELECTOR_OTHER,
		  (TSS_BYTES - 1) | (base & 0xffffff) << 16 | type << 40 | (base >> 24) << 56);
}

static void write_gate(u64 *entry)
{
	*entry = (u64)SELECTOR_OTHER << 16 | TASK_GATE << 40;
}

/* NT = 1: IRET goes back to the task that the present TSS links to. */
static void nested_task(void)
{
	*(u32 *)tss_base(cpu_self()->index) = SELECTOR_OTHER;
	write_tss_descriptor(TSS_BUSY);
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_NT);
}

struct switch_row {
	const char *name;
	u32 source;
	u32 vectoring; /* IDT-vectoring information */
	u8 length;     /* of the instruction; 0: none */
	u8 code[CODE_MAX];
	void (*setup)(void);
};

#define FAR(selector) 0, 0, 0, 0, selector, 0
static const struct switch_row rows[] = {
	{ "call", SOURCE_CALL, 0, 7, { 0x9a, FAR(SELECTOR_OTHER) }, NULL },
	{ "jmp", SOURCE_JMP, 0, 7, { 0xea, FAR(SELECTOR_OTHER) }, NULL },
	{ "call-gate", SOURCE_CALL, 0, 7, { 0x9a, FAR(SELECTOR_GATE) }, NULL },
	{ "jmp-gate", SOURCE_JMP, 0, 7, { 0xea, FAR(SELECTOR_GATE) }, NULL },
	{ "iret", SOURCE_IRET, 0, 1, { 0xcf }, nested_task },
	{ "int-n", SOURCE_IDT, 0x80000480, 2, { 0xcd, 0x80 }, NULL },
	{ "int3", SOURCE_IDT, 0x80000603, 1, { 0xcc }, NULL },
	{ "exception", SOURCE_IDT, 0x80000306, 0, { 0x0f, 0x0b }, NULL },
};

static const char *row_name(unsigned int row)
{
	return rows[row].name;
}

/* An IDT of task gates. */
static void gates(void)
{
	static u64 idt[256];

	for (unsigned int v = 0; v < ARRAY_SIZE(idt); v++)
		write_gate(&idt[v]);
	vm_set(VMCS_guest_idtr_base, (uptr)idt);
	vm_set(VMCS_guest_idtr_limit, sizeof(idt) - 1);
}

static void of_l2(unsigned int row)
{
	const struct switch_row *r = &rows[row];
	u64 gate;
	struct outcome o;

	memcpy((void *)OPERAND, r->code, sizeof(r->code));
	vm_reset(L2_PLAIN);
	write_tss_descriptor(TSS_AVAILABLE);
	write_gate(&gate);
	gdt_write(SELECTOR_GATE, gate);
	vm_set(VMCS_exception_bitmap, 0);
	gates();
	if (r->setup)
		r->setup();
	o = vm_run((void *)OPERAND);
	check_exit(o, EXIT_REASON_TASK_SWITCH, "exits");
	check_eq(r->source << 30 | SELECTOR_OTHER, o.qualification, "source and selector");
	check_eq(OPERAND, vm_get(VMCS_guest_rip), "RIP at the instruction");
	if (r->length)
		check_eq(r->length, vm_get(VMCS_exit_instruction_length), "length");
	check_eq(r->vectoring, vm_get(VMCS_idt_vectoring_information), "IDT vectoring");
	gdt_write(SELECTOR_OTHER, 0);
	gdt_write(SELECTOR_GATE, 0);
}

/* An external interrupt through a task gate: vectoring by it, RIP where L2 was. */
static void injected(void)
{
	struct outcome o;

	vm_reset(L2_PLAIN);
	write_tss_descriptor(TSS_AVAILABLE);
	gates();
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
	vm_set(VMCS_entry_interruption_information, INTR_INFO_VALID | 0x51);
	o = vm_run(l2_vmcall32);
	check_exit(o, EXIT_REASON_TASK_SWITCH, "exits");
	check_eq((u64)SOURCE_IDT << 30 | SELECTOR_OTHER, o.qualification, "source and selector");
	check_eq(INTR_INFO_VALID | 0x51, vm_get(VMCS_idt_vectoring_information), "IDT vectoring");
	check_eq((uptr)l2_vmcall32, vm_get(VMCS_guest_rip), "RIP");
	gdt_write(SELECTOR_OTHER, 0);
}

static void do_task_call(void *argument)
{
	(void)argument;
	task_call(SELECTOR_OTHER);
}

static void prepare_task(void)
{
	memset(other_tss, 0, sizeof(other_tss));
	other_tss[TSS_CR3] = (u32)read_cr3();
	other_tss[TSS_EIP] = (u32)(uptr)task_entry;
	other_tss[TSS_EFLAGS] = (u32)RFLAGS_FIXED_1;
	other_tss[TSS_ESP] = (u32)(uptr)page_alloc(1) + PAGE_SIZE;
	for (unsigned int i = TSS_ES; i <= TSS_GS; i++)
		other_tss[i] = i == TSS_CS ? SELECTOR_CODE : SELECTOR_DATA;
	((u32 *)tss_base(cpu_self()->index))[TSS_CR3] = (u32)read_cr3();
	write_tss_descriptor(TSS_AVAILABLE);
}

/*
 * L1 calls a task, which returns by IRET.  On the hypervisor L1 takes #GP with the
 * selector: docs/decisions/0009-no-task-switches.md.
 */
static void of_l1(void)
{
	uptr cr0 = read_cr0();
	struct fault f;

	prepare_task();
	disable_interrupts();
	f = fault_try(do_task_call, NULL);
	if (machine_is_on_xmhf()) {
		check_fault(f, VECTOR_GP, SELECTOR_OTHER, "there are no task switches");
	} else {
		check_no_fault(f, "CALL and IRET");
		check_eq(TASK_MARK, other_tss[TSS_EAX], "the task ran");
		check_eq(cr0 | CR0_TS, read_cr0(), "CR0.TS");
	}
	write_cr0(cr0);
	gdt_write(SELECTOR_OTHER, 0);
}

static const struct lhv_case cases[] = {
	{ .name = "of-l2",
	  .needs = NEEDS_VMX,
	  .run_row = of_l2,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "of-l2/injected", .needs = NEEDS_VMX, .run = injected },
	{ .name = "of-l1", .needs = NEEDS_32BIT, .run = of_l1 },
};
LHV_TOPIC("task-switch", cases);
