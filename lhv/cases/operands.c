/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of VMX instructions: every form of address and every register, and what the
 * operand's segment and pages refuse.  SDM "VMX Instruction Reference", the lists of
 * exceptions; "Limit Checking"; "Determination of Access Rights".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/asm_hw.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/string.h"

enum operation {
	OP_VMPTRST,
	OP_VMREAD,
	OP_VMPTRLD,
	OP_VMCLEAR,
	OP_VMXON,
	OP_VMWRITE,
	OP_INVEPT,
	OP_INVVPID,
	OP_COUNT,
};

static const struct {
	const char *name;
	bool stores;
	u32 size;
} operations[OP_COUNT] = {
	{ "vmptrst", true, 8 },	 { "vmread", true, sizeof(uptr) },
	{ "vmptrld", false, 8 }, { "vmclear", false, 8 },
	{ "vmxon", false, 8 },	 { "vmwrite", false, sizeof(uptr) },
	{ "invept", false, 16 }, { "invvpid", false, 16 },
};

struct operand_form {
	const char *name;
	uptr (*run[OP_COUNT])(uptr address, uptr other);
};
struct register_form {
	const char *name;
	uptr (*read)(uptr encoding, uptr *value);
	uptr (*write)(uptr encoding, uptr *value);
};

extern const struct operand_form operand_forms[], operand_forms_end[];
extern const struct register_form register_forms[], register_forms_end[];

/* The forms that faults are tried with: in DS, in SS, in FS. */
enum { FORM_BASE, FORM_STACK, FORM_FS };

#define VALUE	   0x13572468u
#define FILLER	   0x5a5a5a5a5a5a5a5aULL
#define FAILS	   (RFLAGS_CF | RFLAGS_ZF)
#define PKRU_KEY_1 BIT32(2) /* access disable of key 1; write disable is the next */

/* One instruction on one operand; @flags is RFLAGS after it. */
struct access {
	enum operation op;
	const struct operand_form *form;
	uptr address;
	uptr flags;
};

static const char *operation_name(unsigned int op)
{
	return operations[op].name;
}

static bool usable(enum operation op)
{
	if (op == OP_INVEPT)
		return case_requires((facts.ept_vpid & EPT_CAP_INVEPT_SINGLE) && ept_usable(),
				     "no single-context INVEPT");
	if (op == OP_INVVPID)
		return case_requires(facts.ept_vpid & EPT_CAP_INVVPID_SINGLE,
				     "no single-context INVVPID");
	return true;
}

/* What the register operand has to hold. */
static uptr other_operand(enum operation op)
{
	if (op == OP_INVEPT || op == OP_INVVPID)
		return INVEPT_SINGLE_CONTEXT;
	return VMCS_guest_rip;
}

/* What the operand has to hold for the instruction to succeed. */
static void fill_operand(enum operation op, u8 *memory)
{
	u64 word[2] = { FILLER, FILLER };

	if (op == OP_VMPTRLD || op == OP_VMCLEAR)
		word[0] = (uptr)vm_self()->region;
	if (op == OP_VMXON)
		word[0] = (uptr)vmxon_region();
	if (op == OP_VMWRITE)
		word[0] = VALUE;
	if (op == OP_INVEPT || op == OP_INVVPID)
		word[1] = 0;
	if (op == OP_INVEPT)
		word[0] = ept_identity();
	if (op == OP_INVVPID)
		word[0] = 1;
	memcpy(memory, word, operations[op].size);
}

/* Each instruction is given a state that it changes. */
static void before(enum operation op)
{
	if (op == OP_VMPTRLD || op == OP_VMXON)
		vmclear((uptr)vm_self()->region);
	if (op == OP_VMXON)
		vmx_off();
	if (op == OP_VMREAD)
		vm_set(VMCS_guest_rip, VALUE);
}

static void execute(void *argument)
{
	struct access *a = argument;

	a->flags = a->form->run[a->op](a->address, other_operand(a->op));
	if (a->op == OP_VMXON)
		vmx_note_on(!(a->flags & FAILS));
}

static struct fault attempt(struct access *a)
{
	before(a->op);
	return fault_try(execute, a);
}

/* The present VM as it was, whatever the instruction did. */
static void after(void)
{
	vmx_on();
	vmclear((uptr)vm_self()->region);
	vm_load(vm_self());
	vm_forget(vm_self());
}

static u64 current_pointer(void)
{
	u64 pointer = 0;

	vmptrst(&pointer);
	return pointer;
}

