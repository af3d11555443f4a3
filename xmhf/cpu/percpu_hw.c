/* SPDX-License-Identifier: BSD-2-Clause */
/* The calling CPU's struct cpu, by GS. */
#include "xmhf/cpu/percpu.h"
#include "xmhf/x86/insn.h"
#include "xmhf/x86/msr.h"

void percpu_set(struct cpu *cpu)
{
	cpu->self = cpu;
	wrmsr(MSR_IA32_GS_BASE, (uptr)cpu);
}

struct cpu *this_cpu(void)
{
	return read_gs_self();
}

u32 this_cpu_id(void)
{
	return this_cpu()->id;
}
