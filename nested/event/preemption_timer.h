/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX-preemption timer of VMCS12 while VMCS02 runs L2.  Pure.
 * SDM "VMX-Preemption Timer".
 */
#pragma once

#include "xmhf/x86/vmx.h"

/** L1's timer for one stay in L2. */
struct preemption_timer {
	bool active;
	u8 rate;       /* IA32_VMX_MISC bits 4:0: counts down once in 2^rate ticks of the TSC */
	u32 start;     /* VMCS12's value at the VM entry */
	u64 start_tsc; /* TSC at the VM entry */
};

/** Starts L1's timer at a VM entry. */
struct preemption_timer preemption_timer_start(u32 pin_controls, u64 misc, u32 value, u64 tsc);

/** What is left at @tsc: 0 when it has run out. */
u32 preemption_timer_left(const struct preemption_timer *timer, u64 tsc);

/**
 * VMCS12's timer value after an exit to L1: what is left if "save VMX-preemption timer value" is
 * set (0 if the timer is the reason), else VMCS12's value unchanged.
 */
u32 preemption_timer_for_vmcs12(u32 vmcs12_value, u32 exit_controls, u32 exit_reason, u32 left);