static void check_effect(enum operation op, const u64 *operand)
{
	u64 region = (uptr)vm_self()->region;

	if (op == OP_VMPTRST)
		check_eq(region, operand[0], "the pointer stored");
	if (op == OP_VMREAD)
		check_eq(VALUE, *(const uptr *)operand, "the value stored");
	if (op == OP_VMREAD && !IS_64BIT)
		check_eq(FILLER >> 32, operand[0] >> 32, "the bytes after it");
	if (op == OP_VMPTRLD)
		check_eq(region, current_pointer(), "the current VMCS");
	if (op == OP_VMCLEAR || op == OP_VMXON)
		check_eq(~0ULL, current_pointer(), "there is no current VMCS");
	if (op == OP_VMWRITE)
		check_eq(VALUE, vm_get(VMCS_guest_rip), "the field");
	if (operations[op].size <= 8)
		check_eq(FILLER, operand[1], "the bytes after the operand");
}

/* No fault, VMsucceed. */
static bool check_succeeds(enum operation op, const struct operand_form *form, uptr address,
			   const char *what)
{
	struct access a = { op, form, address, FAILS };

	return check_no_fault(attempt(&a), what) && check_bits(0, FAILS, a.flags, what);
}

static void check_faults(enum operation op, unsigned int form, uptr address, u32 vector, u32 error,
			 const char *what)
{
	struct access a = { op, &operand_forms[form], address, 0 };
	struct fault f = attempt(&a);

	if (check_fault(f, vector, error, what) && vector == VECTOR_PF)
		check_eq(address, f.address, "CR2");
	after();
}

/* FS and GS start at OPERAND_SEGMENT. */
static void point_segments_at_operand(bool on)
{
	u64 base = on ? OPERAND_SEGMENT : 0;

	if (IS_64BIT) {
		wrmsr(MSR_IA32_FS_BASE, base);
		wrmsr(MSR_IA32_GS_BASE, base);
		return;
	}
	gdt_write(SELECTOR_LDT, DESCRIPTOR_DATA | base << 16);
	load_fs(on ? SELECTOR_LDT : SELECTOR_DATA);
	load_gs(on ? SELECTOR_LDT : SELECTOR_DATA);
}

/* Every form of address names the same bytes. */
static void forms(unsigned int op)
{
	u64 *operand = (u64 *)OPERAND;

	if (!usable(op))
		return;
	point_segments_at_operand(true);
	for (const struct operand_form *f = operand_forms; f < operand_forms_end; f++) {
		case_step("%s", f->name);
		memset((void *)LOW_PAGE, (u8)FILLER, PAGE_SIZE);
		fill_operand(op, (u8 *)operand);
		check_succeeds(op, f, OPERAND, "executed");
		check_effect(op, operand);
		after();
	}
	point_segments_at_operand(false);
}

/* Every register as VMREAD's destination, VMWRITE's source and the field's encoding. */
static void registers(void)
{
	uptr in = 0x7654321;

	for (const struct register_form *f = register_forms; f < register_forms_end; f++) {
		uptr value = 0;

		case_step("%s", f->name);
		in++;
		check_bits(0, FAILS, f->write(VMCS_guest_rip, &in), "VMWRITE");
		check_bits(0, FAILS, f->read(VMCS_guest_rip, &value), "VMREAD");
		check_eq(in, value, "value");
	}
	vm_forget(vm_self());
}

static u32 page_fault_code(enum operation op, u32 others)
{
	return others | (operations[op].stores ? PF_ERROR_WRITE : 0);
}

/* An absent page: #PF, of a write if the instruction stores, with the address. */
static void absent_page(unsigned int op)
{
	if (!usable(op))
		return;
	window_set(1, 0);
	check_faults(op, FORM_BASE, (uptr)window_page(1) + 8, VECTOR_PF, page_fault_code(op, 0),
		     "absent");
	check_eq((uptr)vm_self()->region, current_pointer(), "the current VMCS stays");
}

/* A read-only page: with CR0.WP = 1 stores fault; with CR0.WP = 0 nothing does. */
static void read_only_page(unsigned int op)
{
	u64 *page = page_alloc(1);
	uptr address = (uptr)window_page(2), cr0 = read_cr0();

	if (!usable(op))
		return;
	window_set(2, (uptr)page | PTE_P | PTE_A | PTE_D);
	fill_operand(op, (u8 *)page);
	if (operations[op].stores)
		check_faults(op, FORM_BASE, address, VECTOR_PF, PF_ERROR_PRESENT | PF_ERROR_WRITE,
			     "CR0.WP = 1");
	else
		check_succeeds(op, operand_forms, address, "CR0.WP = 1");
	after();
	page[1] = operations[op].size <= 8 ? FILLER : page[1];
	write_cr0(cr0 & ~(uptr)CR0_WP);
	check_succeeds(op, operand_forms, address, "CR0.WP = 0");
	write_cr0(cr0);
	page[0] |= op == OP_VMREAD && !IS_64BIT ? FILLER << 32 : 0;
	check_effect(op, page);
	after();
}

