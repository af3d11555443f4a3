/* SPDX-License-Identifier: BSD-2-Clause */
/* L1's own registers and memory, and what it does to its other CPUs. */
#include "lhv/hostile/hostile.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "xmhf/lib/string.h"

#define KIND_REGISTER 9
#define KIND_HIDDEN   10
#define INIT_EVERY    6
#define DEAD_TICKS    200000
/* L1's pages are user pages; keys and shadow stacks it does not have. */
#define CR4_DEADLY (FIELD(25, 20))

struct write {
	u32 index;
	u64 value;
};

static void do_wrmsr(void *argument)
{
	const struct write *w = argument;

	wrmsr(w->index, w->value);
}

static void do_rdmsr(void *argument)
{
	struct write *w = argument;

	w->value = rdmsr(w->index);
}

/* Writes, and writes back what was there. */
static void try_msr(struct hostile *h, u32 index, u64 value)
{
	struct write old = { index, 0 }, new = { index, value };
	struct fault f = fault_try(do_rdmsr, &old);

	(void)h;
	if (!fault_try(do_wrmsr, &new).happened && !f.happened)
		fault_try(do_wrmsr, &old);
}

static void random_msr(struct hostile *h)
{
	static const u32 indices[] = {
		MSR_IA32_FEATURE_CONTROL,
		MSR_IA32_BIOS_UPDT_TRIG,
		MSR_IA32_SMM_MONITOR_CTL,
		MSR_IA32_SYSENTER_CS,
		MSR_IA32_SYSENTER_EIP,
		MSR_IA32_DEBUGCTL,
		MSR_IA32_MTRR_PHYSBASE0,
		MSR_IA32_MTRR_PHYSMASK0,
		MSR_IA32_MTRR_DEF_TYPE,
		MSR_IA32_MTRR_FIX64K_00000,
		MSR_IA32_MTRR_FIX4K_F8000,
		MSR_IA32_PAT,
		MSR_IA32_VMX_BASIC,
		MSR_IA32_VMX_EXIT_CTLS2,
		MSR_IA32_RTIT_OUTPUT_BASE,
		MSR_IA32_RTIT_CTL,
		MSR_IA32_STAR,
		MSR_IA32_LSTAR,
		MSR_IA32_KERNEL_GS_BASE,
		MSR_IA32_XSS,
		MSR_IA32_SPEC_CTRL,
		MSR_IA32_TSC_AUX,
	};
	u32 index = indices[random_below(h, ARRAY_SIZE(indices))];
	u64 r = random_64(h);

	if (r % 16 == 0)
		index = (r & 32 ? 0xc0002000u : 0x2000u) + (u32)(r >> 40 & 0x3fffff);
	else if (r % 16 == 1)
		index = MSR_IA32_VMX_BASIC + (u32)(r >> 40 & 31);
	try_msr(h, index, random_shape(h));
}

static void do_cr0(void *argument)
{
	write_cr0(*(uptr *)argument);
}

static void do_cr4(void *argument)
{
	write_cr4(*(uptr *)argument);
}

static void do_cr3(void *argument)
{
	write_cr3(*(uptr *)argument);
}

static void do_xsetbv(void *argument)
{
	xsetbv(0, *(u64 *)argument);
}

static void random_control_register(struct hostile *h)
{
	uptr cr0 = read_cr0(), cr4 = read_cr4(), value;

	switch (random_below(h, 4)) {
	case 0:
		value = cr0 ^ BIT(random_below(h, random_once_in(h, 4) ? 64 : 32));
		fault_try(do_cr0, &value);
		write_cr0(cr0);
		break;
	case 1:
		value = cr4 ^ BIT(random_below(h, random_once_in(h, 4) ? 64 : 20));
		if ((value ^ cr4) & (CR4_DEADLY | CR4_VMXE))
			break;
		fault_try(do_cr4, &value);
		write_cr4(cr4);
		break;
	case 2:
		value = read_cr3() | BIT(facts.physical_bits + random_below(h, 12));
		fault_try(do_cr3, &value);
		break;
	default:
		value = random_shape(h) & ~1ULL;
		fault_try(do_xsetbv, &value);
		break;
	}
}

