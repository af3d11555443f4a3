/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of VMX instructions: every form of address, every register, operands on
 * absent pages and beyond canonical addresses, and the privilege and mode checks that
 * come first.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/string.h"

#define BARE_STRIDE 16

struct operand_form {
	const char *name;
	uptr (*vmptrst)(uptr address);
	uptr (*vmptrld)(uptr address);
	uptr (*vmread)(uptr address);
};
struct register_form {
	uptr (*read)(uptr encoding, uptr *value);
	uptr (*write)(uptr encoding, uptr *value);
};

extern const struct operand_form operand_forms[], operand_forms_end[];
extern const struct register_form register_forms[], register_forms_end[];
extern const u8 bare_instructions[];

/* Room on both sides: a form uses the stack pointer as its base. */
static u64 buffer[512] __attribute__((aligned(4096)));
#define OPERAND (&buffer[256])

static void point_segments_at_operand(bool on)
{
	static u64 gs, fs;

	if (!IS_64BIT)
		return;
	if (on) {
		gs = rdmsr(MSR_IA32_GS_BASE);
		fs = rdmsr(MSR_IA32_FS_BASE);
	}
	wrmsr(MSR_IA32_GS_BASE, on ? (uptr)OPERAND - 0x100 : gs);
	wrmsr(MSR_IA32_FS_BASE, on ? (uptr)OPERAND - 0x100 : fs);
}

/* Every form of memory operand names the same eight bytes. */
static void memory_operands(void)
{
	uptr region = (uptr)vm_self()->region;

	vm_set(VMCS_guest_rip, 0x13572468);
	point_segments_at_operand(true);
	for (const struct operand_form *f = operand_forms; f < operand_forms_end; f++) {
		case_step("%s", f->name);
		memset(buffer, 0x5a, sizeof(buffer));
		check_bits(0, RFLAGS_CF | RFLAGS_ZF, f->vmptrst((uptr)OPERAND), "VMPTRST");
		check_eq(region, *OPERAND, "what VMPTRST stored");
		check_bits(0, RFLAGS_CF | RFLAGS_ZF, f->vmptrld((uptr)OPERAND), "VMPTRLD");
		*OPERAND = ~0ULL;
		check_bits(0, RFLAGS_CF | RFLAGS_ZF, f->vmread((uptr)OPERAND), "VMREAD");
		check_eq(0x13572468, *(uptr *)OPERAND, "what VMREAD stored");
		check_eq(IS_64BIT ? 0 : 0xffffffff, *OPERAND >> 32, "the upper half");
		check_eq(0x5a5a5a5a5a5a5a5a, OPERAND[1], "the bytes after it");
	}
	point_segments_at_operand(false);
}

static void register_operands(void)
{
	uptr value, in = 0x7654321;

	for (const struct register_form *f = register_forms; f < register_forms_end; f++) {
		case_step("register %u", (unsigned int)(f - register_forms));
		in++;
		check_bits(0, RFLAGS_CF | RFLAGS_ZF, f->write(VMCS_guest_rip, &in), "VMWRITE");
		value = 0;
		check_bits(0, RFLAGS_CF | RFLAGS_ZF, f->read(VMCS_guest_rip, &value) & 0, "VMREAD");
		check_eq(in, value, "value");
	}
	vm_forget(vm_self());
}

/* One access to an operand at a given address; what comes of it is a fault or a result. */
struct access {
	uptr address;
	uptr flags;
};

static void do_vmptrst(void *argument)
{
	struct access *a = argument;

	a->flags = operand_forms[0].vmptrst(a->address);
}

static void do_vmptrld(void *argument)
{
	struct access *a = argument;

	a->flags = operand_forms[0].vmptrld(a->address);
}

static void do_vmread(void *argument)
{
	struct access *a = argument;

	a->flags = operand_forms[0].vmread(a->address);
}

/* The operand lies on an absent page: L1 gets the page fault, with the address. */
static void operand_absent(void)
{
	struct access a = { (uptr)window_page(1) + 8, 0 };
	struct fault f;

	window_set(1, 0);
	f = fault_try(do_vmptrst, &a);
	check_fault(f, VECTOR_PF, PF_ERROR_WRITE, "VMPTRST");
	check_eq(a.address, f.address, "CR2 of VMPTRST");
	f = fault_try(do_vmptrld, &a);
	check_fault(f, VECTOR_PF, 0, "VMPTRLD");
	check_eq(a.address, f.address, "CR2 of VMPTRLD");
	f = fault_try(do_vmread, &a);
	check_fault(f, VECTOR_PF, PF_ERROR_WRITE, "VMREAD");
	check_eq(a.address, f.address, "CR2 of VMREAD");
	check_eq((uptr)vm_self()->region,
		 vm_get(VMCS_vmcs_link_pointer) == ~0ULL ? (uptr)vm_self()->region : 0,
		 "the VMCS is as before");
}

