/* SPDX-License-Identifier: BSD-2-Clause */
/* Kicks between CPUs. */
#include "xmhf/vmexit/kick.h"

#include "xmhf/cpu/apic_hw.h"
#include "xmhf/vmx/ept01_shared.h"
#include "xmhf/vmx/panic.h"
#include "xmhf/x86/insn.h"

#define TRIES_BEFORE_NEXT_INIT	    50000
#define STOP_TRIES		    1000000
#define STOP_TRIES_BEFORE_NEXT_INIT 1009 /* out of step with what the target does */

void kick_answer(struct vcpu *vcpu)
{
	u32 requests = __atomic_load_n(&vcpu->kick, __ATOMIC_ACQUIRE) & ~KICK_INIT_SENT;

	if (requests & KICK_STOP) {
		__atomic_store_n(&vcpu->kick, 0, __ATOMIC_RELEASE);
		disable_interrupts();
		for (;;)
			halt();
	}
	if (requests & KICK_FLUSH_EPT)
		invept(INVEPT_SINGLE_CONTEXT, ept01_pointer(&machine.ept));
	__atomic_and_fetch(&vcpu->kick, ~requests, __ATOMIC_RELEASE);
}

/* A request may have been answered before its INIT exits, so the INIT has a bit of its own. */
bool kick_take_init(struct vcpu *vcpu)
{
	u32 before = __atomic_fetch_and(&vcpu->kick, ~KICK_INIT_SENT, __ATOMIC_ACQ_REL);

	kick_answer(vcpu);
	return before & KICK_INIT_SENT;
}

/* A CPU in the wait-for-SIPI state runs nothing and ignores INIT; it answers when it wakes. */
static bool is_asleep(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->waits_for_sipi, __ATOMIC_ACQUIRE);
}

static void send_init(const struct vcpu *target)
{
	apic_send(target->cpu.apic_id, APIC_ICR_INIT | APIC_ICR_ASSERT);
}

/* One INIT at a time: a second one could exit after the first was taken, and pass for L1's. */
static void request(struct vcpu *target, u32 what)
{
	u32 before;

	if (is_asleep(target)) {
		__atomic_or_fetch(&target->kick, what, __ATOMIC_SEQ_CST);
		return;
	}
	before = __atomic_fetch_or(&target->kick, what | KICK_INIT_SENT, __ATOMIC_SEQ_CST);
	if (!(before & KICK_INIT_SENT))
		send_init(target);
}

static bool is_done(const struct vcpu *target, u32 what)
{
	return is_asleep(target) || !(__atomic_load_n(&target->kick, __ATOMIC_ACQUIRE) & what);
}

/* A processor holds an INIT until it leaves VMX root operation.  Bochs 3.0 loses one that
 * arrives there; while the first is held another one changes nothing. */
static void send_again(const struct vcpu *target)
{
	if (__atomic_load_n(&target->kick, __ATOMIC_ACQUIRE) & KICK_INIT_SENT)
		send_init(target);
}

static void wait_until_done(struct vcpu *vcpu, const struct vcpu *target, u32 what)
{
	for (u32 tries = 1; !is_done(target, what); tries++) {
		if (tries % TRIES_BEFORE_NEXT_INIT == 0)
			send_again(target);
		kick_answer(vcpu);
		cpu_relax();
	}
}

void kick_flush_ept(struct vcpu *vcpu)
{
	for (u32 i = 0; i < machine.cpu_count; i++) {
		if (machine.vcpus[i] != vcpu)
			request(machine.vcpus[i], KICK_FLUSH_EPT);
	}
	for (u32 i = 0; i < machine.cpu_count; i++) {
		if (machine.vcpus[i] != vcpu)
			wait_until_done(vcpu, machine.vcpus[i], KICK_FLUSH_EPT);
	}
	invept(INVEPT_SINGLE_CONTEXT, ept01_pointer(&machine.ept));
}

void panic_stop_other_cpus(struct vcpu *vcpu)
{
	for (u32 i = 0; i < machine.cpu_count; i++) {
		if (machine.vcpus[i] && machine.vcpus[i] != vcpu)
			request(machine.vcpus[i], KICK_STOP);
	}
	/* A CPU may be dead already: wait only so long. */
	for (u32 i = 0; i < machine.cpu_count; i++) {
		const struct vcpu *target = machine.vcpus[i];

		if (!target || target == vcpu)
			continue;
		for (u32 tries = 1; tries < STOP_TRIES && !is_done(target, KICK_STOP); tries++) {
			if (tries % STOP_TRIES_BEFORE_NEXT_INIT == 0)
				send_init(target);
			cpu_relax();
		}
	}
}

void kick_lock_ept(struct vcpu *vcpu)
{
	while (!spin_try_lock(&machine.ept_lock)) {
		kick_answer(vcpu);
		cpu_relax();
	}
}

static struct vcpu *own_vcpu(void)
{
	return vcpu_of_cpu(this_cpu());
}

void ept01_lock(void)
{
	kick_lock_ept(own_vcpu());
}

void ept01_unlock(void)
{
	spin_unlock(&machine.ept_lock);
}

void ept01_flush_all_cpus(void)
{
	kick_flush_ept(own_vcpu());
}
