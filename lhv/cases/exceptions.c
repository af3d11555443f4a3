/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Exceptions" as causes of VM exits: the exception bitmap, page-fault masks, the
 * information recorded, triple faults.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define CODE_MAX 8

struct exception_row {
	const char *name;
	unsigned int vector;
	u32 information; /* without the valid bit */
	u32 error_code;
	u8 length; /* of a software exception, which alone records it; else 0 */
	bool only_32, only_64;
	u8 code[CODE_MAX];
	void (*setup)(void);
};

static void task_switched(void)
{
	vm_set(VMCS_guest_cr0, vm_get(VMCS_guest_cr0) | CR0_TS);
}

static void single_step(void)
{
	vm_set(VMCS_guest_rflags, vm_get(VMCS_guest_rflags) | RFLAGS_TF);
}

static void absent_segment(void)
{
	gdt_write(SELECTOR_LDT, DESCRIPTOR_DATA & ~(1ULL << 47));
	vm_self()->regs.rbx = SELECTOR_LDT;
}

static void beyond_gdt(void)
{
	vm_self()->regs.rbx = 0xfff8;
}

static void noncanonical(void)
{
	vm_self()->regs.rbx = (uptr)0x800000000000ULL;
}

static void noncanonical_stack(void)
{
	vm_set(VMCS_guest_rsp, 0x800000000100ULL);
}

// clang-format off
static const struct exception_row rows[] = {
	{ "de", VECTOR_DE, 0x300, 0, 0, false, false, { 0x31, 0xc9, 0xf7, 0xf1 }, NULL }, /* xor ecx,ecx; div ecx */
	{ "db-icebp", VECTOR_DB, 0x501, 0, 1, false, false, { 0xf1 }, NULL },
	{ "db-single-step", VECTOR_DB, 0x301, 0, 0, false, false, { 0x90, 0x90 }, single_step },
	{ "bp", VECTOR_BP, 0x603, 0, 1, false, false, { 0xcc }, NULL },
	{ "of", VECTOR_OF, 0x604, 0, 1, true, false, { 0xb0, 0x7f, 0x04, 0x01, 0xce }, NULL }, /* mov al,7f; add al,1; into */
	{ "ud", VECTOR_UD, 0x306, 0, 0, false, false, { 0x0f, 0x0b }, NULL },
	{ "nm", VECTOR_NM, 0x307, 0, 0, false, false, { 0xd9, 0xd0 }, task_switched },
	{ "np", VECTOR_NP, 0xb0b, SELECTOR_LDT, 0, false, false, { 0x8e, 0xdb }, absent_segment },
	{ "gp-selector", VECTOR_GP, 0xb0d, 0xfff8, 0, false, false, { 0x8e, 0xdb }, beyond_gdt },
	{ "gp-noncanonical", VECTOR_GP, 0xb0d, 0, 0, false, true, { 0x8b, 0x03 }, noncanonical },
	{ "ss-noncanonical", VECTOR_SS, 0xb0c, 0, 0, false, true, { 0x50 }, noncanonical_stack },
};
// clang-format on

static const char *row_name(unsigned int row)
{
	return rows[row].name;
}

static const u8 *assemble(const struct exception_row *r)
{
	static u8 *page;

	if (!page)
		page = page_alloc(1);
	memset(page, 0x90, 32);
	memcpy(page, r->code, CODE_MAX);
	for (unsigned int i = 0; i < CODE_MAX; i++)
		if (!r->code[i] && i > 1)
			page[i] = 0x90;
	memcpy(page + 16, l2_vmcall, 3);
	return page;
}

static void prepare_row(const struct exception_row *r)
{
	vm_reset(L2_NATIVE);
	if (r->setup)
		r->setup();
}

/* Its bit in the exception bitmap is 1: it exits, and is not delivered. */
static void exits(unsigned int row)
{
	const struct exception_row *r = &rows[row];

	if (!case_requires(IS_64BIT ? !r->only_32 : !r->only_64, "the other build only"))
		return;
	prepare_row(r);
	vm_set(VMCS_exception_bitmap, BIT32(r->vector));
	if (!check_exit(vm_run(assemble(r)), EXIT_REASON_EXCEPTION_OR_NMI, "bit set"))
		return;
	check_eq(r->information | INTR_INFO_VALID, vm_get(VMCS_exit_interruption_information),
		 "interruption information");
	if (r->information & INTR_INFO_ERROR_CODE)
		check_eq(r->error_code, vm_get(VMCS_exit_interruption_error_code), "error code");
	if (r->length)
		check_eq(r->length, vm_get(VMCS_exit_instruction_length), "instruction length");
	check_eq(0, vm_get(VMCS_idt_vectoring_information) & INTR_INFO_VALID, "IDT vectoring");
}

