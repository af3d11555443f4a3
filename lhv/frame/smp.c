/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting application processors one after the other, and their work loop. */
#include "lhv/frame/smp.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "xmhf/lib/string.h"

#define START_TICKS   3000000
#define BETWEEN_TICKS 20000

extern u8 trampoline_start[], trampoline_end[];
extern u64 boot_stack_pointer, boot_entry;

static u8 ap_stack[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
static volatile u32 starting_index;
static volatile u32 started;

static void work_loop(struct cpu *cpu)
{
	for (u32 pieces = 0;;) {
		if (cpu->work) {
			console_strip(cpu->index, "CPU %u  at work", cpu->index);
			cpu->work(cpu->work_argument);
			cpu->work = NULL;
			console_strip(cpu->index, "CPU %u  waits, did %u pieces of work",
				      cpu->index, ++pieces);
			__atomic_store_n(&cpu->work_done, 1, __ATOMIC_SEQ_CST);
		}
		cpu_relax();
	}
}

static void ap_main(void)
{
	unsigned int index = starting_index;

	segments_init(index);
	paging_join();
	apic_init();
	cpus[index].online = true;
	cpus[index].work = NULL;
	__atomic_store_n(&started, 1, __ATOMIC_SEQ_CST);
	enable_interrupts();
	work_loop(&cpus[index]);
}

static void prepare(unsigned int index)
{
	memcpy((void *)TRAMPOLINE, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	boot_stack_pointer = (uptr)ap_stack[index] + STACK_SIZE;
	boot_entry = (uptr)ap_main;
	starting_index = index;
	started = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool init_sipi_sipi(u32 destination, u32 shorthand)
{
	apic_send(destination, ICR_INIT | ICR_ASSERT | shorthand);
	delay(BETWEEN_TICKS);
	apic_send(destination, ICR_SIPI | ICR_ASSERT | TRAMPOLINE >> 12 | shorthand);
	if (wait_for(&started, BETWEEN_TICKS))
		return true;
	apic_send(destination, ICR_SIPI | ICR_ASSERT | TRAMPOLINE >> 12 | shorthand);
	return wait_for(&started, START_TICKS);
}

void smp_start(unsigned int wanted)
{
	u32 self = apic_id();

	for (u32 id = 0; id < MAX_CPUS && cpu_count < wanted; id++) {
		if (id == self)
			continue;
		prepare(cpu_count);
		if (!init_sipi_sipi(id, 0))
			continue;
		cpu_count++;
	}
}

bool smp_restart(unsigned int index)
{
	prepare(index);
	return init_sipi_sipi(cpus[index].apic_id, 0);
}

void smp_send_work(unsigned int index, void (*function)(void *), void *argument)
{
	struct cpu *cpu = &cpus[index];

	cpu->work_done = 0;
	cpu->work_argument = argument;
	__atomic_store_n(&cpu->work, function, __ATOMIC_SEQ_CST);
}

bool smp_wait(unsigned int index, u64 ticks)
{
	return wait_for(&cpus[index].work_done, ticks);
}
