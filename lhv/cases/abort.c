/* SPDX-License-Identifier: BSD-2-Clause */
/* SDM "VMX Aborts": the CPU shuts down for good, so this comes last. */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/programs.h"

#define WAIT_TICKS 3000000
#define SETTLE	   50000

/* The indicator is in the VMCS region; the CPU does nothing any more. */
struct abort_row {
	const char *name;
	u32 indicator;
	u32 address, count; /* fields of the MSR list that cannot be done */
};
static const struct abort_row abort_rows[] = {
	{ "load-host-msrs", VMX_ABORT_LOAD_HOST_MSRS, VMCS_exit_msr_load_address,
	  VMCS_exit_msr_load_count },
	{ "save-guest-msrs", VMX_ABORT_SAVE_GUEST_MSRS, VMCS_exit_msr_store_address,
	  VMCS_exit_msr_store_count },
};

static const char *abort_name(unsigned int row)
{
	return abort_rows[row].name;
}

static volatile u32 *volatile aborting_region;

static void abort_on_other(void *argument)
{
	static struct vmx_msr_entry bad __attribute__((aligned(16))) = { 0x8ff, 0, 0 };
	const struct abort_row *r = argument;

	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	vm_set(r->address, (uptr)&bad);
	vm_set(r->count, 1);
	aborting_region = vm_self()->region;
	vm_run(l2_vmcall);
}

/* Each takes the last CPU. */
static void vmx_abort(unsigned int row)
{
	unsigned int victim = cpu_count - 1;
	u64 start = rdtsc();

	aborting_region = NULL;
	smp_send_work(victim, abort_on_other, (void *)(uptr)&abort_rows[row]);
	while ((!aborting_region || !aborting_region[1]) && rdtsc() - start < WAIT_TICKS)
		cpu_relax();
	delay(SETTLE);
	check_eq(abort_rows[row].indicator, aborting_region ? aborting_region[1] : 0, "indicator");
	check_true(!cpus[victim].work_done, "the CPU is shut down");
	cpu_count--;
}

static const struct lhv_case cases[] = {
	{ .name = "abort",
	  .needs = NEEDS_VMX | NEEDS_CPUS,
	  .run_row = vmx_abort,
	  .row_name = abort_name,
	  .rows = ARRAY_SIZE(abort_rows) },
};
LHV_TOPIC_LAST("smp", cases);