/* Over two pages; then the second is absent, and CR2 names it. */
static void crosses_pages(unsigned int op)
{
	u8 *page = page_alloc(2);
	uptr boundary = (uptr)window_page(4), address = boundary - operations[op].size / 2;
	u8 *operand = page + 4096 - operations[op].size / 2;
	struct access a = { op, operand_forms, address, 0 };
	struct fault f;

	if (!usable(op))
		return;
	memset(page, (u8)FILLER, 2 * PAGE_SIZE);
	fill_operand(op, operand);
	window_set(3, (uptr)page | PTE_P | PTE_W);
	window_set(4, ((uptr)page + PAGE_SIZE) | PTE_P | PTE_W);
	check_succeeds(op, operand_forms, address, "both pages present");
	check_effect(op, (const u64 *)(const void *)operand);
	after();
	window_set(4, 0);
	f = attempt(&a);
	check_fault(f, VECTOR_PF, page_fault_code(op, 0), "the second page absent");
	check_eq(boundary, f.address, "CR2");
	after();
}

/* 64-bit mode, beyond canonical addresses, wholly or in part: #GP(0), #SS(0) in SS. */
static void noncanonical(unsigned int op)
{
	uptr hole = (uptr)0x800000000000ULL;

	if (!usable(op))
		return;
	check_faults(op, FORM_BASE, hole, VECTOR_GP, 0, "beyond");
	check_faults(op, FORM_BASE, hole - operations[op].size / 2, VECTOR_GP, 0, "in part");
	check_faults(op, FORM_STACK, hole, VECTOR_SS, 0, "in SS");
}

/* Supervisor accesses to user pages: CR4.SMAP refuses them unless RFLAGS.AC is 1. */
static void user_page(unsigned int op)
{
	u64 *page = page_alloc(1);
	uptr address = (uptr)window_page(5), cr4 = read_cr4();

	if (!usable(op) || !case_requires(cpuid(7, 0).ebx & CPUID_7_EBX_SMAP, "no SMAP"))
		return;
	disable_interrupts();
	window_set(5, (uptr)page | PTE_P | PTE_W | PTE_U);
	fill_operand(op, (u8 *)page);
	paging_supervisor(true);
	write_cr4(cr4 | (uptr)CR4_SMAP);
	check_faults(op, FORM_BASE, address, VECTOR_PF, page_fault_code(op, PF_ERROR_PRESENT),
		     "AC = 0");
	write_flags(read_flags() | (uptr)RFLAGS_AC);
	check_succeeds(op, operand_forms, address, "AC = 1");
	write_flags(read_flags() & ~(uptr)RFLAGS_AC);
	write_cr4(cr4);
	paging_supervisor(false);
	after();
}

/* Protection keys of user pages hold for supervisor accesses too. */
static void protection_key(unsigned int op)
{
	u64 *page = page_alloc(1);
	uptr address = (uptr)window_page(6), cr4 = read_cr4();
	u32 error = page_fault_code(op, PF_ERROR_PRESENT | PF_ERROR_PKEY);

	if (!usable(op) || !case_requires(cpuid(7, 0).ecx & CPUID_7_ECX_PKU, "no protection keys"))
		return;
	window_set(6, (uptr)page | PTE_P | PTE_W | PTE_U | BIT(59));
	fill_operand(op, (u8 *)page);
	write_cr4(cr4 | (uptr)CR4_PKE);
	write_pkru(PKRU_KEY_1);
	check_faults(op, FORM_BASE, address, VECTOR_PF, error, "access disabled");
	write_pkru(PKRU_KEY_1 << 1);
	if (operations[op].stores)
		check_faults(op, FORM_BASE, address, VECTOR_PF, error, "write disabled");
	else
		check_succeeds(op, operand_forms, address, "write disabled");
	write_pkru(0);
	write_cr4(cr4);
	after();
}

