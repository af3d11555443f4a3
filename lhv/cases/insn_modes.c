/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where VMX instructions may be executed: privilege, processor mode, VMX operation; the
 * bits of CR0, CR4 and IA32_FEATURE_CONTROL that VMX operation needs.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"

#define BARE_STRIDE 16

extern const u8 bare_instructions[];
_Noreturn void compatibility_call(const void *code);

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

static void in_compatibility_mode(void *argument)
{
	compatibility_call(argument);
}

/* Compatibility mode, CPL 0, in and out of VMX operation: #UD. */
static void compatibility_mode(unsigned int row)
{
	void *code = (void *)(uptr)bare(row);

	check_fault(fault_try(in_compatibility_mode, code), VECTOR_UD, 0, "in VMX operation");
	vmx_off();
	check_fault(fault_try(in_compatibility_mode, code), VECTOR_UD, 0, "outside");
	vmx_on();
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
	{ .name = "user-mode",
	  .needs = NEEDS_VMX,
	  .run_row = user_mode,
	  .row_name = bare_name,
	  .rows = BARE_COUNT },
	{ .name = "compatibility-mode",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run_row = compatibility_mode,
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
