/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMX-preemption timer of VMCS12.  Pure.  SDM "VMX-Preemption Timer": it counts down by one
 * each time bit X of the TSC changes, X being bits 4:0 of IA32_VMX_MISC.
 */
#include "nested/event/preemption_timer.h"

struct preemption_timer preemption_timer_start(u32 pin_controls, u64 misc, u32 value, u64 tsc)
{
	return (struct preemption_timer){
		.active = pin_controls & PIN_ACTIVATE_PREEMPTION_TIMER,
		.rate = (u8)field_get(misc, VMX_MISC_TIMER_RATE),
		.start = value,
		.start_tsc = tsc,
	};
}

u32 preemption_timer_left(const struct preemption_timer *timer, u64 tsc)
{
	u64 elapsed = (tsc >> timer->rate) - (timer->start_tsc >> timer->rate);

	return elapsed >= timer->start ? 0 : timer->start - (u32)elapsed;
}

u32 preemption_timer_for_vmcs12(u32 vmcs12_value, u32 exit_controls, u32 exit_reason, u32 left)
{
	if (!(exit_controls & EXIT_SAVE_PREEMPTION_TIMER))
		return vmcs12_value;
	return (exit_reason & EXIT_REASON_BASIC) == EXIT_REASON_PREEMPTION_TIMER ? 0 : left;
}
