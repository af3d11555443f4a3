/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fields of the current VMCS, on the processor.  Fields named by a constant that the
 * processor has cannot fail, so nothing is checked.
 */
#pragma once

#include "xmhf/cpu/percpu.h"
#include "xmhf/lib/config.h"
#include "xmhf/x86/insn.h"
#include "xmhf/x86/vmcs.h"

/** The value of field @encoding of the current VMCS. */
static inline u64 vmcs_read(enum vmcs_encoding encoding)
{
	if (CONFIG_COUNT_VMX_INSTRUCTIONS)
		this_cpu()->counters.vmread++;
	return vmread(encoding);
}

/** Sets field @encoding of the current VMCS. */
static inline void vmcs_write(enum vmcs_encoding encoding, u64 value)
{
	if (CONFIG_COUNT_VMX_INSTRUCTIONS)
		this_cpu()->counters.vmwrite++;
	vmwrite(encoding, value);
}

/** Makes the VMCS at @address current. */
static inline void vmcs_load(hpa_t address)
{
	if (CONFIG_COUNT_VMX_INSTRUCTIONS)
		this_cpu()->counters.vmptrld++;
	vmptrld(address.v);
}

/** Clears the VMCS at @address: its data are in memory afterwards. */
static inline void vmcs_clear(hpa_t address)
{
	if (CONFIG_COUNT_VMX_INSTRUCTIONS)
		this_cpu()->counters.vmclear++;
	vmclear(address.v);
}