/* Its bit is 0: L2's own handler gets it, which executes VMCALL. */
static void delivered(unsigned int row)
{
	const struct exception_row *r = &rows[row];
	uptr *stack;

	if (!case_requires(IS_64BIT ? !r->only_32 : !r->only_64, "the other build only"))
		return;
	if (r->vector == VECTOR_SS)
		return (void)case_requires(false, "its handler has no stack");
	prepare_row(r);
	vm_set(VMCS_exception_bitmap, ~BIT32(r->vector));
	if (!check_exit(vm_run(assemble(r)), EXIT_REASON_VMCALL, "bit clear"))
		return;
	stack = (uptr *)(uptr)vm_get(VMCS_guest_rsp);
	check_eq(r->vector, stack[0], "vector in L2's handler");
	check_eq(r->error_code, stack[1], "error code in L2's handler");
}

/* A page fault exits if (error code AND mask) == match agrees with its bit. */
static void page_fault_masks(void)
{
	static const struct {
		u32 mask, match;
		bool equal;
	} rows_pf[] = {
		{ 0, 0, true },	   { 0, 1, false }, { 2, 0, true },  { 2, 2, false },
		{ 1, 0, true },	   { 1, 1, false }, { 3, 0, true },  { ~0U, 0, true },
		{ ~0U, 2, false }, { 4, 0, true },  { 4, 4, false },
	};

	window_set(5, 0);
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(rows_pf); i++) {
		bool bit = i & 1;
		struct outcome o;

		vm_reset(L2_NATIVE);
		vm_set(VMCS_guest_cr3, read_cr3());
		if (!IS_64BIT && paging_mode() == PAGING_PAE)
			return (void)case_requires(false, "plain or 64-bit paging");
		vm_set(VMCS_exception_bitmap, bit ? ~0U : ~BIT32(VECTOR_PF));
		vm_set(VMCS_page_fault_error_code_mask, rows_pf[i / 2].mask);
		vm_set(VMCS_page_fault_error_code_match, rows_pf[i / 2].match);
		vm_self()->regs.rbx = (uptr)window_page(5) + 0x123;
		o = vm_run(l2_read_bx);
		case_step("mask 0x%x match 0x%x bit %u", rows_pf[i / 2].mask, rows_pf[i / 2].match,
			  bit);
		if (rows_pf[i / 2].equal != bit) {
			check_exit(o, EXIT_REASON_VMCALL, "delivered");
			continue;
		}
		check_exit(o, EXIT_REASON_EXCEPTION_OR_NMI, "exits");
		check_eq(0x80000b0e, vm_get(VMCS_exit_interruption_information), "#PF");
		check_eq((uptr)window_page(5) + 0x123, o.qualification, "address");
	}
}

/* SDM "Triple Fault": an exception in the delivery of #DF. */
static void triple_fault(void)
{
	vm_set(VMCS_exception_bitmap, 0);
	vm_set(VMCS_guest_idtr_limit, 0);
	check_exit(vm_run(l2_ud2), EXIT_REASON_TRIPLE_FAULT, "no IDT");
	check_eq((uptr)l2_ud2, vm_get(VMCS_guest_rip), "RIP");
}

/* #GP while delivering #UD: a double fault, which exits by its own bit. */
static void double_fault(void)
{
	vm_set(VMCS_exception_bitmap, BIT32(VECTOR_DF));
	vm_set(VMCS_guest_idtr_limit, (VECTOR_UD * 2 * sizeof(uptr)) - 1);
	check_exit(vm_run(l2_ud2), EXIT_REASON_EXCEPTION_OR_NMI, "double fault exits");
	check_eq(0x80000b08, vm_get(VMCS_exit_interruption_information), "#DF");
	check_eq(0, vm_get(VMCS_exit_interruption_error_code), "error code 0");
}

/* #GP while delivering #UD, intercepted: IDT vectoring tells of the #UD. */
static void idt_vectoring(void)
{
	vm_set(VMCS_exception_bitmap, BIT32(VECTOR_GP));
	vm_set(VMCS_guest_idtr_limit, (VECTOR_UD * 2 * sizeof(uptr)) - 1);
	check_exit(vm_run(l2_ud2), EXIT_REASON_EXCEPTION_OR_NMI, "#GP exits");
	check_eq(0x80000b0d, vm_get(VMCS_exit_interruption_information), "#GP");
	check_eq(VECTOR_UD * 8 + 3, vm_get(VMCS_exit_interruption_error_code),
		 "error code: external event, IDT, vector 6");
	check_eq(0x80000306, vm_get(VMCS_idt_vectoring_information), "IDT vectoring");
}

