/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard: takes rights to memory away from L1 and its guests, watches ports, MSRs and CPUID leaves,
 * and counts and logs what comes.  The example of a hypapp with intercepts: docs/hypapps.md.
 *
 * On the command line:
 *   hypapp.range=ADDRESS,SIZE,RIGHTS[,ANSWER]   rights that are left: 1 read, 2 write, 4 execute
 *   hypapp.port=PORT[,ANSWER]   hypapp.msr=INDEX[,ANSWER]
 *   hypapp.lock=1                               no more changes by hypercall
 * What becomes of an access is its ANSWER, enum answer.  The same by hypercalls from CPL 0.
 */
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/bits.h"

#define PAGE   4096U
#define LOGGED 16	   /* accesses; the others are only counted */
#define VALUE  0x67726475U /* what a read gets with ANSWER_HANDLE */

#define HYPERCALL_GUARD_COUNTS 0x100 /* memory, ports, MSRs */
#define HYPERCALL_GUARD_PAGE   0x101 /* ECX: page number; EDX: rights | ANSWER << 8 */
#define HYPERCALL_GUARD_PORT   0x102 /* ECX: port; EDX: 0 no more, 1 watched | ANSWER << 8 */
#define HYPERCALL_GUARD_MSR    0x103 /* ECX: index; EDX: 1 reads, 2 writes | ANSWER << 8 */
#define HYPERCALL_GUARD_CPUID  0x104 /* ECX: leaf; EDX: 0 no more, 1 watched */
#define HYPERCALL_GUARD_LAST   0x105 /* the last access to memory: address, RIP, kind | L2 << 8 */

enum answer {
	ANSWER_PASS,
	ANSWER_HANDLE, /* writes are lost; reads of ports and MSRs give VALUE */
	ANSWER_DENY,   /* #GP */
	ANSWER_FAULT,  /* #PF for memory */
};

const u32 hypapp_id = 4;
const bool hypapp_observes_exits = false;
const u32 hypapp_cpu_memory = 0;

/* Shared by all CPUs; the numbers are only added to. */
static struct {
	u32 memory, ports, msrs, leaves, logged;
	enum answer memory_answer, port_answer, msr_answer;
	struct hypapp_memory last;
	bool locked;
} guard;

static enum hypapp_result result_of(enum answer answer)
{
	return answer == ANSWER_PASS	 ? HYPAPP_PASS
	       : answer == ANSWER_HANDLE ? HYPAPP_HANDLED
					 : HYPAPP_DENY;
}

static void count(u32 *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static bool may_log(void)
{
	return __atomic_fetch_add(&guard.logged, 1, __ATOMIC_RELAXED) < LOGGED;
}

void hypapp_init(u32 cpus)
{
	u64 n[4] = { 0 };

	(void)cpus;
	if (hypapp_option("range", n, 4) >= 3) {
		guard.memory_answer = (enum answer)n[3];
		if (!hypapp_set_rights(n[0], n[1], (u32)n[2]))
			hypapp_log("guard: hypapp.range is impossible");
	}
	n[1] = 0;
	if (hypapp_option("port", n, 2)) {
		guard.port_answer = (enum answer)n[1];
		hypapp_intercept_ports((u16)n[0], (u16)n[0], true);
	}
	n[1] = 0;
	if (hypapp_option("msr", n, 2)) {
		guard.msr_answer = (enum answer)n[1];
		hypapp_intercept_msr((u32)n[0], true, true);
	}
	guard.locked = hypapp_option("lock", n, 1) && n[0];
}

void hypapp_init_cpu(u32 cpu, void *memory)
{
	(void)cpu;
	(void)memory;
}

void hypapp_exit(u32 cpu, const struct hypapp_exit *exit)
{
	(void)cpu;
	(void)exit;
}

enum hypapp_result hypapp_port_access(u32 cpu, struct hypapp_port *access)
{
	(void)cpu;
	count(&guard.ports);
	if (may_log())
		hypapp_log("guard: L%u %s port 0x%x, %u bytes", access->from_l2 ? 2 : 1,
			   access->write ? "writes" : "reads", access->port, access->size);
	if (!access->write)
		access->value = VALUE;
	return result_of(guard.port_answer);
}

enum hypapp_result hypapp_msr_access(u32 cpu, struct hypapp_msr *access)
{
	(void)cpu;
	count(&guard.msrs);
	if (may_log())
		hypapp_log("guard: L%u %s MSR 0x%x", access->from_l2 ? 2 : 1,
			   access->write ? "writes" : "reads", access->index);
	if (!access->write)
		access->value = VALUE;
	return result_of(guard.msr_answer);
}

/* The leaf of a watched CPUID says so in EDX. */
void hypapp_cpuid(u32 cpu, struct hypapp_cpuid *answer)
{
	(void)cpu;
	count(&guard.leaves);
	answer->edx = VALUE;
}

enum hypapp_result hypapp_memory_access(u32 cpu, struct hypapp_memory *access)
{
	(void)cpu;
	count(&guard.memory);
	guard.last = *access;
	if (may_log())
		hypapp_log("guard: L%u, access %u to 0x%llx at rip 0x%llx", access->from_l2 ? 2 : 1,
			   access->access, access->address, access->rip);
	access->page_fault = guard.memory_answer == ANSWER_FAULT;
	return result_of(guard.memory_answer);
}

static bool change(const struct hypapp_hypercall *call)
{
	u32 how = call->argument2 & 0xff;
	enum answer answer = (enum answer)(call->argument2 >> 8);

	switch (call->function) {
	case HYPERCALL_GUARD_PAGE:
		guard.memory_answer = answer;
		return hypapp_set_rights((u64)call->argument1 * PAGE, PAGE, how);
	case HYPERCALL_GUARD_PORT:
		guard.port_answer = answer;
		return hypapp_intercept_ports((u16)call->argument1, (u16)call->argument1, how);
	case HYPERCALL_GUARD_MSR:
		guard.msr_answer = answer;
		return hypapp_intercept_msr(call->argument1, how & 1, how & 2);
	case HYPERCALL_GUARD_CPUID:
		return hypapp_intercept_cpuid(call->argument1, how);
	default:
		return false;
	}
}

enum hypapp_result hypapp_hypercall(u32 cpu, struct hypapp_hypercall *call)
{
	(void)cpu;
	switch (call->function) {
	case HYPERCALL_GUARD_COUNTS:
		call->result[0] = guard.memory;
		call->result[1] = guard.ports;
		call->result[2] = guard.msrs;
		return HYPAPP_HANDLED;
	case HYPERCALL_GUARD_LAST:
		call->result[0] = guard.last.address;
		call->result[1] = guard.last.rip;
		call->result[2] = guard.last.access | (guard.last.from_l2 ? BIT(8) : 0);
		return HYPAPP_HANDLED;
	default:
		if (guard.locked || call->privilege)
			return HYPAPP_PASS;
		return change(call) ? HYPAPP_HANDLED : HYPAPP_PASS;
	}
}

void hypapp_panic(void)
{
	hypapp_log("guard: %u accesses to memory, %u to ports, %u to MSRs", guard.memory,
		   guard.ports, guard.msrs);
}
