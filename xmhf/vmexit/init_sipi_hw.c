/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT, SIPI and triple fault of L1's CPUs.
 *
 *   active --INIT--> wait-for-SIPI --SIPI--> active        (the boot CPU: INIT restarts it
 *   at the reset vector, as without L0)
 *
 * An INIT that arrives in wait-for-SIPI does nothing natively.  In VMX non-root operation it
 * is blocked, and would come after the SIPI: so the monitor trap flag stops the CPU after
 * its first instruction, and an INIT before that is the blocked one.
 *
 * No INIT ever leads out of VMX operation.  SDM "Multiple-Processor Initialization",
 * "Other Causes of VM Exits".
 */
#include "nested/nested.h"
#include "xmhf/cpu/apic_hw.h"
#include "xmhf/device/log.h"
#include "xmhf/vmexit/kick.h"
#include "xmhf/vmexit/vmexit.h"
#include "xmhf/x86/msr.h"

#define SIPI_VECTOR FIELD(7, 0)

static void set_waits_for_sipi(struct vcpu *vcpu, bool waits)
{
	__atomic_store_n(&vcpu->waits_for_sipi, waits, __ATOMIC_SEQ_CST);
}

void vmexit_wake(struct vcpu *vcpu)
{
	set_waits_for_sipi(vcpu, false);
	kick_answer(vcpu);
}

void vmexit_init(struct vcpu *vcpu)
{
	bool boot_cpu = rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_BSP;

	if (kick_take_init(vcpu) || vcpu->after_sipi || nested_init_signal(vcpu))
		return;
	if (vcpu->step.active)
		vmexit_mtf(vcpu);
	apic_reset_by_init();
	write_cr2(0);
	vmcs01_set_init_state(vcpu, boot_cpu ? ACTIVITY_ACTIVE : ACTIVITY_WAIT_FOR_SIPI);
	set_waits_for_sipi(vcpu, !boot_cpu);
}

void vmexit_sipi(struct vcpu *vcpu)
{
	u16 vector = (u16)field_get(vmcs_read(VMCS_exit_qualification), SIPI_VECTOR);

	if (vcpu->parked) {
		/* Back to sleep; Bochs 3.0 saves the active state here. */
		vmcs_write(VMCS_guest_activity_state, ACTIVITY_WAIT_FOR_SIPI);
		return;
	}
	vmexit_wake(vcpu);
	vmcs01_set_real_mode_rip((u16)(vector << 8), 0);
	vmcs_write(VMCS_guest_activity_state, ACTIVITY_ACTIVE);
	/* The state blocks NMIs, and Bochs 3.0 saves that as blocking by NMI. */
	vmcs_write(VMCS_guest_interruptibility_state, 0);
	vcpu->after_sipi = true;
	vmexit_set_monitor_trap(true);
}

void vmexit_triple_fault(struct vcpu *vcpu)
{
	struct descriptor_table_pointer nothing = { 0, 0 };

	log_line("L1's CPU took a triple fault at rip 0x%llx: so does this one",
		 vmcs_read(VMCS_guest_rip));
	(void)vcpu;
	/* Shutdown outside VMX operation: what the chipset does then is the machine's affair. */
	vmxoff();
	lidt(&nothing);
	write_cr2(*(volatile uptr *)0);
	for (;;)
		halt();
}
