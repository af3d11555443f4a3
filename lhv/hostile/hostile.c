/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine: rounds of random operations, epochs, and what is said at the end. */
#include "lhv/hostile/hostile.h"

#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/string.h"

#define SIGNATURE	  0x584d4846u
#define HIDDEN_MEMORY	  1
#define COUNTERS	  2
#define HASH		  4
#define ENTRIES_PER_ROUND 4
#define VIOLATIONS_TOLD	  20

struct hostile *hostile_cpus[MAX_CPUS];
u64 hostile_hidden_base, hostile_hidden_size;

static u64 hash_before;

void hostile_count(struct hostile *h, unsigned int kind, const char *name)
{
	h->operations++;
	h->by_kind[kind]++;
	if (h->trace && !h->off_window)
		trace("o %u %llu %llu %s\n", h->cpu, h->epoch, h->operations, name);
}

void hostile_violation(struct hostile *h, const char *what, u64 a, u64 b)
{
	if (h->violations++ < VIOLATIONS_TOLD)
		report("# CPU %u epoch %llu operation %llu: %s: 0x%llx 0x%llx\n", h->cpu, h->epoch,
		       h->operations, what, a, b);
}

static void caught(void *argument)
{
	struct hostile *h = argument;

	instructions_one(h);
}

static void instruction(struct hostile *h)
{
	if (fault_try(caught, h).happened)
		h->faults++;
}

static void mutate(struct hostile *h)
{
	for (u64 n = random_below(h, 4); n && h->vm; n--) {
		enum vmcs_index i = (enum vmcs_index)random_below(h, VMCS_FIELD_COUNT);

		hostile_count(h, 2, vmcs_fields[i].name);
		field_write(h, i, field_choose(h, i));
	}
}

static enum l2_mode random_mode(struct hostile *h)
{
	enum l2_mode mode = (enum l2_mode)random_below(h, L2_MODE_COUNT);

	return random_once_in(h, 2) && vm_can_run(mode) ? mode : L2_LONG;
}

static void disturb(struct hostile *h)
{
	switch (random_below(h, 8)) {
	case 0:
		disturb_registers(h);
		break;
	case 1:
		disturb_hidden(h);
		break;
	case 2:
	case 3:
		disturb_others(h);
		break;
	default:
		disturb_memory(h);
		break;
	}
}

static void enter_some(struct hostile *h)
{
	for (u64 n = 1 + random_below(h, ENTRIES_PER_ROUND); n && h->vm; n--) {
		u32 reason = guest_enter(h);

		/* what failed once fails again */
		if ((reason & EXIT_REASON_ENTRY_FAILURE) && !random_once_in(h, 4))
			return;
		if (random_once_in(h, 4))
			disturb(h);
		if (random_once_in(h, 4))
			instruction(h);
		if (h->vm && !random_once_in(h, 4))
			guest_prepare(h);
	}
}

static void restore(struct hostile *h)
{
	u64 r = random_below(h, 16);

	if (r < 3)
		fields_restore(h, random_mode(h), RESTORE_ALL);
	else
		fields_restore(h, h->vm->mode, r < 6 ? RESTORE_CONTROLS : RESTORE_MUCH);
}

static void round(void *argument)
{
	struct hostile *h = argument;

	if (!h->on)
		instructions_vmx_on(h);
	if (h->epoch_is_new)
		trace("H %u %llu %llu\n", h->cpu, h->epoch, h->operations);
	h->epoch_is_new = false;
	if ((!h->vm || random_once_in(h, 24)) &&
	    !instructions_load(h, h->vms[random_below(h, HOSTILE_VMS)]))
		return;
	restore(h);
	if (!random_once_in(h, 8))
		guest_prepare(h);
	mutate(h);
	disturb(h);
	if (h->vm)
		enter_some(h);
	for (u64 n = random_below(h, 12); n; n--)
		instruction(h);
	if (random_once_in(h, 2))
		world_undo(h);
	if (h->vm && random_once_in(h, 32))
		guest_canary(h);
	if (random_once_in(h, 128))
		instructions_vmx_off(h);
}

static void begin_epoch(struct hostile *h)
{
	h->random = random_mix(h->seed, h->cpu, h->epoch);
	if (h->on)
		instructions_vmx_off(h);
	world_rebuild(h);
	h->epoch_is_new = true;
}

static void one_epoch(struct hostile *h)
{
	u64 end;

	begin_epoch(h);
	end = h->operations + HOSTILE_EPOCH;
	while (h->operations < end) {
		struct fault f = fault_try(round, h);

		if (f.happened) {
			hostile_violation(h, "a fault of L1's own", f.vector, f.rip);
			h->vm = NULL;
		}
	}
}

void hostile_engine(void *argument)
{
	struct hostile *h = argument;
	struct cpu *cpu = cpu_self();

	disable_interrupts();
	cpu->catch_fault = NULL;
	cpu->count_only_nmi = true;
	for (; h->epoch < h->epochs_end; h->epoch++)
		one_epoch(h);
	if (h->on)
		instructions_vmx_off(h);
	h->done = true;
}

