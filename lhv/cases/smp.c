/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several CPUs: interprocessor interrupts of every kind, INIT and SIPI in and out of
 * VMX operation.  SDM "Multiple-Processor Initialization", "Other Causes of VM Exits"
 * (INIT signals, start-up IPIs), "Restrictions on VMX Operation".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/programs.h"

#define WAIT_TICKS 3000000
#define SETTLE	   50000
#define NMI_INFO   0x80000202u
#define SIPI_PAGE  0x12u

static u32 cpu1_id(void)
{
	return cpus[1].apic_id;
}

static bool counter_reaches(unsigned int cpu, u32 vector, u32 wanted)
{
	u64 start = rdtsc();

	while (cpus[cpu].interrupt_count[vector] < wanted)
		if (rdtsc() - start > WAIT_TICKS)
			return false;
	return true;
}

static void ipi_case(u32 destination, u32 command, unsigned int cpu, const char *what)
{
	u32 before = cpus[cpu].interrupt_count[VECTOR_CALL];

	case_step("%s", what);
	apic_send(destination, command | ICR_ASSERT | VECTOR_CALL);
	check_true(counter_reaches(cpu, VECTOR_CALL, before + 1), "arrives");
	delay(SETTLE);
	check_eq(before + 1, cpus[cpu].interrupt_count[VECTOR_CALL], "once");
}

/* Fixed interrupts by physical destination and by every shorthand. */
static void fixed(void)
{
	u32 self = cpus[0].interrupt_count[VECTOR_CALL];

	ipi_case(cpu1_id(), ICR_FIXED, 1, "physical");
	ipi_case(0, ICR_FIXED | ICR_OTHERS, 1, "all but self");
	check_eq(self, cpus[0].interrupt_count[VECTOR_CALL], "not self");
	ipi_case(0, ICR_FIXED | ICR_ALL, 1, "all");
	check_true(counter_reaches(0, VECTOR_CALL, self + 1), "self too");
	ipi_case(0, ICR_FIXED | ICR_SELF, 0, "self");
}

/* Logical destinations: flat, then clusters, where each CPU has a bit of its own. */
#define DFR_FLAT    0xffffffffu
#define DFR_CLUSTER 0x0fffffffu

struct logical_row {
	const char *name;
	u32 dfr;
	u32 id[2]; /* of the two CPUs */
};
static const struct logical_row logical_rows[] = {
	{ "flat", DFR_FLAT, { 0x01, 0x02 } },
	{ "one-cluster", DFR_CLUSTER, { 0x21, 0x24 } },
	{ "two-clusters", DFR_CLUSTER, { 0x11, 0x31 } },
};

static const char *logical_name(unsigned int row)
{
	return logical_rows[row].name;
}

static void set_logical_id(void *argument)
{
	const struct logical_row *r = argument;

	apic_write(APIC_DFR, r->dfr);
	apic_write(APIC_LDR, r->id[cpu_self()->index] << 24);
}

static void logical(unsigned int row)
{
	const struct logical_row *r = &logical_rows[row];
	u32 self = cpus[0].interrupt_count[VECTOR_CALL];

	set_logical_id((void *)(uptr)r);
	smp_send_work(1, set_logical_id, (void *)(uptr)r);
	check_true(smp_wait(1, WAIT_TICKS), "CPU 1 answers");
	ipi_case(r->id[1], ICR_FIXED | ICR_LOGICAL, 1, "the other");
	check_eq(self, cpus[0].interrupt_count[VECTOR_CALL], "not self");
	ipi_case(r->id[0], ICR_FIXED | ICR_LOGICAL, 0, "self");
	case_step("both");
	self = cpus[0].interrupt_count[VECTOR_CALL];
	if ((r->id[0] ^ r->id[1]) >> 4)
		return;
	ipi_case(r->id[0] | r->id[1], ICR_FIXED | ICR_LOGICAL, 1, "both");
	check_true(counter_reaches(0, VECTOR_CALL, self + 1), "self too");
}

struct remote_send {
	u32 destination, command;
};

static void send_from_cpu1(void *argument)
{
	struct remote_send *s = argument;

	apic_send(s->destination, s->command);
}

/* INIT and NMI by logical destination reach the CPU named. */
static void logical_nmi(void)
{
	u32 before = cpus[1].interrupt_count[VECTOR_NMI];
	const struct logical_row *r = &logical_rows[0];

	set_logical_id((void *)(uptr)r);
	smp_send_work(1, set_logical_id, (void *)(uptr)r);
	check_true(smp_wait(1, WAIT_TICKS), "CPU 1 answers");
	cpus[1].count_only_nmi = true;
	apic_send(r->id[1], ICR_NMI | ICR_ASSERT | ICR_LOGICAL);
	check_true(counter_reaches(1, VECTOR_NMI, before + 1), "NMI");
	cpus[1].count_only_nmi = false;
	apic_send(r->id[1], ICR_INIT | ICR_ASSERT | ICR_LOGICAL);
	delay(SETTLE);
	smp_send_work(1, send_from_cpu1, NULL);
	check_true(!smp_wait(1, SETTLE), "INIT: CPU 1 waits for a SIPI");
	check_true(smp_restart(1), "and comes up");
}

