/* SPDX-License-Identifier: BSD-2-Clause */
/* SDM "VMX Aborts": the CPU shuts down for good, so this comes last. */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define WAIT_TICKS 3000000
#define SETTLE	   50000

/* The indicator is in the VMCS region; the CPU does nothing any more. */
struct abort_row {
	const char *name;
	u32 indicator;
	void (*spoil)(void); /* makes the next exit impossible to finish */
};

static struct vmx_msr_entry bad_entry __attribute__((aligned(16))) = { 0x8ff, 0, 0 };

/* The PDPTEs at the host's CR3 have a reserved bit: seen by the exit, not by the entry. */
static void host_pdptes(void)
{
	u64 *pdpt = page_alloc(1);

	memcpy(pdpt, (void *)read_cr3(), 4 * sizeof(u64));
	pdpt[3] |= BIT(1);
	vm_set(VMCS_host_cr3, (uptr)pdpt);
}

static void load_list(void)
{
	vm_set(VMCS_exit_msr_load_address, (uptr)&bad_entry);
	vm_set(VMCS_exit_msr_load_count, 1);
}

static void store_list(void)
{
	vm_set(VMCS_exit_msr_store_address, (uptr)&bad_entry);
	vm_set(VMCS_exit_msr_store_count, 1);
}

static const struct abort_row abort_rows[] = {
	{ "host-pdptes", VMX_ABORT_HOST_PDPTE, host_pdptes },
	{ "load-host-msrs", VMX_ABORT_LOAD_HOST_MSRS, load_list },
	{ "save-guest-msrs", VMX_ABORT_SAVE_GUEST_MSRS, store_list },
};

static const char *abort_name(unsigned int row)
{
	return abort_rows[row].name;
}

static volatile u32 *volatile aborting_region;

static void abort_on_other(void *argument)
{
	const struct abort_row *r = argument;

	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	r->spoil();
	aborting_region = vm_self()->region;
	vm_run(l2_vmcall);
}

/* Each takes the last CPU. */
static void vmx_abort(unsigned int row)
{
	unsigned int victim = cpu_count - 1;
	u64 start = rdtsc();

	if (abort_rows[row].indicator == VMX_ABORT_HOST_PDPTE &&
	    !case_requires(!IS_64BIT && paging_mode() == PAGING_PAE, "no PAE paging"))
		return;
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
