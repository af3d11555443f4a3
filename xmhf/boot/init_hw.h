/* SPDX-License-Identifier: BSD-2-Clause */
/* The privileged steps of the boot, called by init.c. */
#pragma once

#include "xmhf/vmx/vcpu.h"
#include "xmhf/x86/insn.h"
#include "xmhf/x86/msr.h"

/** Sets CR0 and CR4 of the calling CPU to what L0 runs with, and enables no-execute pages. */
void cpu_set_control_registers(void);

/**
 * Makes VMXON possible on the calling CPU: checks CPUID, sets and locks IA32_FEATURE_CONTROL.
 * Returns NULL, or why there is no VMX, in words for the user.
 */
const char *vmx_enable(void);

/** Enters VMX operation; false if VMXON fails. */
bool vmx_start(struct vcpu *vcpu);

/** How many of this hypervisor run below this one, by the hypervisor leaf. */
u32 nesting_depth_below(void);

/** entry.S: copies @size bytes of image and goes on in the copy, with page tables @cr3. */
void relocate_image(void *to, const void *from, u64 size, u64 cr3);

/** entry.S: calls @function(@argument) on the stack that ends at @stack_top. */
_Noreturn void switch_stack(void *stack_top, void (*function)(void *), void *argument);

/** native.S: starts the boot sector without VMX, by the 16-bit stub. */
_Noreturn void native_boot(u32 segment, u32 address);

/** vmexit_stub.S: the first VM entry of @vcpu. */
_Noreturn void vmx_launch(struct vcpu *vcpu);