static void from_cpu1(void)
{
	struct remote_send s = { cpus[0].apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_CALL };
	u32 before = cpus[0].interrupt_count[VECTOR_CALL];

	smp_send_work(1, send_from_cpu1, &s);
	check_true(smp_wait(1, WAIT_TICKS), "CPU 1 answers");
	check_true(counter_reaches(0, VECTOR_CALL, before + 1), "arrives at CPU 0");
}

static void nmi_to_cpu1(void)
{
	u32 before = cpus[1].interrupt_count[VECTOR_NMI];

	cpus[1].count_only_nmi = true;
	for (u32 i = 1; i <= 5; i++) {
		apic_send(cpu1_id(), ICR_NMI | ICR_ASSERT);
		case_step("NMI %u", i);
		check_true(counter_reaches(1, VECTOR_NMI, before + i), "arrives");
	}
	cpus[1].count_only_nmi = false;
}

static void answer(void *argument)
{
	*(u32 *)argument = cpu_self()->index;
}

static void check_alive(const char *what)
{
	u32 index = 0;

	smp_send_work(1, answer, &index);
	check_true(smp_wait(1, WAIT_TICKS), what);
	check_eq(1, index, "its index");
}

/* INIT, SIPI, SIPI, as often as one likes. */
static void restart(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		case_step("time %u", i);
		if (!check_true(smp_restart(1), "comes up"))
			return;
		check_alive("works");
	}
}

/* Many INITs before the SIPI change nothing. */
static void init_flood(void)
{
	for (unsigned int i = 0; i < 20; i++)
		apic_send(cpu1_id(), ICR_INIT | ICR_ASSERT);
	delay(SETTLE);
	check_true(smp_restart(1), "comes up");
	check_alive("works");
}

/* A SIPI to a CPU that runs is ignored. */
static void sipi_to_running(void)
{
	apic_send(cpu1_id(), ICR_SIPI | ICR_ASSERT | SIPI_PAGE);
	delay(SETTLE);
	check_alive("works on");
}

/* CPU 1 in L2; CPU 0 does something to it; CPU 1 tells what came of it. */
struct in_l2 {
	const u8 *program;
	u32 activity, rflags;
	bool virtual_nmis;
	volatile u32 ready;
	struct outcome outcome, second;
	u32 information, activity_after;
};

static void enter_on_cpu1(void *argument)
{
	struct in_l2 *w = argument;

	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	vm_set(VMCS_guest_activity_state, w->activity);
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | w->rflags);
	disable_interrupts();
	w->ready = 1;
	w->outcome = vm_run(w->program);
	w->information = (u32)vm_get(VMCS_exit_interruption_information);
	w->activity_after = (u32)vm_get(VMCS_guest_activity_state);
	nmi_unblock();
	vm_set(VMCS_guest_activity_state, ACTIVITY_ACTIVE);
	w->second = vm_run(l2_vmcall);
	vmclear((uptr)vm_self()->region);
	vmx_off();
	enable_interrupts();
}

static bool start_l2(struct in_l2 *w)
{
	smp_send_work(1, enter_on_cpu1, w);
	if (!check_true(wait_for(&w->ready, WAIT_TICKS), "CPU 1 is ready"))
		return false;
	delay(SETTLE);
	return true;
}

static bool ended(struct in_l2 *w)
{
	if (!check_true(smp_wait(1, WAIT_TICKS), "CPU 1 came out of L2")) {
		smp_restart(1);
		return false;
	}
	check_exit(w->second, EXIT_REASON_VMCALL, "the next entry");
	return true;
}

static void init_in_l2(void)
{
	struct in_l2 w = { .program = l2_spin };

	if (!start_l2(&w))
		return;
	apic_send(cpu1_id(), ICR_INIT | ICR_ASSERT);
	if (!ended(&w))
		return;
	check_exit(w.outcome, EXIT_REASON_INIT_SIGNAL, "exit");
	check_alive("CPU 1 was not reset");
}

