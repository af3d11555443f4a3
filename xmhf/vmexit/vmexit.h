/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handling L1's VM exits.  One function per exit reason that L1 can cause under VMCS01;
 * the dispatch table is in vmexit.c.  VMCS01 is current throughout.
 */
#pragma once

#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"

typedef void vmexit_handler(struct vcpu *vcpu);

vmexit_handler vmexit_cpuid, vmexit_rdmsr, vmexit_wrmsr, vmexit_cr_access, vmexit_xsetbv,
	vmexit_invd, vmexit_vmcall, vmexit_ept_violation, vmexit_ept_misconfiguration, vmexit_mtf,
	vmexit_init, vmexit_sipi, vmexit_triple_fault, vmexit_invalid_opcode,
	vmexit_vmx_instruction, vmexit_vmxoff, vmexit_task_switch, vmexit_io_instruction;

/**
 * The guest touches, at guest-physical @address of the current VMCS, memory that is not L1's: its
 * instruction runs once with a page of all-ones there.
 */
void vmexit_step_over_hidden(struct vcpu *vcpu, u64 address);

/** The same with L1's @page there, with @rights. */
void vmexit_step_with_page(struct vcpu *vcpu, u64 address, l1pa_t page, u64 rights);

/** The same with a copy of L1's @page; false: the instruction had as many copies as there are. */
bool vmexit_step_with_copy(struct vcpu *vcpu, u64 address, l1pa_t page, u64 rights);

/**
 * An EPT violation of the current VMCS at guest-physical @address, to which EPT12 gives @rights,
 * and which is L1-physical @page: if the hypapp took the right away, it is asked, and the answer
 * obeyed.  Returns false if not.
 */
bool vmexit_protected(struct vcpu *vcpu, u64 address, l1pa_t page, u64 rights);

/**
 * A new exit, with @reason, ends what was begun for single instructions on the hypapp's account.
 * Returns true if the exit had no other purpose.
 */
bool vmexit_end_steps(struct vcpu *vcpu, u64 reason);

/** The CPU left the wait-for-SIPI state: it answers what others asked meanwhile. */
void vmexit_wake(struct vcpu *vcpu);

/** Asks for an exit, vmexit_mtf(), after the next instruction of L1; or no more. */
void vmexit_set_monitor_trap(bool on);
