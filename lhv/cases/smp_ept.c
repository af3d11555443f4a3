/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one CPU does to another CPU's L2: changes of its EPT.  SDM "Invalidating Cached
 * Information".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"

#define WAIT_TICKS 3000000
#define SETTLE	   50000
#define RWX_WB	   (EPT_RWX | field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB))
#define OLD	   0xaaaa
#define NEW	   0xbbbb

static u64 old_page[512] __attribute__((aligned(4096)));
static u64 new_page[512] __attribute__((aligned(4096)));

/* CPU 1 runs an L2 that waits for NEW in the free gibibyte. */
struct waiting {
	struct ept_map *map;
	volatile u32 ready, violations;
	struct outcome outcome;
};

/* After an interrupt L1 invalidates; after a violation it tries again. */
static void wait_on_cpu1(void *argument)
{
	struct waiting *w = argument;

	disable_interrupts();
	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	vm_set(VMCS_eptp, w->map->eptp);
	ept_flush(w->map); /* of what an earlier case left on this CPU */
	vm_set(VMCS_guest_rip, (uptr)l2_await_cx);
	vm_self()->regs.rbx = EPT_FREE_BASE;
	vm_self()->regs.rcx = NEW;
	w->ready = 1;
	do {
		vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
		w->outcome = vm_enter();
		w->violations += w->outcome.reason == EXIT_REASON_EPT_VIOLATION;
		if (w->outcome.reason == EXIT_REASON_EXTERNAL_INTERRUPT) {
			ept_flush(w->map);
			interrupts_through();
		}
	} while (w->outcome.reason == EXIT_REASON_EPT_VIOLATION ||
		 w->outcome.reason == EXIT_REASON_EXTERNAL_INTERRUPT);
	vmclear((uptr)vm_self()->region);
	vmx_off();
	enable_interrupts();
}

static bool start_waiting(struct waiting *w, u64 entry)
{
	old_page[0] = OLD;
	new_page[0] = NEW;
	w->map = ept_map_fresh();
	ept_map_4k(w->map, entry);
	smp_send_work(1, wait_on_cpu1, w);
	if (!check_true(wait_for(&w->ready, WAIT_TICKS), "CPU 1 is ready"))
		return false;
	delay(SETTLE);
	return check_true(!cpus[1].work_done, "L2 waits");
}

static void check_ended(struct waiting *w)
{
	if (!check_true(smp_wait(1, WAIT_TICKS), "L2 saw the new page"))
		return (void)smp_restart(1);
	check_exit(w->outcome, EXIT_REASON_VMCALL, "its exit");
}

/* A mapping replaced by this CPU; INVEPT on the other. */
static void ept_replaced(void)
{
	struct waiting w = { 0 };

	if (!start_waiting(&w, (uptr)old_page | RWX_WB))
		return;
	w.map->pt[0] = (uptr)new_page | RWX_WB;
	apic_send(cpus[1].apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_CALL);
	check_ended(&w);
	check_eq(0, w.violations, "no violations");
}

/* A mapping added by this CPU: no INVEPT is needed. */
static void ept_added(void)
{
	struct waiting w = { 0 };

	if (!start_waiting(&w, 0))
		return;
	check_true(w.violations > 1, "violations meanwhile");
	w.map->pt[0] = (uptr)new_page | RWX_WB;
	check_ended(&w);
}

/* A mapping taken away, and given back: violations between. */
static void ept_removed(void)
{
	struct waiting w = { 0 };

	if (!start_waiting(&w, (uptr)old_page | RWX_WB))
		return;
	check_eq(0, w.violations, "no violations before");
	w.map->pt[0] = 0;
	apic_send(cpus[1].apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_CALL);
	delay(SETTLE);
	check_true(w.violations > 1, "violations");
	w.map->pt[0] = (uptr)new_page | RWX_WB;
	check_ended(&w);
}

static const struct lhv_case cases[] = {
	{ .name = "ept/replaced",
	  .needs = NEEDS_VMX | NEEDS_EPT | NEEDS_CPUS,
	  .run = ept_replaced },
	{ .name = "ept/added", .needs = NEEDS_VMX | NEEDS_EPT | NEEDS_CPUS, .run = ept_added },
	{ .name = "ept/removed", .needs = NEEDS_VMX | NEEDS_EPT | NEEDS_CPUS, .run = ept_removed },
};
LHV_TOPIC("smp", cases);