/* INT n whose gate is absent: vectoring by a software interrupt, with its length. */
static void idt_vectoring_software(void)
{
	vm_set(VMCS_exception_bitmap, BIT32(VECTOR_GP));
	vm_set(VMCS_guest_idtr_limit, (0x80 * 2 * sizeof(uptr)) - 1);
	check_exit(vm_run(l2_int_0x80), EXIT_REASON_EXCEPTION_OR_NMI, "#GP exits");
	check_eq(0x80 * 8 + 2, vm_get(VMCS_exit_interruption_error_code),
		 "error code: IDT, vector 0x80");
	check_eq(0x80000480, vm_get(VMCS_idt_vectoring_information), "software interrupt 0x80");
	check_eq(2, vm_get(VMCS_exit_instruction_length), "length of INT 0x80");
	check_eq((uptr)l2_int_0x80, vm_get(VMCS_guest_rip), "RIP at INT");
}

static void idt_vectoring_int3(void)
{
	vm_set(VMCS_exception_bitmap, BIT32(VECTOR_GP));
	vm_set(VMCS_guest_idtr_limit, (VECTOR_BP * 2 * sizeof(uptr)) - 1);
	check_exit(vm_run(l2_int3), EXIT_REASON_EXCEPTION_OR_NMI, "#GP exits");
	check_eq(0x80000603, vm_get(VMCS_idt_vectoring_information), "software exception 3");
	check_eq(1, vm_get(VMCS_exit_instruction_length), "length of INT3");
}

/* #UD for instructions that a secondary control would have to enable. */
static void disabled_instructions(void)
{
	static const struct {
		const char *name;
		u32 control;
		u8 code[6];
	} insn[] = {
		{ "rdtscp", PROC2_ENABLE_RDTSCP, { 0x0f, 0x01, 0xf9 } },
		{ "invpcid", PROC2_ENABLE_INVPCID, { 0x66, 0x0f, 0x38, 0x82, 0x03 } },
		{ "xsaves", PROC2_ENABLE_XSAVES_XRSTORS, { 0x0f, 0xc7, 0x2b } },
		{ "xrstors", PROC2_ENABLE_XSAVES_XRSTORS, { 0x0f, 0xc7, 0x1b } },
		{ "vmfunc", PROC2_ENABLE_VM_FUNCTIONS, { 0x0f, 0x01, 0xd4 } },
	};
	static const u8 vmfunc[] = { 0x0f, 0x01, 0xd4 };
	static u8 *page;

	if (!case_requires(facts.word[VMX_WORD_PROC2].may, "no secondary controls"))
		return;
	if (!page)
		page = page_alloc(1);
	for (unsigned int i = 0; i < ARRAY_SIZE(insn); i++) {
		if (!vm_allows(VMX_WORD_PROC2, insn[i].control))
			continue;
		vm_reset(L2_NATIVE);
		vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | CR4_OSXSAVE);
		vm_control(VMX_WORD_PROC2, 0, insn[i].control);
		memcpy(page, insn[i].code, sizeof(insn[i].code));
		vm_self()->regs.rbx = (uptr)page + 1024;
		case_step("%s", insn[i].name);
		check_exit(vm_run(page), EXIT_REASON_EXCEPTION_OR_NMI, "exits");
		check_eq(0x80000306, vm_get(VMCS_exit_interruption_information), "#UD");
	}
	if (!vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_VM_FUNCTIONS))
		return;
	case_step("vmfunc 64");
	vm_reset(L2_NATIVE);
	vm_control(VMX_WORD_PROC2, PROC2_ENABLE_VM_FUNCTIONS, 0);
	vm_self()->regs.rax = 64;
	memcpy(page, vmfunc, sizeof(vmfunc));
	check_exit(vm_run(page), EXIT_REASON_EXCEPTION_OR_NMI, "exits");
	check_eq(0x80000306, vm_get(VMCS_exit_interruption_information), "#UD");
}

static const struct lhv_case cases[] = {
	{ .name = "exits",
	  .needs = NEEDS_VMX,
	  .run_row = exits,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "delivered",
	  .needs = NEEDS_VMX,
	  .run_row = delivered,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "page-fault-masks", .needs = NEEDS_VMX, .run = page_fault_masks },
	{ .name = "triple-fault", .needs = NEEDS_VMX, .run = triple_fault },
	{ .name = "double-fault", .needs = NEEDS_VMX, .run = double_fault },
	{ .name = "idt-vectoring/ud", .needs = NEEDS_VMX, .run = idt_vectoring },
	{ .name = "idt-vectoring/int-n", .needs = NEEDS_VMX, .run = idt_vectoring_software },
	{ .name = "idt-vectoring/int3", .needs = NEEDS_VMX, .run = idt_vectoring_int3 },
	{ .name = "disabled-instructions", .needs = NEEDS_VMX, .run = disabled_instructions },
};
LHV_TOPIC("exceptions", cases);
