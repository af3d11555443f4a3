/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The common memory operand, quickly: 64-bit code at CPL 0 with 4-level paging, a present page
 * whose flags are set already, no corner of the architecture in sight.  Anything else is
 * left to operand.h, which knows it all.  SDM "4-Level Paging and 5-Level Paging".
 */
#pragma once

#include "xmhf/vmx/vcpu.h"

/** L1's paging, as far as fast_translate() looks at it. */
struct fast_paging {
	u64 cr3;
	u64 reserved; /* bits that make an entry uncommon: above the physical width, perhaps NX */
	bool refuse_user; /* user pages may be forbidden: by SMAP or by a protection key */
};

/** L1's paging from its control registers, at CPL 0.  Pure. */
struct fast_paging fast_paging_of(u64 cr3, u64 cr4, u64 efer, u8 physical_address_width);

/**
 * Translates @linear by 4-level paging.  Returns false, with nothing done, where an entry is not
 * present, has a flag that still has to be set, lacks write access for @write, or is uncommon.
 * Pure.
 */
bool fast_translate(const struct fast_paging *paging, u64 linear, bool write, l1pa_t *address);

/**
 * Where L0 reads the @size bytes of the memory operand of L1's VMX instruction; VMCS01 is
 * current.  Returns NULL, with nothing done, where the case is not the common one.
 */
const volatile void *fast_operand(struct vcpu *vcpu, u32 instruction_information, u32 size);

/** Reads the 64-bit memory operand into @value; the rest as fast_operand_write(). */
bool fast_operand_read(struct vcpu *vcpu, u32 instruction_information, u64 *value);

/**
 * Writes the 64-bit @value to the memory operand of L1's VMX instruction; VMCS01 is current.
 * Returns false, with nothing done, where the case is not the common one.
 */
bool fast_operand_write(struct vcpu *vcpu, u32 instruction_information, u64 value);
