/* SPDX-License-Identifier: BSD-2-Clause */
/* Kicks between CPUs. */
#include "xmhf/vmexit/kick.h"

#include "xmhf/cpu/apic_hw.h"
#include "xmhf/vmx/panic.h"
#include "xmhf/x86/insn.h"

#define STOP_TRIES 100000

bool kick_answer(struct vcpu *vcpu)
{
	u32 requests = __atomic_load_n(&vcpu->kick, __ATOMIC_ACQUIRE);

	if (!requests)
		return false;
	while (requests & KICK_STOP) {
		__atomic_store_n(&vcpu->kick, 0, __ATOMIC_RELEASE);
		disable_interrupts();
		for (;;)
			halt();
	}
	if (requests & KICK_FLUSH_EPT)
		invept(INVEPT_SINGLE_CONTEXT, ept01_pointer(&machine.ept));
	__atomic_and_fetch(&vcpu->kick, ~requests, __ATOMIC_RELEASE);
	return true;
}

/* A CPU in the wait-for-SIPI state runs nothing and ignores INIT; it answers when it wakes. */
static bool is_asleep(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->waits_for_sipi, __ATOMIC_ACQUIRE);
}

static void request(struct vcpu *target, u32 what)
{
	__atomic_or_fetch(&target->kick, what, __ATOMIC_SEQ_CST);
	if (!is_asleep(target))
		apic_send(target->cpu.apic_id, APIC_ICR_INIT | APIC_ICR_ASSERT);
}

static bool is_done(const struct vcpu *target, u32 what)
{
	return is_asleep(target) || !(__atomic_load_n(&target->kick, __ATOMIC_ACQUIRE) & what);
}

void kick_flush_ept(struct vcpu *vcpu)
{
	for (u32 i = 0; i < machine.cpu_count; i++) {
		if (machine.vcpus[i] != vcpu)
			request(machine.vcpus[i], KICK_FLUSH_EPT);
	}
	for (u32 i = 0; i < machine.cpu_count; i++) {
		while (machine.vcpus[i] != vcpu && !is_done(machine.vcpus[i], KICK_FLUSH_EPT)) {
			kick_answer(vcpu);
			cpu_relax();
		}
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
		if (!machine.vcpus[i] || machine.vcpus[i] == vcpu)
			continue;
		for (u32 tries = 0; tries < STOP_TRIES && !is_done(machine.vcpus[i], KICK_STOP);
		     tries++)
			cpu_relax();
	}
}

void kick_lock_ept(struct vcpu *vcpu)
{
	while (!spin_try_lock(&machine.ept_lock)) {
		kick_answer(vcpu);
		cpu_relax();
	}
}