/* Wait-for-SIPI: the SIPI exits with its vector; nothing else comes through. */
static void sipi_in_l2(void)
{
	struct in_l2 w = { .program = l2_spin, .activity = ACTIVITY_WAIT_FOR_SIPI };

	if (!case_requires(facts.misc & VMX_MISC_ACTIVITY_SIPI, "no wait-for-SIPI") ||
	    !start_l2(&w))
		return;
	apic_send(cpu1_id(), ICR_NMI | ICR_ASSERT);
	delay(SETTLE);
	check_true(!cpus[1].work_done, "an NMI does not end it");
	apic_send(cpu1_id(), ICR_SIPI | ICR_ASSERT | SIPI_PAGE);
	cpus[1].count_only_nmi = true; /* the NMI was held */
	if (!ended(&w))
		return;
	check_exit(w.outcome, EXIT_REASON_SIPI, "exit");
	check_eq(SIPI_PAGE, w.outcome.qualification, "vector");
	check_eq(ACTIVITY_WAIT_FOR_SIPI, w.activity_after, "activity state");
	cpus[1].count_only_nmi = false;
}

static void nmi_in_l2(void)
{
	struct in_l2 w = { .program = l2_spin };

	if (!start_l2(&w))
		return;
	apic_send(cpu1_id(), ICR_NMI | ICR_ASSERT);
	if (!ended(&w))
		return;
	check_exit(w.outcome, EXIT_REASON_EXCEPTION_OR_NMI, "exit");
	check_eq(NMI_INFO, w.information, "information");
}

static void interrupt_in_l2(void)
{
	struct in_l2 w = { .program = l2_spin, .rflags = (u32)RFLAGS_IF };

	if (!start_l2(&w))
		return;
	apic_send(cpu1_id(), ICR_FIXED | ICR_ASSERT | VECTOR_CALL);
	if (!check_true(smp_wait(1, WAIT_TICKS), "CPU 1 came out of L2"))
		return;
	check_exit(w.outcome, EXIT_REASON_EXTERNAL_INTERRUPT, "exit");
}

/* In VMX root operation INIT is blocked; it is held and ends the next L2 at once. */
struct in_root {
	volatile u32 ready, go, count;
	struct outcome outcome;
};

static void root_on_cpu1(void *argument)
{
	struct in_root *w = argument;

	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	w->ready = 1;
	while (!w->go)
		w->count++;
	w->outcome = vm_run(l2_nops);
	vmclear((uptr)vm_self()->region);
	vmx_off();
}

static void init_in_root(void)
{
	struct in_root w = { 0 };
	u32 count;

	smp_send_work(1, root_on_cpu1, &w);
	check_true(wait_for(&w.ready, WAIT_TICKS), "CPU 1 is in root operation");
	apic_send(cpu1_id(), ICR_INIT | ICR_ASSERT);
	delay(SETTLE);
	count = w.count;
	delay(SETTLE);
	check_true(w.count != count, "CPU 1 runs on");
	w.go = 1;
	if (!check_true(smp_wait(1, WAIT_TICKS), "CPU 1 answers"))
		return (void)smp_restart(1);
	check_exit(w.outcome, EXIT_REASON_INIT_SIGNAL, "held INIT exits at the entry");
	check_alive("CPU 1 was not reset");
}

static const struct lhv_case cases[] = {
	{ .name = "ipi/fixed", .needs = NEEDS_CPUS, .run = fixed },
	{ .name = "ipi/logical",
	  .needs = NEEDS_CPUS,
	  .run_row = logical,
	  .row_name = logical_name,
	  .rows = ARRAY_SIZE(logical_rows) },
	{ .name = "ipi/logical/nmi-init", .needs = NEEDS_CPUS, .run = logical_nmi },
	{ .name = "ipi/from-cpu1", .needs = NEEDS_CPUS, .run = from_cpu1 },
	{ .name = "ipi/nmi", .needs = NEEDS_CPUS, .run = nmi_to_cpu1 },
	{ .name = "init-sipi/repeated", .needs = NEEDS_CPUS, .run = restart },
	{ .name = "init-sipi/flood", .needs = NEEDS_CPUS, .run = init_flood },
	{ .name = "init-sipi/sipi-to-running", .needs = NEEDS_CPUS, .run = sipi_to_running },
	{ .name = "l2/init", .needs = NEEDS_VMX | NEEDS_CPUS, .run = init_in_l2 },
	{ .name = "l2/sipi", .needs = NEEDS_VMX | NEEDS_CPUS, .run = sipi_in_l2 },
	{ .name = "l2/nmi", .needs = NEEDS_VMX | NEEDS_CPUS, .run = nmi_in_l2 },
	{ .name = "l2/interrupt", .needs = NEEDS_VMX | NEEDS_CPUS, .run = interrupt_in_l2 },
	{ .name = "root/init", .needs = NEEDS_VMX | NEEDS_CPUS, .run = init_in_root },
};
LHV_TOPIC("smp", cases);