/* The page is there but read-only: stores fault (CR0.WP), loads do not. */
static void operand_read_only(void)
{
	u8 *page = page_alloc(1);
	struct access a = { (uptr)window_page(2), 0 };

	window_set(2, (uptr)page | PTE_P);
	*(u64 *)page = (uptr)vm_self()->region;
	check_fault(fault_try(do_vmptrst, &a), VECTOR_PF, PF_ERROR_PRESENT | PF_ERROR_WRITE,
		    "VMPTRST");
	check_fault(fault_try(do_vmread, &a), VECTOR_PF, PF_ERROR_PRESENT | PF_ERROR_WRITE,
		    "VMREAD");
	check_no_fault(fault_try(do_vmptrld, &a), "VMPTRLD");
	check_bits(0, RFLAGS_CF | RFLAGS_ZF, a.flags, "VMPTRLD succeeds");
}

/* The operand crosses into an absent page: the fault names the second page. */
static void operand_crosses(void)
{
	u8 *page = page_alloc(1);
	struct access a = { (uptr)window_page(4) - 4, 0 };
	struct fault f;

	window_set(3, (uptr)page | PTE_P | PTE_W);
	window_set(4, 0);
	f = fault_try(do_vmptrld, &a);
	check_fault(f, VECTOR_PF, 0, "VMPTRLD");
	check_eq((uptr)window_page(4), f.address, "CR2");
	window_set(4, (uptr)page | PTE_P | PTE_W);
	*(u32 *)(page + 4092) = (u32)(uptr)vm_self()->region;
	*(u32 *)page = 0;
	check_no_fault(fault_try(do_vmptrld, &a), "VMPTRLD over two pages");
	check_bits(0, RFLAGS_CF | RFLAGS_ZF, a.flags, "VMPTRLD over two pages succeeds");
}

static void operand_noncanonical(void)
{
	struct access a = { (uptr)0x800000000000ULL, 0 };

	check_fault(fault_try(do_vmptrst, &a), VECTOR_GP, 0, "VMPTRST");
	check_fault(fault_try(do_vmptrld, &a), VECTOR_GP, 0, "VMPTRLD");
	check_fault(fault_try(do_vmread, &a), VECTOR_GP, 0, "VMREAD");
}

static const char *const bare_names[] = { "vmxon",    "vmxoff", "vmptrld", "vmptrst",
					  "vmclear",  "vmread", "vmwrite", "vmlaunch",
					  "vmresume", "invept", "invvpid", "vmcall" };
enum { BARE_VMXON, BARE_COUNT = 12 };

static const char *bare_name(unsigned int row)
{
	return bare_names[row];
}

static const u8 *bare(unsigned int row)
{
	return bare_instructions + row * BARE_STRIDE;
}

/* CPL > 0 in VMX operation: #GP(0). */
static void user_mode(unsigned int row)
{
	check_fault(user_try(bare(row)), VECTOR_GP, 0, "in user mode");
}

/* Outside VMX operation: #UD, even in user mode; VMXON has its own rules. */
static void outside_operation(unsigned int row)
{
	vmx_off();
	if (row == BARE_VMXON)
		check_fault(user_try(bare(row)), VECTOR_GP, 0, "VMXON in user mode");
	else
		check_fault(user_try(bare(row)), VECTOR_UD, 0, "outside VMX operation");
	vmx_on();
}

static void do_bare(void *argument)
{
	((void (*)(void))(uptr)argument)();
}

static void outside_operation_kernel(void)
{
	vmx_off();
	for (unsigned int row = 1; row < BARE_COUNT; row++) {
		case_step("%s", bare_names[row]);
		check_fault(fault_try(do_bare, (void *)(uptr)bare(row)), VECTOR_UD, 0, "#UD");
	}
	write_cr4(read_cr4() & ~(uptr)CR4_VMXE);
	case_step("CR4.VMXE = 0");
	check_fault(fault_try(do_bare, (void *)(uptr)bare(BARE_VMXON)), VECTOR_UD, 0, "VMXON");
	write_cr4(read_cr4() | (uptr)CR4_VMXE);
	vmx_on();
}