/* --- Beginning and end --- */

static void make_cpu(void *argument)
{
	struct hostile *h = page_alloc(1);
	unsigned int cpu = cpu_self()->index;

	_Static_assert(sizeof(*h) <= PAGE_SIZE, "struct hostile fits a page");
	*h = *(const struct hostile *)argument;
	h->cpu = cpu;
	h->off_window = true;
	world_create(h);
	vmx_off();
	hostile_cpus[cpu] = h;
}

static void ask(void *argument)
{
	struct hypercall c = hypercall_make(SIGNATURE, HIDDEN_MEMORY, 0);

	(void)argument;
	if (c.status)
		return;
	hostile_hidden_base = c.b;
	hostile_hidden_size = c.c;
}

static u64 hash_of_l0(void)
{
	struct hypercall c;

	if (!hostile_hidden_size)
		return 0;
	c = hypercall_make(SIGNATURE, HASH, 0);
	return c.status ? 0 : c.b;
}

static const char *const kind_names[HOSTILE_OPERATIONS] = {
	"VM entries",	  "canaries of L2",	"VMWRITE",	    "VMREAD",
	"VMCS pointers",  "INVEPT and INVVPID", "VMXON and VMXOFF", "VMCALL",
	"from user mode", "CRs, MSRs, CPUID",	"L0's memory",
};

static void say_cpu(const struct hostile *h)
{
	report("HOSTILE cpu %u operations %llu entered %llu failed %llu faults %llu canaries "
	       "%llu\n",
	       h->cpu, h->operations, h->entered, h->failed, h->faults, h->canaries);
	report("HOSTILE cpu %u NMIs sent %llu INITs sent %llu INIT exits %llu restarts %llu "
	       "refused %llu excused "
	       "%llu\n",
	       h->cpu, h->nmis, h->inits_sent, h->inits, h->restarts, h->refused,
	       h->refused_excused);
	for (unsigned int i = 0; i < HOSTILE_OPERATIONS; i++)
		if (h->by_kind[i])
			trace("HOSTILE cpu %u %llu %s\n", h->cpu, h->by_kind[i], kind_names[i]);
	for (unsigned int i = 0; i < HOSTILE_REASONS; i++)
		if (h->reasons[i])
			trace("HOSTILE cpu %u exit reason %u %s: %u\n", h->cpu, i,
			      exit_reason_name(i), h->reasons[i]);
}

static void say_counters(void *argument)
{
	(void)argument;
	for (u32 group = 2; group < 5 && hostile_hidden_size; group++) {
		struct hypercall c = hypercall_make(SIGNATURE, COUNTERS, group);

		report("HOSTILE cpu %u L0 counters %u: %llu %llu %llu\n", cpu_self()->index, group,
		       c.b, c.c, c.d);
	}
}

static bool on_each(void (*function)(void *), void *argument)
{
	function(argument);
	if (cpu_count < 2)
		return true;
	smp_send_work(1, function, argument);
	return smp_wait(1, 1000000000);
}

static _Noreturn void finish(void)
{
	u64 after = hash_of_l0(), operations = 0, violations = hash_before != after;

	for (unsigned int i = 0; i < cpu_count; i++) {
		say_cpu(hostile_cpus[i]);
		operations += hostile_cpus[i]->operations;
		violations += hostile_cpus[i]->violations;
	}
	if (cpu_count > 1)
		smp_restart(1); /* a late INIT may have reset it */
	on_each(say_counters, NULL);
	report("HOSTILE hash of L0 before 0x%llx after 0x%llx\n", hash_before, after);
	report("HOSTILE all operations %llu violations %llu\n", operations, violations);
	machine_stop(!violations, (u32)(operations - violations), (u32)operations);
}

_Noreturn void hostile_run(void)
{
	u64 operations = cmdline_number("ops", 100000);
	struct hostile base = { .seed = cmdline_number("seed", 1),
				.epoch = cmdline_number("from", 0),
				.trace = cmdline_number("trace", 0) };

	if (!IS_64BIT || !facts.vmx || !ept_usable()) {
		report("# hostile needs the 64-bit build, VMX and EPT\n");
		machine_stop(false, 0, 1);
	}
	if (cpu_count > 2)
		cpu_count = 2;
	base.epochs_end = base.epoch + operations / HOSTILE_EPOCH / cpu_count;
	fault_try(ask, NULL);
	disable_interrupts();
	if (!on_each(make_cpu, &base))
		machine_stop(false, 0, 1);
	hash_before = hash_of_l0();
	if (cpu_count > 1)
		smp_send_work(1, hostile_engine, hostile_cpus[1]);
	hostile_engine(hostile_cpus[0]);
	disturb_wait_for_others(hostile_cpus[0]);
	finish();
}
