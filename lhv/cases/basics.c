/* SPDX-License-Identifier: BSD-2-Clause */
/* The frame itself: every mode of L2 enters and comes back with what it was given. */
#include "lhv/suite/case.h"

static const char *const mode_names[L2_MODE_COUNT] = {
	[L2_LONG] = "long",   [L2_COMPAT] = "compat", [L2_PAE] = "pae", [L2_PLAIN] = "plain",
	[L2_FLAT] = "flat32", [L2_REAL] = "real16",   [L2_V86] = "v86",
};

static const char *mode_name(unsigned int mode)
{
	return mode_names[mode];
}

/* SDM "VM Exits": the general registers are not changed by a VM entry or exit. */
static void round_trip(unsigned int mode)
{
	struct vm *vm = vm_self();

	if (!case_requires(vm_reset((enum l2_mode)mode), "this processor or build lacks the mode"))
		return;
	vm_start_at((enum l2_mode)mode, vm_vmcall_of((enum l2_mode)mode));
	vm->regs.rbx = 0x12345678;
	vm->regs.rdi = 0x9abcdef0;
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "first exit");
	check_eq(3, vm_get(VMCS_exit_instruction_length), "instruction length of VMCALL");
	check_eq(0x12345678, vm->regs.rbx, "RBX");
	check_eq(0x9abcdef0, vm->regs.rdi, "RDI");
	for (unsigned int i = 0; i < 10; i++)
		check_exit(vm_skip(), EXIT_REASON_VMCALL, "resumed");
}

static const struct lhv_case cases[] = {
	{ .name = "round-trip",
	  .needs = NEEDS_VMX,
	  .run_row = round_trip,
	  .row_name = mode_name,
	  .rows = L2_MODE_COUNT },
};
LHV_TOPIC("basics", cases);