static void vmxon_cr0(void *argument)
{
	*(enum vmx_result *)argument = vmxon((uptr)vmxon_region());
}

/* VMXON with CR0.NE = 0, which VMX operation does not support: #GP(0). */
static void vmxon_ne_clear(void)
{
	enum vmx_result r = VMX_SUCCEED;

	vmx_off();
	write_cr0(read_cr0() & ~(uptr)CR0_NE);
	check_fault(fault_try(vmxon_cr0, &r), VECTOR_GP, 0, "CR0.NE = 0");
	write_cr0(read_cr0() | (uptr)CR0_NE);
	check_true(vmx_on(), "VMXON afterwards");
}

/* Puts CR0 back at once: a processor that takes the value would run without paging. */
static void do_cr0(void *argument)
{
	uptr cr0 = read_cr0();

	write_cr0((uptr)argument);
	write_cr0(cr0);
}

static void do_cr4(void *argument)
{
	write_cr4((uptr)argument);
}

/* In VMX operation CR0 and CR4 keep their fixed bits: #GP(0) otherwise. */
static void fixed_bits_in_operation(void)
{
	uptr cr0 = read_cr0(), cr4 = read_cr4();

	disable_interrupts();
	check_fault(fault_try(do_cr4, (void *)(cr4 & ~(uptr)CR4_VMXE)), VECTOR_GP, 0,
		    "CR4.VMXE = 0");
	check_fault(fault_try(do_cr0, (void *)(cr0 & ~(uptr)CR0_NE)), VECTOR_GP, 0, "CR0.NE = 0");
	check_fault(fault_try(do_cr0, (void *)(cr0 & ~(uptr)CR0_PG)), VECTOR_GP, 0, "CR0.PG = 0");
	check_fault(fault_try(do_cr0, (void *)(cr0 & ~(uptr)(CR0_PG | CR0_PE))), VECTOR_GP, 0,
		    "CR0.PE = 0");
	check_eq(cr0, read_cr0(), "CR0 stays");
	check_eq(cr4, read_cr4(), "CR4 stays");
	write_cr0(cr0 ^ (uptr)CR0_TS);
	check_eq(cr0 ^ (uptr)CR0_TS, read_cr0(), "CR0.TS is free");
	write_cr0(cr0);
	write_cr4(cr4 ^ (uptr)CR4_PGE);
	check_eq(cr4 ^ (uptr)CR4_PGE, read_cr4(), "CR4.PGE is free");
	write_cr4(cr4);
}

static void do_feature_control(void *argument)
{
	wrmsr(MSR_IA32_FEATURE_CONTROL, (uptr)argument);
}

/* IA32_FEATURE_CONTROL reads locked with VMXON enabled, and is not to be written. */
static void feature_control(void)
{
	u64 v = rdmsr(MSR_IA32_FEATURE_CONTROL);

	check_bits(FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON,
		   FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON, v, "value");
	check_fault(fault_try(do_feature_control, (void *)(uptr)v), VECTOR_GP, 0, "WRMSR");
}

static const struct lhv_case cases[] = {
	{ .name = "operand/memory-forms", .needs = NEEDS_VMX, .run = memory_operands },
	{ .name = "operand/registers", .needs = NEEDS_VMX | NEEDS_64BIT, .run = register_operands },
	{ .name = "operand/absent-page", .needs = NEEDS_VMX, .run = operand_absent },
	{ .name = "operand/read-only-page", .needs = NEEDS_VMX, .run = operand_read_only },
	{ .name = "operand/crosses-pages", .needs = NEEDS_VMX, .run = operand_crosses },
	{ .name = "operand/noncanonical",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run = operand_noncanonical },
	{ .name = "user-mode",
	  .needs = NEEDS_VMX,
	  .run_row = user_mode,
	  .row_name = bare_name,
	  .rows = BARE_COUNT },
	{ .name = "outside-operation/user",
	  .needs = NEEDS_VMX,
	  .run_row = outside_operation,
	  .row_name = bare_name,
	  .rows = BARE_COUNT },
	{ .name = "outside-operation/kernel", .needs = NEEDS_VMX, .run = outside_operation_kernel },
	{ .name = "vmxon/cr0-ne-clear", .needs = NEEDS_VMX, .run = vmxon_ne_clear },
	{ .name = "fixed-bits", .needs = NEEDS_VMX, .run = fixed_bits_in_operation },
	{ .name = "feature-control", .needs = NEEDS_VMX, .run = feature_control },
};
LHV_TOPIC("insn", cases);
