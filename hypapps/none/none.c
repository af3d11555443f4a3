/* SPDX-License-Identifier: BSD-2-Clause */
/* The default hypapp: does nothing. */
#include "xmhf/hypapp/hypapp.h"

const u32 hypapp_id = 0;
const bool hypapp_observes_exits = false;
const u32 hypapp_cpu_memory = 0;

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
	(void)cpu;
	(void)exit;
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