/* The access sets the accessed flag, and the dirty flag if it stores. */
static void accessed_dirty(unsigned int op)
{
	u64 *page = page_alloc(1);

	if (!usable(op))
		return;
	window_set(7, (uptr)page | PTE_P | PTE_W);
	fill_operand(op, (u8 *)page);
	check_succeeds(op, operand_forms, (uptr)window_page(7), "executed");
	check_eq((uptr)page | PTE_P | PTE_W | PTE_A | (operations[op].stores ? PTE_D : 0),
		 window_get(7), "entry");
	after();
}

/* 32-bit segments that start at OPERAND_SEGMENT; the operand's offset in them. */
#define OFFSET		   (OPERAND - OPERAND_SEGMENT)
#define TYPE_READ_ONLY	   1
#define TYPE_WRITABLE	   3
#define TYPE_EXPAND_DOWN   7
#define TYPE_CODE_READABLE 11

static u64 descriptor_of(u32 type, u32 limit)
{
	return limit | (u64)OPERAND_SEGMENT << 16 |
	       (u64)(ACCESS_RIGHTS_P | ACCESS_RIGHTS_S | type) << 40 | (u64)ACCESS_RIGHTS_DB << 40;
}

static void in_segment(enum operation op, u64 descriptor, bool accepted, const char *what)
{
	gdt_write(SELECTOR_LDT, descriptor);
	load_fs(descriptor ? SELECTOR_LDT : 0);
	fill_operand(op, (u8 *)OPERAND);
	if (accepted)
		check_succeeds(op, &operand_forms[FORM_FS], OPERAND, what);
	else
		check_faults(op, FORM_FS, OPERAND, VECTOR_GP, 0, what);
	load_fs(SELECTOR_DATA);
	after();
}

/* Segment limits and types: #GP(0). */
static void segment(unsigned int op)
{
	u32 last = OFFSET + operations[op].size - 1;
	bool loads = !operations[op].stores;

	if (!usable(op))
		return;
	in_segment(op, descriptor_of(TYPE_WRITABLE, last), true, "last byte at the limit");
	in_segment(op, descriptor_of(TYPE_WRITABLE, last - 1), false, "last byte beyond it");
	in_segment(op, descriptor_of(TYPE_WRITABLE, OFFSET - 1), false, "first byte beyond it");
	in_segment(op, descriptor_of(TYPE_EXPAND_DOWN, OFFSET - 1), true, "expand-down, above");
	in_segment(op, descriptor_of(TYPE_EXPAND_DOWN, OFFSET), false, "expand-down, at the limit");
	in_segment(op, descriptor_of(TYPE_READ_ONLY, last), loads, "read-only");
	in_segment(op, descriptor_of(TYPE_CODE_READABLE, last), loads, "readable code");
	in_segment(op, 0, false, "null selector");
}

/* Beyond the limit of the stack segment: #SS(0).  Its limit is below the window. */
static void stack_segment(unsigned int op)
{
	u64 below_window = DESCRIPTOR_DATA & ~(0xfULL << 48 | 0xffff);

	if (!usable(op))
		return;
	disable_interrupts();
	gdt_write(SELECTOR_LDT, below_window | 0xcULL << 48 | 0xffff);
	load_ss(SELECTOR_LDT);
	check_faults(op, FORM_STACK, (uptr)window_page(8), VECTOR_SS, 0, "beyond the limit");
	load_ss(SELECTOR_DATA);
}

// clang-format off
#define EACH(name_, needs_, run_) \
	{ .name = name_, .needs = needs_, .run_row = run_, .row_name = operation_name, .rows = OP_COUNT }
static const struct lhv_case cases[] = {
	EACH("operand/forms", NEEDS_VMX, forms),
	EACH("operand/absent-page", NEEDS_VMX, absent_page),
	EACH("operand/read-only-page", NEEDS_VMX, read_only_page),
	EACH("operand/crosses-pages", NEEDS_VMX, crosses_pages),
	EACH("operand/noncanonical", NEEDS_VMX | NEEDS_64BIT, noncanonical),
	EACH("operand/user-page", NEEDS_VMX, user_page),
	EACH("operand/protection-key", NEEDS_VMX | NEEDS_64BIT, protection_key),
	EACH("operand/accessed-dirty", NEEDS_VMX, accessed_dirty),
	EACH("operand/segment", NEEDS_VMX | NEEDS_32BIT, segment),
	EACH("operand/stack-segment", NEEDS_VMX | NEEDS_32BIT, stack_segment),
	{ .name = "operand/registers", .needs = NEEDS_VMX, .run = registers },
};
// clang-format on
LHV_TOPIC("insn", cases);
