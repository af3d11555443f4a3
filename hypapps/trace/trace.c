/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace: remembers the last exits of every CPU in a ring, and counts exits and ticks for
 * each kind and reason.  L1 reads both with hypercalls (docs/hypercalls.md).  Each CPU
 * writes only its own memory; readers on other CPUs may see a row half updated.
 */
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/x86/vmcs.h"

#define RING_SIZE   1024
#define REASONS	    128
#define SLOTS	    (HYPAPP_EXIT_KINDS * REASONS)
#define CPUS	    64
#define PANIC_EXITS 8

#define HYPERCALL_TRACE_INFO	  0x100
#define HYPERCALL_TRACE_HISTOGRAM 0x101
#define HYPERCALL_TRACE_ENTRY	  0x102

struct trace {
	u64 next;
	struct {
		u64 count, ticks;
	} histogram[SLOTS];
	struct {
		u64 rip, qualification;
		u32 slot, ticks;
	} ring[RING_SIZE];
};

const u32 hypapp_id = 1;
const bool hypapp_observes_exits = true;
const u32 hypapp_cpu_memory = sizeof(struct trace);

static struct trace *traces[CPUS];
static u32 cpu_count;

void hypapp_init(u32 cpus)
{
	cpu_count = cpus;
}

void hypapp_init_cpu(u32 cpu, void *memory)
{
	traces[cpu] = memory;
}

void hypapp_exit(u32 cpu, const struct hypapp_exit *exit)
{
	struct trace *t = traces[cpu];
	u32 slot = exit->kind * REASONS + exit->reason % REASONS;
	u32 at = (u32)(t->next++ % RING_SIZE);

	t->histogram[slot].count++;
	t->histogram[slot].ticks += exit->ticks;
	t->ring[at].rip = exit->rip;
	t->ring[at].qualification = exit->qualification;
	t->ring[at].slot = slot;
	t->ring[at].ticks = exit->ticks > ~0U ? ~0U : (u32)exit->ticks;
}

static enum hypapp_result read_histogram(struct hypapp_hypercall *call)
{
	if (call->argument1 >= cpu_count || call->argument2 >= SLOTS)
		return HYPAPP_PASS;
	call->result[0] = traces[call->argument1]->histogram[call->argument2].count;
	call->result[1] = traces[call->argument1]->histogram[call->argument2].ticks;
	return HYPAPP_HANDLED;
}

/* Entry @n of @t, 0 the newest, as an index of the ring; RING_SIZE if there is none. */
static u32 ring_index(const struct trace *t, u32 n)
{
	u64 kept = t->next < RING_SIZE ? t->next : RING_SIZE;

	return n < kept ? (u32)((t->next - 1 - n) % RING_SIZE) : RING_SIZE;
}

static enum hypapp_result read_entry(struct hypapp_hypercall *call)
{
	const struct trace *t;
	u32 at;

	if (call->argument1 >= cpu_count)
		return HYPAPP_PASS;
	t = traces[call->argument1];
	at = ring_index(t, call->argument2);
	if (at == RING_SIZE)
		return HYPAPP_PASS;
	call->result[0] = t->ring[at].rip;
	call->result[1] = t->ring[at].slot | (u64)t->ring[at].ticks << 32;
	call->result[2] = t->ring[at].qualification;
	return HYPAPP_HANDLED;
}

enum hypapp_result hypapp_hypercall(u32 cpu, struct hypapp_hypercall *call)
{
	(void)cpu;
	switch (call->function) {
	case HYPERCALL_TRACE_INFO:
		call->result[0] = cpu_count;
		call->result[1] = SLOTS;
		call->result[2] = RING_SIZE;
		return HYPAPP_HANDLED;
	case HYPERCALL_TRACE_HISTOGRAM:
		return read_histogram(call);
	case HYPERCALL_TRACE_ENTRY:
		return read_entry(call);
	default:
		return HYPAPP_PASS;
	}
}

enum hypapp_result hypapp_port_access(u32 cpu, struct hypapp_port *access)
{
	(void)cpu;
	(void)access;
	return HYPAPP_PASS;
}

enum hypapp_result hypapp_msr_access(u32 cpu, struct hypapp_msr *access)
{
	(void)cpu;
	(void)access;
	return HYPAPP_PASS;
}

void hypapp_cpuid(u32 cpu, struct hypapp_cpuid *answer)
{
	(void)cpu;
	(void)answer;
}

enum hypapp_result hypapp_memory_access(u32 cpu, struct hypapp_memory *access)
{
	(void)cpu;
	(void)access;
	return HYPAPP_PASS;
}

static void print_exit(u32 cpu, u32 at)
{
	static const char *const kinds[HYPAPP_EXIT_KINDS] = { "101", "201", "202" };
	const struct trace *t = traces[cpu];
	u32 slot = t->ring[at].slot;

	hypapp_log("exit of CPU 0x%02x: %s 0x%016llx %s qual=0x%llx ticks=%u", cpu,
		   kinds[slot / REASONS], t->ring[at].rip, exit_reason_name(slot % REASONS),
		   t->ring[at].qualification, t->ring[at].ticks);
}

void hypapp_panic(void)
{
	for (u32 cpu = 0; cpu < cpu_count; cpu++) {
		for (u32 n = PANIC_EXITS; n-- > 0;) {
			u32 at = traces[cpu] ? ring_index(traces[cpu], n) : RING_SIZE;

			if (at < RING_SIZE)
				print_exit(cpu, at);
		}
	}
}