void disturb_registers(struct hostile *h)
{
	u64 r = random_64(h);

	hostile_count(h, KIND_REGISTER, "register");
	if (r & 1)
		random_msr(h);
	else if (r & 2)
		random_control_register(h);
	else
		cpuid((u32)random_shape(h), (u32)(r >> 32 & 7));
}

/* Reads, writes and copies in L0's memory: ones, always. */
void disturb_hidden(struct hostile *h)
{
	volatile u8 *at;
	u64 seen = ~0ULL, copy[4] = { 0 };

	if (!hostile_hidden_size)
		return;
	at = (volatile u8 *)(uptr)(hostile_hidden_base +
				   (random_64(h) % (hostile_hidden_size - PAGE_SIZE)));
	hostile_count(h, KIND_HIDDEN, "hidden memory");
	switch (random_below(h, 5)) {
	case 0:
		seen = *at | ~0xffULL;
		break;
	case 1:
		*(volatile u64 *)(volatile void *)at = random_64(h);
		break;
	case 2:
		memcpy(copy, (const void *)(uptr)at, sizeof(copy));
		seen = copy[0] & copy[1] & copy[2] & copy[3];
		break;
	case 3:
		__atomic_fetch_and((volatile uptr *)((uptr)at & ~(uptr)7), 0, __ATOMIC_SEQ_CST);
		break;
	default:
		*at = 0;
		break;
	}
	h->canaries++;
	seen &= *(volatile u64 *)(volatile void *)at;
	if (seen != ~0ULL)
		hostile_violation(h, "L1 reads L0's memory", (uptr)at, seen);
}

void disturb_memory(struct hostile *h)
{
	switch (random_below(h, 8)) {
	case 0:
		world_bend_bitmap(h, h);
		break;
	case 1:
		world_bend_list(h, h);
		break;
	case 2:
		world_bend_region(h, h);
		break;
	default:
		world_bend_ept(h, h);
		break;
	}
}

/* CPU 1 was reset by an INIT that came, or was held, when it left VMX operation. */
static void revive(struct hostile *h, struct hostile *of, void (*engine)(void *))
{
	(void)h;
	of->restarts++;
	of->epoch++; /* the rest of this one is lost */
	of->on = false;
	if (smp_restart(of->cpu))
		smp_send_work(of->cpu, engine, of);
}

static void watch_for_reset(struct hostile *h, struct hostile *of)
{
	static u64 since, operations;

	if (!of->off_window || of->operations != operations) {
		operations = of->operations;
		since = rdtsc();
		return;
	}
	if (rdtsc() - since > DEAD_TICKS) {
		revive(h, of, hostile_engine);
		since = rdtsc();
	}
}

void disturb_others(struct hostile *h)
{
	struct hostile *of = hostile_cpus[h->cpu ^ 1];

	if (cpu_count < 2 || !of || of->done)
		return;
	switch (random_below(h, 8)) {
	case 0:
		world_bend_bitmap(h, of);
		break;
	case 1:
		world_bend_list(h, of);
		break;
	case 2:
	case 3:
		world_bend_region(h, of);
		break;
	case 4:
		h->nmis++;
		apic_send(cpus[of->cpu].apic_id, ICR_NMI | ICR_ASSERT);
		break;
	default:
		world_bend_ept(h, of);
		break;
	}
	if (h->cpu)
		return;
	if (random_once_in(h, INIT_EVERY)) {
		h->inits_sent++;
		if (h->trace)
			trace("i INIT to CPU %u, off window %u\n", of->cpu, of->off_window);
		apic_send(cpus[of->cpu].apic_id, ICR_INIT | ICR_ASSERT);
	}
	watch_for_reset(h, of);
}

void disturb_wait_for_others(struct hostile *h)
{
	struct hostile *of = cpu_count > 1 ? hostile_cpus[h->cpu ^ 1] : NULL;

	while (of && !of->done) {
		watch_for_reset(h, of);
		cpu_relax();
	}
}
