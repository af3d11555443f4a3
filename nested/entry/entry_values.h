/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claims about single values that the checks of a VM entry and of MSR lists share.
 * Pure.
 */
#pragma once

#include "xmhf/vmx/caps.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/** Claim: a processor with @control allows the word @value. */
static inline bool control_allowed(u32 value, const struct vmx_control_caps *control)
{
	return !(control->must_be_1 & ~value) && !(value & ~control->may_be_1);
}

/** Claim: CR0 or CR4 may hold @value in VMX operation. */
static inline bool cr_allowed(u64 value, const struct vmx_cr_caps *cr)
{
	return !(cr->must_be_1 & ~value) && !(value & ~cr->may_be_1);
}

/** Claim: @value sets no bit beyond the physical-address width. */
static inline bool fits_physical_width(u64 value, const struct vmx_caps *caps)
{
	return !(value & ~low_bits(caps->physical_address_width));
}

/** Claim: bits 63:N of @address are identical, N being the linear-address width. */
static inline bool fits_linear_width(u64 address, const struct vmx_caps *caps)
{
	u64 high = caps->linear_address_width < 64 ? address >> caps->linear_address_width : 0;

	return high == 0 || high == low_bits(64U - caps->linear_address_width);
}

/**
 * Claim: @address is canonical: bits 63:N-1 are identical, N being the widest linear address of
 * the processor, whatever CR4.LA57 says.
 */
static inline bool is_canonical(u64 address, const struct vmx_caps *caps)
{
	u64 high = address >> (caps->linear_address_width - 1U);

	return high == 0 || high == low_bits(65U - caps->linear_address_width);
}

/** Claim: bits 63:32 of @value are zero. */
static inline bool fits_32_bits(u64 value)
{
	return !(value >> 32);
}
