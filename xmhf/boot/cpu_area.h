/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of each CPU: its stack with struct vcpu above it, interrupt stacks and the
 * hypapp's memory, in a slot of L0's address space with guard pages between them.
 */
#pragma once

#include "xmhf/memory/host_paging.h"
#include "xmhf/vmx/machine.h"

/** Pages of L0's memory that each CPU takes, VMX regions included. */
u64 cpu_area_pages(void);

/** Builds the area of CPU @id in @paging and fills what struct vcpu says of memory. */
struct vcpu *cpu_area_build(struct host_paging *paging, u32 id, u32 apic_id);
