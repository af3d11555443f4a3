/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exitlog: writes a line for every exit, in the form of docs/logs.md, to port 0xE9, which
 * an emulator keeps in a file at the cost of an instruction a character.  For the lab: on a
 * real machine nobody listens there.
 */
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/format.h"
#include "xmhf/x86/spinlock.h"
#include "xmhf/x86/vmcs.h"

#define DEBUG_PORT 0xe9
#define LINE_SIZE  200
#define EVENT_SIZE 24

const u32 hypapp_id = 3;
const bool hypapp_observes_exits = true;
const u32 hypapp_cpu_memory = 0;

/* Keeps the lines of two CPUs apart. */
static struct spinlock port_lock;

void hypapp_init(u32 cpus)
{
	(void)cpus;
}

void hypapp_init_cpu(u32 cpu, void *memory)
{
	(void)cpu;
	(void)memory;
}

void hypapp_exit(u32 cpu, const struct hypapp_exit *exit)
{
	static const char *const kinds[HYPAPP_EXIT_KINDS] = { "101", "201", "202" };
	char line[LINE_SIZE], event[EVENT_SIZE] = "", inject[EVENT_SIZE] = "";

	if (exit->event)
		(void)format_text(event, sizeof(event), " intr=0x%08x", exit->event);
	if (exit->inject)
		(void)format_text(inject, sizeof(inject), " inject=0x%08x", exit->inject);
	(void)format_text(line, sizeof(line),
			  "CPU(0x%02x): %s 0x%016llx %s qual=0x%llx%s%s ticks=%llu tsc=%llu\n", cpu,
			  kinds[exit->kind], exit->rip, exit_reason_name(exit->reason),
			  exit->qualification, event, inject, exit->ticks, rdtsc());
	spin_lock(&port_lock);
	for (const char *c = line; *c; c++)
		outb(DEBUG_PORT, (u8)*c);
	spin_unlock(&port_lock);
}

enum hypapp_result hypapp_hypercall(u32 cpu, struct hypapp_hypercall *call)
{
	(void)cpu;
	(void)call;
	return HYPAPP_PASS;
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

void hypapp_panic(void)
{
}
